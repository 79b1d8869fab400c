package main

import (
	"bytes"
	"context"
	"errors"
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
	flag, path, text string
	mode             fs.FileMode
	check            func(ctx context.Context, path string) error // nil: nothing can be wrong with it
	shipped          bool                                         // a package may have brought it
	then             string                                       // what has to be typed afterwards
}

// Where they go. Tests have a root of their own.
var offersRoot = "/"

// exampleProgram is where the examples have the program.
const exampleProgram = "/usr/local/bin/bgswitch"

// plainPath is one that needs no quotes in any of these files.
var plainPath = regexp.MustCompile(`^/[\w/.-]+$`)

// offersOf are those that were asked for, with our own path in them.
func offersOf(c *cli.Context, settings string) (list []offer, err error) {
	if c.Bool("cron") && c.Bool("timer") {
		return nil, usage("take one of them", "--cron and --timer do the same")
	}
	program, err := os.Executable()
	if err == nil && !plainPath.MatchString(program+settings) {
		err = fmt.Errorf("%s: a plain path is needed in such a file", foreign.Shell(program, settings))
	}
	if err != nil && (c.Bool("cron") || c.Bool("timer") || c.IsSet("sudoers")) {
		return nil, fmt.Errorf("cannot write rules for this program: %w", err)
	}
	verify := "verify --quiet"
	if settings != defaultSettings {
		verify += " --config " + settings
	}
	ours := func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, exampleProgram, program), "verify --quiet", verify)
	}
	if c.IsSet("sudoers") {
		rule, err := sudoersOf(c.String("sudoers"), settings)
		if err != nil {
			return nil, err
		}
		list = append(list, offer{flag: "sudoers", path: "etc/sudoers.d/bgswitch", text: ours(rule), mode: 0o440, check: visudo})
	}
	if c.Bool("cron") {
		list = append(list, offer{flag: "cron", path: "etc/cron.d/bgswitch", text: ours(examples.Cron), mode: 0o644})
	}
	if c.Bool("timer") {
		list = append(list,
			offer{flag: "timer", path: "etc/systemd/system/bgswitch-verify.service", text: ours(examples.Service), mode: 0o644, shipped: settings == defaultSettings},
			offer{flag: "timer", path: "etc/systemd/system/bgswitch-verify.timer", text: examples.Timer, mode: 0o644, shipped: settings == defaultSettings, then: "systemctl daemon-reload && systemctl enable --now bgswitch-verify.timer"})
	}
	return list, nil
}

var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]*$`)

// exampleUser is whom the rule of the examples is for.
var exampleUser = regexp.MustCompile(`(?m)^deploy\b|\bthe user deploy\b|:deploy\b`)

func sudoersOf(name, settings string) (string, error) {
	if _, err := user.Lookup(name); err != nil || !userName.MatchString(name) {
		return "", usage("name one that is there: `getent passwd`", "--sudoers: there is no user %q whom a rule could be for", name)
	}
	if settings != defaultSettings {
		return "", usage("the rule allows the very words that are typed, and --config is none of them: write the settings to "+defaultSettings, "--sudoers does not go with --config")
	}
	return exampleUser.ReplaceAllStringFunc(examples.Sudoers, func(found string) string {
		return strings.Replace(found, "deploy", name, 1)
	}), nil
}

// visudoTime is how long it may take.
const visudoTime = 20 * time.Second

// visudo has sudo's own tool read a rule, where it is there.
func visudo(ctx context.Context, path string) error {
	for folder := range strings.SplitSeq(caller.Path, ":") {
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
// is left alone without --force.
func (t *terminal) install(ctx context.Context, offers []offer, o *initObject) error {
	var then string
	for _, one := range offers {
		path := filepath.Join(offersRoot, one.path)
		if shipped := filepath.Join(offersRoot, "usr/lib/systemd/system", filepath.Base(path)); one.shipped && isThere(shipped) {
			t.line(one.flag, shipped+" is there")
			then = one.then
			continue
		}
		before, err := ordinary.Read(path, settingsLimit)
		switch {
		case err == nil && string(before) == one.text:
			t.line(one.flag, path+" says so already")
			then = one.then
			continue
		case err == nil && !t.forces():
			return &hinted{fmt.Errorf("cannot write %s: it is there already, and says something else", path), "look at it; --force writes over it"}
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("cannot write %s: %w", path, err)
		}
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return &hinted{fmt.Errorf("cannot write %s: %w", path, err), fmt.Sprintf("install %s first, or leave out --%s", map[string]string{"sudoers": "sudo", "cron": "cron", "timer": "systemd"}[one.flag], one.flag)}
		}
		if err := putFile(path, []byte(one.text), one.mode, func(path string) error {
			if one.check == nil {
				return nil
			}
			return one.check(ctx, path)
		}); err != nil {
			return fmt.Errorf("cannot write %s: %w", path, err)
		}
		o.Written = append(o.Written, statedir.Text(path))
		t.line(one.flag, fmt.Sprintf("%s is written (mode %04o)", path, one.mode))
		then = one.then
	}
	if then != "" {
		t.result("to begin: `%s`", then)
	}
	return nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// forces says whether --force was typed.
func (t *terminal) forces() bool { return t.typed.has("force") }

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
func (t *terminal) takeUp(ctx context.Context, offers []offer, o initObject, dryRun bool) error {
	o.Written, o.Places = []statedir.Text{}, []placeObject{}
	if dryRun {
		for _, one := range offers {
			t.result("# %s (mode %04o)", filepath.Join(offersRoot, one.path), one.mode)
			for line := range bytes.Lines([]byte(one.text)) {
				t.result("%s", strings.TrimSuffix(string(line), "\n"))
			}
		}
	} else if err := t.install(ctx, offers, &o); err != nil {
		return err
	}
	if t.json {
		t.showObject(o)
	}
	return nil
}
