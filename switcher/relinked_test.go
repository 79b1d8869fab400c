package switcher_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// What is proved wrong is undone, whatever stands in for the whole: it is the very
// one that it was, and blue answers.
func TestWholeFilesAreRolledBack(t *testing.T) {
	t.Parallel()
	for name, w := range wholes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := newWholly(t, w)
			s.confirmed()
			s.Switcher.Site.Confirm.Marks[switcher.Green] = "X-Color: purple"
			before := below(t, up)
			result, err := s.to(switcher.Green)
			if err == nil || result.Outcome != switcher.RolledBack || !strings.Contains(err.Error(), "green does not answer") {
				t.Fatalf("%s, %v", result.Outcome, err)
			}
			if after := below(t, up); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("it is\n%v\nit was\n%v", after, before)
			}
			s.answers(switcher.Blue, 20)
			if result.Record.Generation == nil {
				t.Errorf("it is not proved that nginx has the old one: %+v", result.Record)
			}
			if st := s.Status(t.Context()); st.Live != switcher.Blue || st.Running.Is == nil || !*st.Running.Is {
				t.Errorf("status says %s, loaded: %v", st.Live, st.Running.Loaded)
			}
		})
	}
}

// relinks leads the live link to another file, as `ln -sfn` does.
func (s *stand) relinks(to string) error {
	return errors.Join(os.Symlink(to, s.Live+".his"), os.Rename(s.Live+".his", s.Live))
}

// Somebody does something to the link, or to what it leads to, in the middle of a
// switch: what he did is left alone, and nothing is claimed that is not so.
func TestHandsOnALink(t *testing.T) {
	t.Parallel()
	link := wholes["a link"]
	link.files = map[string]string{"blue.conf": blueFile, "green.conf": greenFile, "third.conf": blueFile + "\n"}
	replaces := func(s *stand) error {
		return errors.Join(os.WriteFile(s.Live+".his", []byte(s.fileOf(switcher.Blue)), 0o644), os.Rename(s.Live+".his", s.Live))
	}
	edits := func(s *stand) error {
		green := filepath.Join(filepath.Dir(s.Live), "green.conf")
		return os.WriteFile(green, []byte("# his\n"+read(s.t, green)), 0o644)
	}
	third := func(s *stand) error { return s.relinks("third.conf") }
	for name, c := range map[string]struct {
		late    bool // once the link leads to green
		do      func(s *stand) error
		outcome switcher.Outcome
		leads   string // empty: to nothing, for it is a file
	}{
		"led elsewhere before":         {false, third, switcher.Failed, "third.conf"},
		"a file in its place before":   {false, replaces, switcher.Failed, ""},
		"what it will lead to, before": {false, edits, "", "blue.conf"}, // before it is opened, or after
		"led elsewhere":                {true, third, switcher.Stuck, "third.conf"},
		"a file in its place":          {true, replaces, switcher.Stuck, ""},
		"what it leads to":             {true, edits, switcher.RolledBack, "blue.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := newWholly(t, link)
			when := s.whenOursStandsBeside
			if c.late {
				when = s.whenOursStandsThere
			}
			stop := when(func() {
				if err := c.do(s); err != nil {
					t.Error(err)
				}
			})
			result, err := s.to(switcher.Green)
			if !stop() {
				t.Fatal("nothing was done")
			}
			switch {
			case c.outcome == "" && result.Outcome == switcher.Failed:
				c.outcome = switcher.Failed
			case c.outcome == "":
				c.outcome = switcher.RolledBack
			case !c.late && result.Outcome == switcher.Stuck: // on a busy machine he comes late
				c.outcome = switcher.Stuck
			}
			var failed *switcher.Error // where nginx was the first to notice, its words tell why
			if !errors.As(err, &failed) || result.Outcome != c.outcome || c.outcome != switcher.RolledBack && !strings.Contains(err.Error()+failed.Traffic, "somebody else changed") {
				t.Errorf("%s, %v; want %s", result.Outcome, err, c.outcome)
			}
			if leads, _ := os.Readlink(s.Live); leads != c.leads {
				t.Errorf("it leads to %q, want %q", leads, c.leads)
			}
			files := below(t, up)
			if files["blue.conf"] != strings.ReplaceAll(blueFile, "BLUE", s.Blue.Addr) || !strings.HasSuffix(files["green.conf"], strings.ReplaceAll(greenFile, "GREEN", s.Green.Addr)) {
				t.Errorf("the files are %v", files)
			}
			if c.outcome == switcher.RolledBack || c.outcome == switcher.Failed {
				s.answers(switcher.Blue, 10)
			}
		})
	}
}

// What stands behind the link is what counts as loaded: an edit of it is seen, and
// so is a link that was led elsewhere and back.
func TestStatusOfALink(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a copy", "a link", "a link to a folder"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := newWholly(t, wholes[name])
			s.ends(switcher.Green, switcher.Done)
			st := s.Status(t.Context())
			if st.Live != switcher.Green || !st.Serves() || st.Path != s.Live || len(st.Colors[switcher.Blue]) != 1 {
				t.Errorf("status %+v", st)
			}
			if way := s.WayBack(t.Context(), false); way.Err != nil && !errors.Is(way.Err, nginx.ErrNoAside) || way.To != switcher.Blue {
				t.Errorf("the way back: %+v", way)
			}
			if wholes[name].relinks != "" {
				to, err := os.Readlink(s.Live)
				if err := errors.Join(err, s.relinks("elsewhere"), s.relinks(to)); err != nil {
					t.Fatal(err)
				}
				s.knows(loaded)                       // the same, and nothing was loaded since
				s.ends(switcher.Green, switcher.Done) // and not Already: it was touched
			}
			edited := filepath.Join(up, "green.conf")
			if name == "a link to a folder" {
				edited = filepath.Join(up, "green", "app.conf")
			}
			if err := os.WriteFile(edited, []byte("# edited\n"+read(t, edited)), 0o644); err != nil {
				t.Fatal(err)
			}
			st = s.Status(t.Context())
			if name == "a copy" {
				if st.Live != "" || st.FileErr == nil || !strings.Contains(st.FileErr.Error(), "is a copy of neither") {
					t.Errorf("status says %s, %v", st.Live, st.FileErr)
				}
				return
			}
			if st.Live != switcher.Green || st.Running.Is == nil || *st.Running.Is {
				t.Errorf("status says %s, loaded: %+v", st.Live, st.Running.Loaded)
			}
			s.ends(switcher.Green, switcher.Done)
			s.ends(switcher.Green, switcher.Already)
		})
	}
}

// An operator's own test cannot be run aside, and shows nothing of what nginx
// reads: a link to a file is proved all the same, one to a folder could not be.
func TestWholeFilesWithAnOwnTest(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]bool{"a copy": false, "a link": false, "a link to a folder": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := newWholly(t, wholes[name])
			binary, err := nginxtest.Binary()
			if err != nil {
				t.Fatal(err)
			}
			s.Switcher.Nginx.Test = []string{binary, "-t", "-q", "-p", s.Dir, "-c", s.Conf}
			before := below(t, up)
			if refused {
				result, err := s.to(switcher.Green)
				if err == nil || result.Outcome != switcher.NotAccepted || !strings.Contains(err.Error(), "it is unknown which files nginx reads in "+up+"/blue") {
					t.Errorf("%s, %v", result.Outcome, err)
				}
			} else {
				s.ends(switcher.Green, switcher.Done)
				s.ends(switcher.Blue, switcher.Done)
			}
			if after := below(t, up); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("it is\n%v\nit was\n%v", after, before)
			}
		})
	}
}

// Words and whole files change together, or none of them does.
func TestWordsAndWholeFilesTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mark    switcher.Mark
		outcome switcher.Outcome
	}{
		"done":        {"X-Color: green", switcher.Done},
		"rolled back": {"X-Color: purple", switcher.RolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := newWholly(t, wholly{
				map[string]string{"app.conf": blueFile, "a/which.conf": "map $host $which { default blue; }", "b/which.conf": "map $host $which { default green; }"},
				map[string]string{"live": "a"}, "app.conf", "a", "b", "*.conf", "",
			})
			words := switcher.LiveFile{Path: s.Live, Layout: nginxconf.Layout{{Selector: nginxconf.ServerOf("myapp"), Colors: nginxconf.Colors{
				switcher.Blue: {address(t, s.Blue.Addr)}, switcher.Green: {address(t, s.Green.Addr)},
			}}}}
			link := switcher.LiveFile{Path: filepath.Join(up, "live"), Whole: map[switcher.Color]string{
				switcher.Blue: filepath.Join(up, "a"), switcher.Green: filepath.Join(up, "b"),
			}}
			s.Switcher.Site.Files = []switcher.LiveFile{words, link}
			s.edited(nginxtest.Options{HTTP: "include " + up + "/*.conf; include " + up + "/live/*.conf;", Server: "location / { add_header X-Which $which; proxy_pass http://myapp; }"})
			s.reload()
			s.confirmed()
			s.Switcher.Site.Confirm.Marks[switcher.Green] = c.mark
			before := below(t, up)
			result, err := s.to(switcher.Green)
			if result.Outcome != c.outcome {
				t.Fatalf("%s, %v", result.Outcome, err)
			}
			if c.outcome == switcher.RolledBack {
				if after := below(t, up); fmt.Sprint(after) != fmt.Sprint(before) {
					t.Errorf("it is\n%v\nit was\n%v", after, before)
				}
				s.answers(switcher.Blue, 10)
				return
			}
			if leads, _ := os.Readlink(link.Path); leads != "b" {
				t.Errorf("the link leads to %q", leads)
			}
			s.answers(switcher.Green, 10)
			s.ends(switcher.Green, switcher.Already)

			// Half of it is no color.
			if err := errors.Join(os.Remove(link.Path), os.Symlink("a", link.Path)); err != nil {
				t.Fatal(err)
			}
			_, err = s.to(switcher.Blue)
			if err == nil || !strings.Contains(err.Error(), link.Path+" is blue, expected green as upstream myapp in "+s.Live+", line 3") {
				t.Errorf("%v", err)
			}
		})
	}
}
