package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"bgswitch/switcher/verify"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// Flags come behind the command and before its arguments, values stay with
// their flags, and what follows `--` is never a flag.
func TestArrange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ typed, want string }{
		{"", ""},
		{"to green", "to -- green"},
		{"to green --dry-run", "to --dry-run -- green"},
		{"to --dry-run green", "to --dry-run -- green"},
		{"--dry-run to green", "to --dry-run -- green"},
		{"to green -dry-run", "to -dry-run -- green"},
		{"to green --dry-run=true", "to --dry-run=true -- green"},
		{"--site app to green --json", "to --site app --json -- green"},
		{"to --site app green", "to --site app -- green"},
		{"to --site=app green", "to --site=app -- green"},
		{"to green --reason to", "to --reason to -- green"},
		{"to green --reason help", "to --reason help -- green"},
		{"to green --reason h", "to --reason h -- green"},
		{"to green --reason -x", "to --reason -x -- green"},
		{"to green --wait 1m --wait-lock 2m", "to --wait 1m --wait-lock 2m -- green"},
		{"to green --wait 60 --wait-lock=2.5 --drain 0 --reason 60", "to --wait 60s --wait-lock=2.5s --drain 0s --reason 60 -- green"},
		{"to green --wait -60 --bake 1h30", "to --wait -60s --bake 1h30 -- green"},
		{"history -n 5 --site 60", "history -n 5 --site 60"},
		{"to green --blue a --blue b", "to --blue a --blue b -- green"},
		{"history -n 5", "history -n 5"},
		{"-n 5 history", "history -n 5"},
		{"--json status", "status --json"},
		{"to -- green", "to -- green"},
		{"to green -- --dry-run", "to -- green --dry-run"},
		{"-- to green", "to -- green"},
		{"to --dry-run -- green", "to --dry-run -- green"},
		{"to -", "to -- -"},
		{"to green blue", "to -- green blue"},
		{"to green --unknown", "to --unknown -- green"},
	} {
		t.Run(test.typed, func(t *testing.T) {
			t.Parallel()
			typed := append([]string{"bgswitch"}, strings.Fields(test.typed)...)
			l := arrange(newApp(io.Discard, io.Discard), typed)
			got := l.arranged()
			if l.wrong != nil {
				t.Error(l.wrong)
			}
			want := append([]string{"bgswitch"}, strings.Fields(test.want)...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("arrange(%q) (-want +got):\n%s", test.typed, diff)
			}
		})
	}
}

// A script whose variable is not set gives no value, or the flag that comes
// next as one: `to green --reason $WHY --dry-run` would switch for real.
func TestFlagsWithoutValue(t *testing.T) {
	t.Parallel()
	app := newApp(io.Discard, io.Discard)
	tried := 0
	for _, command := range app.Commands {
		for _, flag := range command.Flags {
			if _, isBool := flag.(*cli.BoolFlag); isBool {
				continue
			}
			for _, name := range flag.Names() {
				if l := arrange(app, []string{"bgswitch", command.Name, "green", "--" + name}); l.wrong == nil {
					t.Errorf("--%s without a value is accepted: %+v", name, l)
				}
				for _, typed := range [][]string{
					{"--" + name, ""}, {"--" + name + "="}, {"-" + name, ""},
					{"--" + name, "--dry-run"}, {"-" + name, "-json"}, {"--" + name, "--site=x"}, {"--" + name + "=--quiet"}, {"--" + name, "-h"}, {"--" + name, "--"},
				} {
					tried++
					for _, args := range [][]string{append([]string{"bgswitch", command.Name}, typed...), append(append([]string{"bgswitch"}, typed...), command.Name)} {
						if l := arrange(app, args); l.wrong == nil || l.command() != command.Name {
							t.Errorf("%q is accepted: %+v", args, l)
						}
					}
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d were tried", tried)
	}
}

// JSON is asked for by --json however it is written, also where the rest is wrong.
func TestJSONOnWrongUsage(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{
		"to purple --json": true, "to purple --json=true": true, "--json=1 to purple": true, "to purple -json=t": true,
		"to purple --json=false": false, "to purple --json --json=false": false, "to purple": false,
		"to green --reason --json": true, "to green --nonsense --json=true": true, "verify --site= --json=true": true,
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"bgswitch"}, strings.Fields(typed)...), &stdout, &stderr); code != exitFailed && code != int(verify.Unknown) {
			t.Errorf("%s: exit %d", typed, code)
		}
		if json.Valid(stdout.Bytes()) != want {
			t.Errorf("%s: printed %q", typed, &stdout)
		}
	}
}

// Every flag of every command that takes a value is known to take one: else it
// would leave its value behind as an argument.
func TestArrangeKnowsEveryFlag(t *testing.T) {
	t.Parallel()
	app := newApp(io.Discard, io.Discard)
	takesValue := flagNames(app)
	for name, want := range map[string]bool{
		"config": true, "site": true, "file": true, "blue": true, "green": true, "reason": true,
		"wait": true, "wait-lock": true, "handover": true, "n": true,
		"dry-run": false, "force": false, "json": false, "quiet": false, "verbose": false, "no-color": false,
	} {
		if takesValue[name] != want {
			t.Errorf("--%s takes a value: %v, want %v", name, takesValue[name], want)
		}
	}
	for _, command := range app.Commands {
		known := map[string]bool{}
		for _, flag := range command.Flags {
			for _, name := range flag.Names() {
				if known[name] {
					t.Errorf("%s has two flags --%s", command.Name, name)
				}
				known[name] = true
			}
		}
	}
}
