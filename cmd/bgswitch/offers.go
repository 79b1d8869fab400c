package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"bgswitch/examples"
	"bgswitch/switcher/caller"
	outside "bgswitch/switcher/command"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/trust"

	"github.com/urfave/cli/v2"
)

// offer is a file that lets others work with bgswitch: sudo, cron, systemd.
type offer struct {
	flag, of   string // what was typed, and what reads the file
	path, text string
	mode       fs.FileMode
	check      func(ctx context.Context, path string) error // nil: nothing can be wrong with it
	shipped    string                                       // where a package has it that brings one; empty: none does
	then       string                                       // what has to be typed afterwards
}

// exampleProgram is where the examples have the program.
const exampleProgram = "/usr/local/bin/bgswitch"

// plainPath is one that needs no quotes in any of these files.
var plainPath = regexp.MustCompile(`^/[\w/.-]+$`)

// offersOf are those that were asked for, with our own path in them.
func offersOf(c *cli.Context, settings string) (list []offer, err error) {
	sudoers, cron, timer := c.IsSet("sudoers"), c.Bool("cron"), c.Bool("timer")
	if cron && timer {
		return nil, usage("take one of them", "--cron and --timer do the same")
	}
	if !sudoers && !cron && !timer {
		return nil, nil
	}
	ours, err := withOurPath(settings)
	if err != nil {
		return nil, err
	}
	if sudoers {
		rule, err := sudoersOf(c.String("sudoers"), settings)
		if err != nil {
			return nil, err
		}
		list = append(list, offer{flag: "sudoers", of: "sudo", path: "/etc/sudoers.d/bgswitch", text: ours(rule), mode: 0o440,
			check: func(ctx context.Context, path string) error { return visudo(ctx, path, caller.Path) }})
	}
	if cron {
		list = append(list, offer{flag: "cron", of: "cron", path: "/etc/cron.d/bgswitch", text: ours(examples.Cron), mode: 0o644})
	}
	if timer {
		list = append(list, unit("bgswitch-verify.service", ours(examples.Service), settings), unit("bgswitch-verify.timer", examples.Timer, settings))
		list[len(list)-1].then = "systemctl daemon-reload && systemctl enable --now bgswitch-verify.timer"
	}
	for n := range list {
		list[n].text = writtenByInit + list[n].text
	}
	return list, nil
}

// writtenByInit begins each file, for the package's purge removes no other one.
const writtenByInit = "# Written by `bgswitch init`.\n"

// unit is one of systemd's. That of a package verifies the system's own settings.
func unit(name, text, settings string) offer {
	one := offer{flag: "timer", of: "systemd", path: "/etc/systemd/system/" + name, text: text, mode: 0o644}
	if settings == defaultSettings {
		one.shipped = "/usr/lib/systemd/system/" + name
	}
	return one
}

// withOurPath is how the text of an example becomes ours. A program that others
// could change has no place in what root runs.
func withOurPath(settings string) (func(text string) string, error) {
	program, err := os.Executable()
	if err == nil && !plainPath.MatchString(program+settings) {
		err = fmt.Errorf("%s: a path needs quotes there", foreign.Shell(program, settings))
	}
	if err == nil {
		err = safeProgram(program)
	}
	if err != nil {
		return nil, &hinted{fmt.Errorf("cannot write rules for this program: %w", err), "install it first: `sudo install -m 755 bgswitch /usr/local/bin/`"}
	}
	verify := "verify --quiet"
	if settings != defaultSettings {
		verify += " --config " + settings
	}
	return strings.NewReplacer(exampleProgram, program, "verify --quiet", verify).Replace, nil
}

func safeProgram(program string) error {
	folder, err := trust.OpenFolder(filepath.Dir(program))
	if err != nil {
		return err
	}
	defer folder.Close()
	return cmp.Or(folder.Safe(), folder.SafeFile(filepath.Base(program)))
}

// userName: in sudoers(5) capitals are an alias.
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_.-]*$`)

// exampleUser is whom the rule of the examples is for.
var exampleUser = regexp.MustCompile(`(?m)^deploy\b|\bthe user deploy\b|:deploy\b`)

func sudoersOf(name, settings string) (string, error) {
	if !userName.MatchString(name) {
		return "", usage("`bgswitch init --sudoers root --dry-run` shows a rule to write by hand", "--sudoers: %q has characters that mean something else in a rule", name)
	}
	if _, err := user.Lookup(name); err != nil {
		return "", usage("`getent passwd` lists the users", "--sudoers: there is no user %q", name)
	}
	if settings != defaultSettings {
		return "", usage("the rule allows only the exact words that are typed, and --config is not among them: write the settings to "+defaultSettings, "--sudoers does not go with --config")
	}
	return exampleUser.ReplaceAllStringFunc(examples.Sudoers, func(found string) string {
		return strings.Replace(found, "deploy", name, 1)
	}), nil
}

// visudoTime is how long it may take.
const visudoTime = 20 * time.Second

// visudo has sudo's own tool read a rule, where it is there.
func visudo(ctx context.Context, path, folders string) error {
	for folder := range strings.SplitSeq(folders, ":") {
		program := filepath.Join(folder, "visudo")
		if _, err := os.Stat(program); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, visudoTime)
		defer cancel()
		out, err := outside.Run(ctx, outside.Command{Argv: []string{program, "-c", "-f", path}, Env: caller.NginxEnv()})
		if err != nil {
			return fmt.Errorf("visudo does not accept the rule: %w: %s", err, foreign.Excerpt(string(out)))
		}
		return nil
	}
	return nil
}

// install writes what was asked for. What is there already, and says something else,
// is left alone without --force, as again types it.
func (t *terminal) install(ctx context.Context, offers []offer, again string, o *initObject) error {
	var then string
	for _, one := range offers {
		then = one.then
		before, err := ordinary.Read(one.path, settingsLimit)
		switch {
		case one.shipped != "" && isThere(one.shipped):
			t.line(one.flag, one.shipped+" is there")
			continue
		case err == nil && string(before) == one.text:
			t.line(one.flag, one.path+" says so already")
			continue
		case err == nil && !t.typed.has("force"):
			return &hinted{fmt.Errorf("cannot write %s: it is there already, and says something else", one.path), fmt.Sprintf("look at it; `%s` writes over it, and leaves the settings alone", again)}
		case err == nil:
			if err := t.keepOld(one.path, before); err != nil {
				return err
			}
		}
		if err := one.write(ctx); err != nil {
			return err
		}
		o.Written = append(o.Written, statedir.Text(one.path))
		t.line(one.flag, fmt.Sprintf("%s is written (mode %04o)", one.path, one.mode))
	}
	if then != "" {
		t.result("to begin: `%s`", then)
	}
	return nil
}

func (o offer) write(ctx context.Context) error {
	if !isThere(filepath.Dir(o.path)) {
		return &hinted{fmt.Errorf("cannot write %s: there is no %s here", o.path, o.of), fmt.Sprintf("install %s first, or leave out --%s", o.of, o.flag)}
	}
	err := putFile(o.path, []byte(o.text), o.mode, func(path string) error {
		if o.check == nil {
			return nil
		}
		return o.check(ctx, path)
	})
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", o.path, err)
	}
	return nil
}

// keepOld keeps what is about to be written over beside it, under the first name that
// nothing has. Neither sudo nor cron nor systemd reads a file that is called so.
func (t *terminal) keepOld(path string, text []byte) error {
	old := path + ".old"
	for n := 2; isThere(old); n++ {
		old = fmt.Sprintf("%s.old%d", path, n)
	}
	if err := putFile(old, text, 0o600, nil); err != nil {
		return fmt.Errorf("cannot keep what is there as %s: %w", old, err)
	}
	t.say("what was there is kept in " + old)
	return nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// putFile writes a file that decides what root runs: nobody else may be able to change
// its folder. One that is missing is made.
func putFile(path string, text []byte, mode fs.FileMode, check func(path string) error) error {
	folder, err := trust.MakeFolder(filepath.Dir(path), 0o755)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Safe(); err != nil {
		return err
	}
	return putIn(folder, filepath.Base(path), text, mode, check)
}

// takeUp writes offers where the settings are there already.
func (t *terminal) takeUp(ctx context.Context, offers []offer, again string, o initObject, dryRun bool) error {
	o.Written, o.Places = []statedir.Text{}, []placeObject{}
	if dryRun {
		for _, one := range offers {
			t.result("# %s (mode %04o)", one.path, one.mode)
			for line := range bytes.Lines([]byte(one.text)) {
				t.result("%s", strings.TrimSuffix(string(line), "\n"))
			}
		}
	} else if err := t.install(ctx, offers, again, &o); err != nil {
		return err
	}
	if t.json {
		t.showObject(o)
	}
	return nil
}
