package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bgswitch/switcher/caller"
	"bgswitch/switcher/command"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/trust"
)

// leftBehind is how long is waited for the output of what a program has left in
// the background.
const leftBehind = time.Second

// printed is what a command of the settings prints.
func printed(ctx context.Context, argv []string) (string, error) {
	return output(ctx, argv, caller.OperatorEnv(), nil)
}

// output is the beginning of what a program prints, or why there is none, with the
// last that it has said.
func output(ctx context.Context, argv, env []string, user *syscall.Credential) (string, error) {
	if env == nil {
		env = []string{"PATH=" + caller.Path}
	}
	out := &command.Output{Limit: lineLimit}
	said, err := command.Run(ctx, command.Command{Argv: argv, Env: env, User: user, Stdout: out, End: true, Patience: leftBehind})
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		if end := strings.TrimSpace(string(said)); end != "" {
			err = fmt.Errorf("%w: %s", err, foreign.End(end))
		}
		return "", err
	}
	return string(out.Bytes), nil
}

// describe is what git calls what is checked out in a folder. A repository's own
// configuration can name programs that git runs: they get no rights of ours but
// where nobody else can have written it. git itself refuses a repository of
// somebody else's than who runs it (git-config(1), safe.directory).
func describe(ctx context.Context, path string) (string, error) {
	folder, err := trust.OpenFolder(path)
	if err != nil {
		return "", withoutPath(err)
	}
	defer folder.Close()
	user, err := trust.Behind(path)
	if err == nil && user == nil && os.Geteuid() == 0 {
		err = errors.Join(trust.Doubts(filepath.Join(folder.Path, ".git", "config"))...)
	}
	if err != nil {
		return "", err
	}
	return output(ctx, []string{"git", "-C", folder.Path, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "describe", "--tags", "--always"}, gitEnv(folder.Path), user)
}

// gitEnv is what git runs with: it looks for a repository in this very folder, and
// fetches nothing. As root it reads no settings but the repository's.
func gitEnv(folder string) []string {
	env := slices.DeleteFunc(caller.OperatorEnv(), func(entry string) bool { return strings.HasPrefix(entry, "GIT_") })
	env = append(env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(folder), "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1", "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C")
	if os.Geteuid() == 0 {
		env = append(env, "HOME=/", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	}
	return env
}
