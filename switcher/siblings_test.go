package switcher_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
)

// byWords is a site whose words decide, with a link on the way to the live file.
func byWords(t *testing.T, files, links map[string]string, file string) (s *stand, up string) {
	t.Helper()
	s, up = newWholly(t, wholly{files: files, links: links, file: file, include: file})
	s.Switcher.Site = switcher.Site{Name: "myapp", Check: health.Defaults(), Files: []switcher.LiveFile{{
		Path: s.Live, Layout: nginxconf.Layout{{Selector: nginxconf.ServerOf("myapp"), Colors: nginxconf.Colors{
			switcher.Blue: {address(t, s.Blue.Addr)}, switcher.Green: {address(t, s.Green.Addr)},
		}}},
	}}}
	return s, up
}

var setLines = regexp.MustCompile("`file: ([^`]*)`, `blue_file: ([^`]*)`, `green_file: ([^`]*)`")

// A link that selects the color is known by what its siblings hold, whatever they
// are called: to edit through it would be to make both say the same. The lines
// that the refusal gives can be set as they stand, and then it switches.
func TestSelectingLinkIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files, links map[string]string
		file         string
		lines        [3]string // to be set
	}{
		"by their colors": {both, map[string]string{"live.conf": "blue.conf"}, "live.conf", [3]string{"live.conf", "blue.conf", "green.conf"}},
		"by any names":    {map[string]string{"one": blueFile, "two": greenFile}, map[string]string{"live.conf": "one"}, "live.conf", [3]string{"live.conf", "one", "two"}},
		"absolute":        {map[string]string{"one": blueFile, "two": greenFile}, map[string]string{"conf/live.conf": "UP/one"}, "conf/live.conf", [3]string{"conf/live.conf", "one", "two"}},
		"a folder":        {inFolders, map[string]string{"active": "blue"}, "active/app.conf", [3]string{"active", "blue", "green"}},
		"below a folder":  {map[string]string{"a/b/app.conf": blueFile, "c/b/app.conf": greenFile}, map[string]string{"live.conf": "a/b/app.conf"}, "live.conf", [3]string{"live.conf", "a/b/app.conf", "c/b/app.conf"}},
		"through another": {both, map[string]string{"enabled/x": "../live.conf", "live.conf": "blue.conf"}, "enabled/x", [3]string{"live.conf", "blue.conf", "green.conf"}},
		"beside a copy":   {map[string]string{"blue.conf": blueFile, "green.conf": greenFile, "blue.bak": blueFile}, map[string]string{"live.conf": "blue.conf"}, "live.conf", [3]string{"live.conf", "blue.conf", "green.conf"}},
		"two of green's":  {map[string]string{"blue.conf": blueFile, "green.conf": greenFile, "too.conf": greenFile}, map[string]string{"live.conf": "blue.conf"}, "live.conf", [3]string{"", "both UP/green.conf and UP/too.conf say green; move one"}},
		"the same color":  {map[string]string{"blue.conf": blueFile, "green.conf": blueFile}, map[string]string{"live.conf": "blue.conf"}, "live.conf", [3]string{"", "one of the two has to say green again: UP/green.conf, or UP/blue.conf, which is live"}},
		"another site's":  {map[string]string{"app.conf": blueFile, "z": greenFile + "server { listen 127.0.0.1:1; location / { proxy_pass http://GREEN; } }"}, map[string]string{"live.conf": "app.conf"}, "live.conf", [3]string{"", "make UP/app.conf and UP/z the same except for the color, and retry; otherwise move UP/z away"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := byWords(t, c.files, c.links, c.file)
			before := below(t, up)
			_, err := s.to(switcher.Green)
			var failed *switcher.Error
			if !errors.As(err, &failed) || failed.Outcome != switcher.NotAccepted || !strings.Contains(err.Error(), "is a link that selects the color") {
				t.Fatalf("%v", err)
			}
			if after := below(t, up); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("it is\n%v\nit was\n%v", after, before)
			}
			lines := setLines.FindStringSubmatch(failed.Hint)
			if c.lines[0] == "" {
				if lines != nil || !strings.Contains(failed.Hint, strings.ReplaceAll(c.lines[1], "UP", up)) {
					t.Errorf("hint %q", failed.Hint)
				}
				return
			}
			want := []string{filepath.Join(up, c.lines[0]), filepath.Join(up, c.lines[1]), filepath.Join(up, c.lines[2])}
			if lines == nil || fmt.Sprint(lines[1:]) != fmt.Sprint(want) {
				t.Fatalf("hint %q, want %q", failed.Hint, want)
			}
			urls := fmt.Sprintf("`blue_url: http://%s`, `green_url: http://%s`", s.Blue.Addr, s.Green.Addr)
			if !strings.Contains(failed.Hint, urls) {
				t.Errorf("hint %q, want %q", failed.Hint, urls)
			}
			s.Switcher.Site.Files = []switcher.LiveFile{{Path: lines[1], Whole: map[switcher.Color]string{switcher.Blue: lines[2], switcher.Green: lines[3]}}}
			s.Switcher.Site.URLs = map[switcher.Color]health.URL{
				switcher.Blue: health.MustParseURL("http://" + s.Blue.Addr), switcher.Green: health.MustParseURL("http://" + s.Green.Addr),
			}
			s.ends(switcher.Green, switcher.Done)
			s.ends(switcher.Blue, switcher.Done)
		})
	}
}

// A link whose siblings hold nothing of ours goes on being followed.
func TestOtherLinksAreFollowed(t *testing.T) {
	t.Parallel()
	other := "upstream other { server GREEN; }"
	for name, c := range map[string]struct {
		files, links map[string]string
		file         string
	}{
		"sites-enabled":       {map[string]string{"available/app": blueFile, "available/other": other, "available/none": "nonsense"}, map[string]string{"enabled/app": "../available/app"}, "enabled/app"},
		"another enabled":     {map[string]string{"available/app": blueFile, "available/preview": "server { listen 127.0.0.1:1; location / { proxy_pass http://GREEN; } }"}, map[string]string{"enabled/app": "../available/app"}, "enabled/app"},
		"another upstream":    {map[string]string{"available/app": blueFile, "available/other": other}, map[string]string{"enabled/app": "../available/app"}, "enabled/app"},
		"enabled likewise":    {map[string]string{"available/app": blueFile, "available/second": greenFile}, map[string]string{"enabled/app": "../available/app", "enabled/second": "../available/second"}, "enabled/app"},
		"a backup":            {map[string]string{"available/app": blueFile, "available/app.old": blueFile, "available/app~": greenFile, "available/app.bak": blueFile, "available/app.2026-11-23": greenFile}, map[string]string{"enabled/app": "../available/app"}, "enabled/app"},
		"a hidden file":       {map[string]string{"available/app": blueFile, "available/.app.swp": greenFile}, map[string]string{"enabled/app": "../available/app"}, "enabled/app"},
		"another link to it":  {map[string]string{"available/app": blueFile}, map[string]string{"enabled/app": "../available/app", "available/too": "app"}, "enabled/app"},
		"a folder that moved": {map[string]string{"opt/conf/app": blueFile, "etc/old": other}, map[string]string{"etc/conf": "../opt/conf"}, "etc/conf/app"},
		"no link at all":      {both, nil, "blue.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, up := byWords(t, c.files, c.links, c.file)
			s.Switcher.Site.Files[0].Layout[0].Selector = nginxconf.Selector{} // as where none is set
			before := below(t, up)
			s.ends(switcher.Green, switcher.Done)
			s.ends(switcher.Blue, switcher.Done)
			if after := below(t, up); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("it is\n%v\nit was\n%v", after, before)
			}
		})
	}
}
