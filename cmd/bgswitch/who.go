package main

import (
	"os"
	"os/user"
	"strconv"
	"strings"
)

// who is the person at the keyboard, also behind sudo and doas.
func who() string {
	effective := currentUser()
	if behind, _ := becameRoot(); behind != "" && behind != effective {
		return behind + " (as " + effective + ")"
	}
	return effective
}

// becameRoot is who became root, and by which program; empty: nobody.
func becameRoot() (user, by string) {
	for _, by := range []string{"sudo", "doas"} {
		if user := os.Getenv(strings.ToUpper(by) + "_USER"); user != "" && os.Geteuid() == 0 {
			return user, by
		}
	}
	return "", ""
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
