package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"

	"github.com/urfave/cli/v2"
)

// offered are those that the flags ask for, in a folder in the place of /.
func offered(t *testing.T, root, settings string, args ...string) []offer {
	t.Helper()
	list, err := offersFor(settings, args...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].path = filepath.Join(root, list[i].path)
		if list[i].shipped != "" {
			list[i].shipped = filepath.Join(root, list[i].shipped)
		}
	}
	return list
}

func offersFor(settings string, args ...string) ([]offer, error) {
	flags := flag.NewFlagSet("init", flag.ContinueOnError)
	for _, f := range initFlags() {
		if err := f.Apply(flags); err != nil {
			return nil, err
		}
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return offersOf(cli.NewContext(nil, flags, nil), settings)
}

// etc is a root folder with the folders that the offers go to.
func etc(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{"etc/sudoers.d", "etc/cron.d", "etc/systemd/system", "usr/lib/systemd/system"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func quiet() *terminal { return &terminal{stdout: io.Discard, stderr: io.Discard} }

// What is offered is written with its mode, with our own path, and for the user that
// was named; what says something else already is left alone.
func TestOffers(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		settings string
		args     []string
		modes    map[string]os.FileMode
		has      []string
	}{
		"sudoers": {defaultSettings, []string{"--sudoers", "nobody"}, map[string]os.FileMode{"etc/sudoers.d/bgswitch": 0o440}, []string{"\nnobody ALL=(root) NOPASSWD: " + program + " to blue, ", "\nDefaults!" + program + " env_keep"}},
		"cron":    {defaultSettings, []string{"--cron"}, map[string]os.FileMode{"etc/cron.d/bgswitch": 0o644}, []string{"\n* * * * * root " + program + " verify --quiet\n"}},
		"timer":   {"/srv/b.yaml", []string{"--timer"}, map[string]os.FileMode{"etc/systemd/system/bgswitch-verify.service": 0o644, "etc/systemd/system/bgswitch-verify.timer": 0o644}, []string{"\nExecStart=" + program + " verify --quiet --config /srv/b.yaml\n", "\nOnCalendar="}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, all := etc(t), ""
			o := initObject{}
			list := offered(t, root, test.settings, test.args...)
			if err := quiet().install(t.Context(), list, "bgswitch init --force", &o); err != nil || len(o.Written) != len(test.modes) {
				t.Fatalf("%v, written %v", err, o.Written)
			}
			for path, mode := range test.modes {
				text, err := os.ReadFile(filepath.Join(root, path))
				info, errInfo := os.Stat(filepath.Join(root, path))
				if err != nil || errInfo != nil || info.Mode() != mode {
					t.Errorf("%v %v %v", err, errInfo, info)
				}
				all += string(text)
			}
			for _, want := range test.has {
				if !strings.Contains(all, want) || strings.Contains(all, exampleProgram) || strings.Contains(all, "\ndeploy ") {
					t.Errorf("%q is not in\n%s", want, all)
				}
			}
			if err := quiet().install(t.Context(), list, "bgswitch init --force", &initObject{}); err != nil {
				t.Errorf("again: %v", err)
			}
			edited := list[0].path
			if err := errors.Join(os.Remove(edited), os.WriteFile(edited, []byte("# mine\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
			if err := quiet().install(t.Context(), list, "bgswitch init --force", &initObject{}); err == nil || !strings.Contains(err.Error(), "it is there already") {
				t.Errorf("over another one: %v", err)
			}
			forced := quiet()
			forced.typed.flags = []string{"--force"}
			if err := forced.install(t.Context(), list, "bgswitch init --force", &initObject{}); err != nil {
				t.Errorf("by force: %v", err)
			}
			if kept, err := os.ReadFile(edited + ".old"); err != nil || string(kept) != "# mine\n" {
				t.Errorf("kept: %q, %v", kept, err)
			}
		})
	}
}

// The units of a package stay what they are, and what cannot be is refused.
func TestOffersNotTaken(t *testing.T) {
	t.Parallel()
	root := etc(t)
	list := offered(t, root, defaultSettings, "--timer")
	for _, one := range list {
		if err := os.WriteFile(one.shipped, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	terminal := quiet()
	terminal.stdout = &said
	if err := terminal.install(t.Context(), list, "bgswitch init --force", &initObject{}); err != nil || isThere(list[0].path) || !strings.Contains(said.String(), "enable --now bgswitch-verify.timer") {
		t.Errorf("%v: %s", err, &said)
	}
	for _, args := range [][]string{{"--cron", "--timer"}, {"--sudoers", "no-such-user"}, {"--sudoers", "root ALL=(ALL)"}} {
		if _, err := offersFor(defaultSettings, args...); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	if _, err := offersFor("/srv/b.yaml", "--sudoers", "nobody"); !errors.Is(err, errUsage) {
		t.Errorf("other settings: %v", err)
	}
	if _, err := offersFor("/srv/a b.yaml", "--cron"); err == nil {
		t.Error("a path with a blank was taken")
	}
	if err := quiet().install(t.Context(), offered(t, t.TempDir(), defaultSettings, "--cron"), "bgswitch init --force", &initObject{}); err == nil || !strings.Contains(err.Error(), "there is no cron here") {
		t.Errorf("without cron: %v", err)
	}
}

// A rule that visudo does not accept gets no name, and nothing of it is left.
func TestRefusedRule(t *testing.T) {
	t.Parallel()
	root, tools := etc(t), t.TempDir()
	script := "#!/bin/sh\n[ \"$1 $2\" = '-c -f' ] && grep -q 'nobody ALL' \"$3\" && echo 'syntax error' && exit 1\n"
	if err := nginxtest.WriteRunnable(filepath.Join(tools, "visudo"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	list := offered(t, root, defaultSettings, "--sudoers", "nobody")
	list[0].check = func(ctx context.Context, path string) error { return visudo(ctx, path, "/nowhere:"+tools) }
	err := quiet().install(t.Context(), list, "bgswitch init --force", &initObject{})
	left, _ := os.ReadDir(filepath.Dir(list[0].path))
	if err == nil || !strings.Contains(err.Error(), "visudo does not accept the rule") || !strings.Contains(err.Error(), "syntax error") || len(left) > 0 {
		t.Errorf("%v, left %v", err, left)
	}
}
