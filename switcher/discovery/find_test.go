package discovery

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bgswitch/nginxconf"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/root"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// tree is a configuration that one of us has written: the places that have to be
// found in it stand in its comment.
type tree struct {
	dir  string
	want []string
}

func newTree(t *testing.T, path string) tree {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	one := tree{dir: t.TempDir()}
	for _, f := range archive.Files {
		at := filepath.Join(one.dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(string(archive.Comment)) {
		words := strings.Fields(line)
		switch words[0] {
		case "want":
			one.want = append(one.want, strings.ReplaceAll(strings.TrimSpace(strings.TrimPrefix(line, "want ")), "DIR", one.dir))
		case "link":
			at := filepath.Join(one.dir, words[1])
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(words[2], at); err != nil {
				t.Fatal(err)
			}
		}
	}
	return one
}

// dump is what nginx reads: as it says itself, else, where a name in it is not known
// here or its log may not be written, by following the includes.
func (one tree) dump(t *testing.T) []nginxconf.Source {
	t.Helper()
	conf := filepath.Join(one.dir, "nginx.conf")
	binary, err := nginxtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "-T", "-q", "-p", one.dir, "-c", conf, "-e", "stderr", "-g", "pid "+one.dir+"/pid;").CombinedOutput()
	if err == nil {
		return sourcesOf(out)
	}
	if !bytes.Contains(out, []byte("host not found")) && !bytes.Contains(out, []byte("Permission denied")) {
		t.Fatalf("nginx does not read it: %s", out)
	}
	return one.followed(t, conf, nil)
}

func sourcesOf(out []byte) (all []nginxconf.Source) {
	for _, section := range bytes.Split(out, []byte("# configuration file "))[1:] {
		name, text, _ := bytes.Cut(section, []byte(":\n"))
		all = append(all, nginxconf.Source{Name: string(name), Text: bytes.TrimSuffix(text, []byte("\n"))}) // which nginx adds
	}
	return all
}

func (one tree) followed(t *testing.T, path string, before []nginxconf.Source) []nginxconf.Source {
	t.Helper()
	if slices.ContainsFunc(before, func(s nginxconf.Source) bool { return s.Name == path }) {
		return before
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := append(before, nginxconf.Source{Name: path, Text: text})
	if err := nginxconf.Walk(text, func(_ int, words []string) {
		if words[0] == "include" {
			found, _ := filepath.Glob(filepath.Join(one.dir, words[1]))
			for _, path := range found {
				all = one.followed(t, path, all)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func (one tree) find(t *testing.T) Found {
	t.Helper()
	return Find(nginxconf.ReadTree(one.dump(t)), root.Root{})
}

// said is a place as the trees' comments have it.
func (one tree) said(p *Place) string {
	text := fmt.Sprintf("%s %s; live %s %s; idle %s", strings.TrimPrefix(p.At(), one.dir+"/"), p.Selector, p.LiveColor(), strings.Join(p.Live, " "), strings.Join(p.Idle, " "))
	if len(p.Ask[0])+len(p.Ask[1]) > 0 {
		text += "; ask " + strings.Join(slices.Concat(p.Ask[0], p.Ask[1]), " ")
	}
	if p.Sure {
		text += "; sure"
	}
	return text
}

func eachTree(t *testing.T, folder string, do func(*testing.T, tree)) {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + folder + "/*.txtar")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d trees: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			do(t, newTree(t, path))
		})
	}
}

// In each of these trees one site is decided: it is found, and nothing else.
func TestTreesWithOne(t *testing.T) {
	t.Parallel()
	eachTree(t, "one", func(t *testing.T, one tree) {
		found := one.find(t)
		var got []string
		sites := Sites(found.Places)
		for _, p := range found.Places {
			got = append(got, one.said(p))
		}
		if diff := cmp.Diff(one.want, got); diff != "" || len(sites) != 1 {
			t.Errorf("%d sites (-want +got):\n%s\ndoubts %v", len(sites), diff, found.Doubts)
		}
	})
}

// In none of these is anything decided: nothing is found, not even by a guess.
func TestTreesWithNone(t *testing.T) {
	t.Parallel()
	eachTree(t, "none", func(t *testing.T, one tree) {
		found := one.find(t)
		for _, p := range found.Places {
			t.Errorf("found %s", one.said(p))
		}
	})
}

// Where nothing tells of a second copy, the comment in the line names the first all the
// same.
func TestColorOfTheComment(t *testing.T) {
	t.Parallel()
	for comment, want := range map[string]nginxconf.Color{
		"":                   nginxconf.Blue,
		"# green":            nginxconf.Green,
		"# Green, since May": nginxconf.Green,
		"# blue":             nginxconf.Blue,
		"# green (old 127.0.0.1:3002 = blue, gone since May)": nginxconf.Green,
		"# 3001 = green":             nginxconf.Green,
		"# 3002 is blue":             nginxconf.Green,
		"# blue-green":               nginxconf.Blue,
		"\n    # green is elsewhere": nginxconf.Blue,
	} {
		text := "events {}\nhttp {\nupstream app {\n    server 127.0.0.1:3001; " + comment + "\n}\nserver { listen 8080; location / { proxy_pass http://app; } }\n}\n"
		found := Find(nginxconf.ReadTree([]nginxconf.Source{{Name: "/n/nginx.conf", Text: []byte(text)}}), root.Root{})
		all := slices.Concat(found.Places, found.Bare)
		if len(all) != 1 || all[0].LiveColor() != want {
			t.Errorf("%q: %+v, want %s", comment, found, want)
		}
	}
}
