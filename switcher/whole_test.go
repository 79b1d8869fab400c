package switcher_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// wholly is a way to decide a color by whole files. What is written and linked is
// below a folder of its own, UP; BLUE and GREEN are the addresses of the apps.
type wholly struct {
	files             map[string]string // by their names
	links             map[string]string
	file, blue, green string
	include           string
	relinks           string // the link that is led elsewhere; empty: a copy is put in place
}

const (
	blueFile  = "# blue\r\nupstream myapp {\n\tserver BLUE;\n} # no newline"
	greenFile = "# the other one\nupstream myapp { server GREEN max_fails=2; }\n"
)

var both = map[string]string{"blue.conf": blueFile, "green.conf": greenFile}

// inFolders are the two in folders of their own, with something besides.
var inFolders = map[string]string{
	"blue/app.conf": blueFile, "blue/README": "blue", "green/app.conf": greenFile, "green/z.conf": "map $host $z { default z; }\n",
}

var wholes = map[string]wholly{
	"a copy":                 {map[string]string{"blue.conf": blueFile, "green.conf": greenFile, "live.conf": blueFile}, nil, "live.conf", "blue.conf", "green.conf", "live.conf", ""},
	"a link":                 {both, map[string]string{"live.conf": "blue.conf"}, "live.conf", "blue.conf", "green.conf", "live.conf", "live.conf"},
	"a link, ./":             {both, map[string]string{"live.conf": "./blue.conf"}, "live.conf", "blue.conf", "green.conf", "live.conf", "live.conf"},
	"a link, absolute":       {both, map[string]string{"live.conf": "UP/blue.conf"}, "live.conf", "blue.conf", "green.conf", "live.conf", "live.conf"},
	"a link to elsewhere":    {map[string]string{"a/blue.conf": blueFile, "b/g/green.conf": greenFile}, map[string]string{"enabled/live.conf": "../a/blue.conf"}, "enabled/live.conf", "a/blue.conf", "b/g/green.conf", "enabled/*", "enabled/live.conf"},
	"a link to a link":       {both, map[string]string{"enabled/live.conf": "../active.conf", "active.conf": "blue.conf"}, "enabled/live.conf", "blue.conf", "green.conf", "enabled/*", "active.conf"},
	"a link in a link":       {both, map[string]string{"live.conf": "b", "b": "blue.conf", "g": "green.conf"}, "live.conf", "b", "g", "live.conf", "live.conf"},
	"a link past a link":     {both, map[string]string{"live.conf": "blue.conf", "b": "blue.conf", "g": "green.conf"}, "live.conf", "b", "g", "live.conf", "live.conf"},
	"a link to a folder":     {inFolders, map[string]string{"active": "blue"}, "active", "blue", "green", "active/*.conf", "active"},
	"a link to a folder/":    {inFolders, map[string]string{"active": "blue/"}, "active", "blue", "green", "active/app.conf", "active"},
	"a folder, through more": {inFolders, map[string]string{"active": "UP/blue", "conf": "active"}, "conf", "blue", "green", "conf/*.conf", "active"},
}

// newWholly is a stand whose color is decided so.
func newWholly(t *testing.T, w wholly) (s *stand, up string) {
	t.Helper()
	dir := t.TempDir()
	s, up = newStandIn(t, dir, nginxtest.Options{}), filepath.Join(dir, "up")
	fill := strings.NewReplacer("BLUE", s.Blue.Addr, "GREEN", s.Green.Addr, "UP", up).Replace
	must := func(err error) {
		if t.Helper(); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range w.files {
		path := filepath.Join(up, name)
		must(errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(fill(text)), 0o644)))
	}
	for name, to := range w.links {
		path := filepath.Join(up, name)
		must(errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(fill(to), path)))
	}
	must(os.Remove(s.Live))
	s.Live = filepath.Join(up, w.file) // nothing of nginxtest's asks for it any more
	s.Switcher.Site.Files = []switcher.LiveFile{{Path: s.Live, Whole: map[switcher.Color]string{
		switcher.Blue: filepath.Join(up, w.blue), switcher.Green: filepath.Join(up, w.green),
	}}}
	s.Switcher.Site.URLs = map[switcher.Color]health.URL{
		switcher.Blue: health.MustParseURL("http://" + s.Blue.Addr), switcher.Green: health.MustParseURL("http://" + s.Green.Addr),
	}
	s.edited(nginxtest.Options{HTTP: "include " + filepath.Join(up, w.include) + ";"})
	s.reload()
	return s, up
}

// below is all that stands below a folder: files by their content, links by where
// they lead.
func below(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(folder, path)
		switch {
		case err != nil || entry.IsDir():
			return err
		case entry.Type() == fs.ModeSymlink:
			found[name], err = os.Readlink(path)
		default:
			found[name] = read(t, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// Whatever stands in for the whole: the traffic moves, and nothing but the live
// file or the link is another one.
func TestWholeFiles(t *testing.T) {
	t.Parallel()
	for name, w := range wholes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := newWholly(t, w)
			before := below(t, up)
			changes := w.relinks
			if changes == "" {
				changes = w.file
			}
			s.answers(switcher.Blue, 5)
			for range 2 {
				s.ends(switcher.Green, switcher.Done)
				after := below(t, up)
				if after[changes] == before[changes] {
					t.Errorf("%s is as it was", changes)
				}
				if w.relinks != "" && filepath.IsAbs(after[changes]) != filepath.IsAbs(before[changes]) {
					t.Errorf("the link led to %s, and leads to %s", before[changes], after[changes])
				}
				delete(after, changes)
				for name, text := range after {
					if before[name] != text {
						t.Errorf("%s holds %q now", name, text)
					}
				}
				s.ends(switcher.Green, switcher.Already)
				s.ends(switcher.Blue, switcher.Done)
				s.ends(switcher.Blue, switcher.Already)
			}
			if after := below(t, up); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("there and back it is\n%v\nit was\n%v", after, before)
			}
		})
	}
}

// What cannot be told for certain is refused, and nothing is touched.
func TestWholeFilesRefused(t *testing.T) {
	t.Parallel()
	with := func(of string, change func(w *wholly)) wholly {
		w := wholes[of]
		files, links := map[string]string{}, map[string]string{}
		maps.Copy(files, w.files)
		maps.Copy(links, w.links)
		w.files, w.links = files, links
		change(&w)
		return w
	}
	for name, c := range map[string]struct {
		wholly
		says, hint, diff string
	}{
		"a copy of neither": {with("a copy", func(w *wholly) { w.files["live.conf"] = strings.Replace(greenFile, "=2", "=3", 1) }),
			"UP/live.conf is a copy of neither UP/blue.conf nor UP/green.conf; it is closest to green's, but differs from it", "`cp UP/green.conf UP/live.conf`", "-upstream myapp { server GREEN max_fails=2; }\n+upstream myapp { server GREEN max_fails=3; }\n"},
		"a copy, and both the same": {with("a copy", func(w *wholly) { w.files["green.conf"] = blueFile }),
			"UP/blue.conf and UP/green.conf are identical, so they cannot tell the colors apart", "edited through a link", ""},
		"a link, and both the same": {with("a link", func(w *wholly) { w.files["green.conf"] = blueFile }),
			"are identical", "edited through a link", ""},
		"two names of one": {with("a link", func(w *wholly) { delete(w.files, "green.conf"); w.links["green.conf"] = "blue.conf" }),
			"UP/blue.conf and UP/green.conf are the same file", "", ""},
		"a link, and both pass to green": {with("a link", func(w *wholly) { w.files["blue.conf"] = "# blue\n" + strings.Replace(greenFile, "=2", "=3", 1) }),
			"UP/blue.conf and UP/green.conf pass every request to the same servers, so they cannot tell the colors apart", "edited through a link", ""},
		"a folder, and both pass to green": {with("a link to a folder", func(w *wholly) { w.files["blue/app.conf"], w.files["green/z.conf"] = "# blue\n"+greenFile, "" }),
			"UP/blue and UP/green pass every request to the same servers", "edited through a link", ""},
		"blue's file passes to green": {with("a copy", func(w *wholly) {
			w.files["blue.conf"] = greenFile + "server { listen 127.0.0.1:1; location / { include proxy_params; proxy_pass http://GREEN/x; } }"
			w.files["live.conf"] = greenFile
		}),
			"UP/blue.conf passes to GREEN, where green is asked, and not to BLUE, where blue is", "make UP/blue.conf pass to BLUE, or set `blue_url:` and `green_url:` to where each color is", ""},
		"green's file passes to blue": {with("a link to a folder", func(w *wholly) { w.files["green/app.conf"] = "upstream myapp { server BLUE; }" }),
			"UP/green passes to BLUE, where blue is asked, and not to GREEN, where green is", "make UP/green pass to GREEN", ""},
		"a link to neither": {with("a link", func(w *wholly) { w.files["old.conf"] = blueFile; w.links["live.conf"] = "old.conf" }),
			"UP/live.conf leads to UP/old.conf, which is neither UP/blue.conf nor UP/green.conf", "make the link lead to one of them", ""},
		"a copy behind a link": {with("a link", func(w *wholly) { w.files["available/x"] = blueFile; w.links["live.conf"] = "available/x" }),
			"UP/live.conf leads to UP/available/x, which is neither", "that is a copy of blue's file: set `file: UP/available/x`", ""},
		"no file for green": {with("a link", func(w *wholly) { delete(w.files, "green.conf") }),
			"green_file: lstat UP/green.conf: no such file or directory", "or set `green_file:` to that file", ""},
		"a folder for green": {with("a link", func(w *wholly) { w.green = "g"; w.files["g/green.conf"] = greenFile }),
			"UP/live.conf is a file, but UP/g is a folder", "", ""},
		"a folder and no link": {with("a link to a folder", func(w *wholly) { delete(w.links, "active"); w.files["active/app.conf"] = blueFile }),
			"UP/active is a folder, not a link to one", "set `file:` to a link that leads to one of them", ""},
		"a file below a link": {with("a link to a folder", func(w *wholly) { w.file, w.blue, w.green = "active/app.conf", "blue/app.conf", "green/app.conf" }),
			"UP/active/app.conf is blue's own file, UP/blue/app.conf, and a switch would overwrite it", "set `file: UP/active`, `blue_file: UP/blue`, `green_file: UP/green`", ""},
		"blue's own file": {with("a link", func(w *wholly) {
			w.file, w.blue, w.links = "live.conf", "b.conf", map[string]string{"b.conf": "live.conf"}
			w.files["live.conf"] = blueFile
		}),
			"UP/live.conf is blue's own file", "a copy of one of them, or a link to it", ""},
		"past the link": {with("a link", func(w *wholly) { w.include = "blue.conf" }),
			"UP/live.conf is not part of CONF; nginx did not read it: the live file decides nothing", "include the file", ""},
		"past the link to a folder": {with("a link to a folder", func(w *wholly) { w.include = "blue/app.conf" }),
			"UP/active is not part of CONF; nginx did not read it: the live file decides nothing", "", ""},
		"one that nginx refuses": {with("a link", func(w *wholly) { w.files["green.conf"] = "upstream myapp { server GREEN }" }),
			"nginx refuses the configuration", "--dry-run", ""},
		"a folder that nginx refuses": {with("a link to a folder", func(w *wholly) { w.files["green/z.conf"] = "nonsense;" }),
			"nginx refuses the configuration", "", ""},
		"a folder without the file": {with("a link to a folder/", func(w *wholly) { delete(w.files, "green/app.conf") }),
			"nginx refuses the configuration", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := newWholly(t, c.wholly)
			fill := strings.NewReplacer("UP", up, "BLUE", s.Blue.Addr, "GREEN", s.Green.Addr, "CONF", s.Conf).Replace
			before, workers := below(t, up), s.Workers()
			result, err := s.to(switcher.Green)
			var failed *switcher.Error
			want := switcher.NotAccepted
			if strings.HasPrefix(c.says, "nginx refuses") && !rightstest.Mounts.Had() {
				want, c.hint = switcher.RolledBack, "" // it could only be tested in its place
			}
			if !errors.As(err, &failed) || failed.Outcome != want || !strings.Contains(err.Error(), fill(c.says)) {
				t.Fatalf("%s, %v; want %q", result.Outcome, err, fill(c.says))
			}
			if !strings.Contains(failed.Hint, fill(c.hint)) || !strings.HasSuffix(failed.Diff, fill(c.diff)) {
				t.Errorf("hint %q, want %q; diff %q, want %q", failed.Hint, fill(c.hint), failed.Diff, fill(c.diff))
			}
			if after := below(t, up); fmt.Sprint(after) != fmt.Sprint(before) || fmt.Sprint(workers) != fmt.Sprint(s.Workers()) {
				t.Errorf("it is\n%v\nit was\n%v", after, before)
			}
		})
	}
}
