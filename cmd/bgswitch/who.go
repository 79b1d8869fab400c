package main

import (
	"os"
	"os/user"
	"strconv"
)

// who is the person at the keyboard, also behind sudo and doas.
func who() string {
	effective := currentUser()
	for _, name := range []string{"SUDO_USER", "DOAS_USER"} {
		if behind := os.Getenv(name); behind != "" && behind != effective && os.Geteuid() == 0 {
			return behind + " (as " + effective + ")"
		}
	}
	return effective
}

func currentUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
