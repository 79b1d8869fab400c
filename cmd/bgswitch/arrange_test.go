package main

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		{"to green --reason --dry-run", "to --reason --dry-run -- green"},
		{"to green --wait 1m --wait-lock 2m", "to --wait 1m --wait-lock 2m -- green"},
		{"to green --blue a --blue b", "to --blue a --blue b -- green"},
		{"history -n 5", "history -n 5"},
		{"-n 5 history", "history -n 5"},
		{"--json status", "status --json"},
		{"--json", "--json"},
		{"to -- green", "to -- green"},
		{"to green -- --dry-run", "to -- green --dry-run"},
		{"-- to green", "to -- green"},
		{"to --dry-run -- green", "to --dry-run -- green"},
		{"to -", "to -- -"},
		{"to green blue", "to -- green blue"},
		{"to green --unknown", "to --unknown -- green"},
		// The flag has to find its value missing, and not take `--` or green.
		{"to green --reason", "to --reason"},
		{"to --dry-run green --reason", "to --dry-run --reason"},
		{"to green --site", "to --site"},
		{"--site", "--site"},
		// cli's help would take the color for a topic.
		{"to green --help", "to --help"},
		{"-h to green", "to -h"},
	} {
		t.Run(test.typed, func(t *testing.T) {
			t.Parallel()
			typed := append([]string{"bgswitch"}, strings.Fields(test.typed)...)
			got := arrange(newApp(io.Discard, io.Discard), typed)
			want := append([]string{"bgswitch"}, strings.Fields(test.want)...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("arrange(%q) (-want +got):\n%s", test.typed, diff)
			}
		})
	}
}

// Every flag of every command that takes a value is known to take one: else it
// would leave its value behind as an argument.
func TestArrangeKnowsEveryFlag(t *testing.T) {
	t.Parallel()
	app := newApp(io.Discard, io.Discard)
	takesValue := valueFlags(app)
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
