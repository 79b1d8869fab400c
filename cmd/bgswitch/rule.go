package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"bgswitch/switcher/caller"

	"github.com/urfave/cli/v2"
)

// Where we are root by a rule of sudo's for this very program, a path that is typed
// may be anybody's: what we are told to read could be shown in a message, what we
// are told to write would be gone. So it names only what the settings name, or
// settings that stand where those of the system do.

const ruleHelp = "Where a rule of sudo's permits no more words, $BGSWITCH_REASON, $BGSWITCH_RELEASE and\n" +
	"$BGSWITCH_WAIT (at most 1h) say what --reason, --release and --wait do. Behind such a\n" +
	"rule, --file names only the file that is set, and --config only settings that stand\n" +
	"beside those of the system; who has all of root's rights types `sudo env bgswitch`.\n\n"

// besideSettings says whether settings stand in the folder of the system's.
func besideSettings(path string) bool {
	path, err := filepath.Abs(path)
	return err == nil && filepath.Dir(path) == filepath.Dir(defaultSettings)
}

func configByRule(c *cli.Context) error {
	if besideSettings(settingsPath(c)) {
		return nil
	}
	return notByRule(c, "config", fmt.Sprintf("keep the settings in %s", filepath.Dir(defaultSettings)))
}

// fileByRule refuses another live file than the one that is set.
func fileByRule(c *cli.Context, set string) error {
	if path, err := filepath.Abs(c.String("file")); !c.IsSet("file") || err == nil && path == filepath.Clean(set) {
		return nil
	}
	return notByRule(c, "file", "set `file:` in the settings, and leave the flag out")
}

// notByRule refuses a flag that names a file to whom a rule has made root.
func notByRule(c *cli.Context, flag, instead string) error {
	if !caller.ByRule() {
		return nil
	}
	typed, behind := typedOf(c), "a rule for others"
	if slices.Contains([]string{"sudo", "doas"}, typed.As) {
		behind, instead = typed.As, fmt.Sprintf("%s; or with all of root's rights: `%s`", instead, typed.Again())
	}
	return usage(instead, "--%s: behind %s it may name only the files of the settings", flag, behind)
}
