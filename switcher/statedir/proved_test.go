package statedir_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/statedir"

	"github.com/google/go-cmp/cmp"
)

// What was proved of each color comes back to the last byte, whatever the bytes
// are, and is never believed of the other one, or damaged.
func TestProved(t *testing.T) {
	t.Parallel()
	f := statedir.Folder{Path: filepath.Join(t.TempDir(), "myapp")}
	if got, err := f.Proved(nginxconf.Blue); got != nil || err != nil {
		t.Fatalf("of nothing kept: %v, %v", got, err)
	}
	if err := f.Create(); err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("\xff\x00\r\n# ü"), 1<<12)
	kept := statedir.Proved{Time: time.Now().UTC(), Color: nginxconf.Blue, Files: []statedir.ProvedFile{{Path: "/etc/a.conf", Bytes: large}, {Path: "/etc/b.conf", Bytes: []byte{}}}}
	if err := f.KeepProved(kept); err != nil {
		t.Fatal(err)
	}
	got, err := f.Proved(nginxconf.Blue)
	if err != nil || cmp.Diff(kept.Files, got.Files, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Hash" }, cmp.Ignore())) != "" {
		t.Fatalf("it came back another one, %v", err)
	}
	blue, green := filepath.Join(f.Path, "proved-blue.json"), filepath.Join(f.Path, "proved-green.json")
	if info, err := os.Stat(blue); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(blue)
	if err != nil {
		t.Fatal(err)
	}
	for says, bad := range map[string]string{
		"is unknown": string(text),
		"hash":       strings.Replace(strings.Replace(string(text), `"blue"`, `"green"`, 1), `"bytes":"/w`, `"bytes":"/g`, 1),
		"version 2":  strings.Replace(string(text), `"schema":1`, `"schema":2`, 1),
		"unexpected": string(text[:len(text)/2]),
	} {
		if err := os.WriteFile(green, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Proved(nginxconf.Green); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", says, got, err)
		}
	}
}
