package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// source is what the packages are made of, in the words of git.
type source struct {
	version    string // without a v
	commit     string // empty where there is no git
	date       time.Time
	maintainer string
}

// noDate is that of the files where nothing tells another: no archive's format
// has trouble with it.
var noDate = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// sourceHere looks at the checkout that the working directory is.
func sourceHere() (source, error) {
	s := source{date: noDate}
	if head, err := git("log", "-1", "--format=%H %ct"); err == nil {
		commit, seconds, _ := strings.Cut(head, " ")
		if s.date, err = dateOf(seconds); err != nil {
			return source{}, err
		}
		s.commit = commit[:12]
		if edits, err := git("status", "--porcelain"); err != nil || edits != "" {
			s.commit += " with edits"
		}
	}
	s.version = "0.0.0-git" + s.date.Format("20060102150405")
	if tag, err := git("describe", "--tags", "--exact-match", "--match=v[0-9]*"); err == nil {
		s.version = strings.TrimPrefix(tag, "v")
	}
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		date, err := dateOf(epoch)
		if err != nil {
			return source{}, fmt.Errorf("$SOURCE_DATE_EPOCH: %w", err)
		}
		s.date = date
	}
	return s, nil
}

func dateOf(seconds string) (time.Time, error) {
	n, err := strconv.ParseInt(seconds, 10, 64)
	return time.Unix(n, 0).UTC(), err
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	return strings.TrimSpace(string(out)), err
}

// run runs a program that makes something, and returns what it printed.
func run(env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run %s %s: %w", name, args[0], err)
	}
	return out, nil
}
