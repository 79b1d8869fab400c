package main

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	commit, at := setting("vcs.revision", "0123456789abcdef0123456789abcdef01234567"), setting("vcs.time", "2026-11-23T01:53:54Z")
	for want, info := range map[string]debug.BuildInfo{
		"(devel)": {},
		"v1.2.3":  {Main: debug.Module{Version: "v1.2.3"}},
		"v1.2.3 (commit 0123456789ab, 2026-11-23T01:53:54Z)":             {Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{commit, at}},
		"(devel) (commit 0123456789ab with edits, 2026-11-23T01:53:54Z)": {Settings: []debug.BuildSetting{commit, at, setting("vcs.modified", "true")}},
	} {
		if got := versionOf(&info); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
