package main

import (
	"cmp"
	"runtime/debug"
)

// What the build of the packages says of itself (-ldflags -X). Of any other
// build we know what Go notes in it.
var builtVersion, builtCommit, builtDate string

// version is what --version says: the version, the commit and its date, as far
// as they are known.
func version() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		info = &debug.BuildInfo{}
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	noted := map[string]string{}
	for _, setting := range info.Settings {
		noted[setting.Key] = setting.Value
	}
	number, commit := cmp.Or(builtVersion, info.Main.Version, "(devel)"), cmp.Or(builtCommit, noted["vcs.revision"])
	commit = commit[:min(12, len(commit))]
	if builtCommit == "" && noted["vcs.modified"] == "true" {
		commit += " with edits"
	}
	if commit == "" {
		return number
	}
	return number + " (commit " + commit + ", " + cmp.Or(builtDate, noted["vcs.time"]) + ")"
}
