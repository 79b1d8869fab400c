package switcher_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/statedir"
)

// several is a stand whose color stands in several files, each of which decides
// what answers at a path of its own.
type several struct {
	*stand
	paths []string          // that are asked
	blue  map[string]string // the files, as they are in blue
}

// part is one of those files: what it holds in blue, its places, and what the
// server needs for it.
type part struct {
	file, server string
	places       []place
}

type place struct{ selector, blue, green string }

var parts = map[string]part{
	"upstreams": {"upstream one { server BLUE; }\n# both\nupstream two { server BLUE; keepalive 4; }", "location /one { proxy_pass http://one; } location /two { proxy_pass http://two; }",
		[]place{{"server in upstream one", "BLUE", "GREEN"}, {"server in upstream two", "BLUE", "GREEN"}}},
	"variables": {"set $a http://BLUE;\r\nset $b blue; # blue\r\n", "include FILE; location /a { proxy_pass $a; } location /b { proxy_pass http://$b; }",
		[]place{{"set $a", "BLUE", "GREEN"}, {"set $b", "blue", "green"}}},
	"locations": {"location /c { proxy_pass http://BLUE; }\nlocation /d { proxy_pass http://blue; }", "include FILE;",
		[]place{{"proxy_pass in location /c", "BLUE", "GREEN"}, {"proxy_pass in location /d", "blue", "green"}}},
	"a map": {"map $host $m {\n    default blue;\n}\n", "location /m { proxy_pass http://$m; }", []place{{"map $m", "blue", "green"}}},
	"a flag": {"upstream f { server BLUE; server GREEN backup; }\n", "location /f { proxy_pass http://f; }",
		[]place{{"backup in upstream f", "BLUE", "GREEN"}}},
}

// newSeveral is such a stand, of these parts; it asks the first location of
// each. Files that a server includes are its own, the others http's.
func newSeveral(t *testing.T, o nginxtest.Options, names ...string) *several {
	t.Helper()
	s := &several{stand: newStandIn(t, t.TempDir(), o), blue: map[string]string{}}
	s.Switcher.Site.Files = nil
	o.HTTP += "upstream blue { server " + s.Blue.Addr + "; } upstream green { server " + s.Green.Addr + "; }\n"
	o.Server = "location / { proxy_pass http://blue; }"
	for _, name := range names {
		s.add(&o, name, parts[name])
	}
	s.askByURL()
	s.edited(o)
	s.reload()
	s.all(switcher.Blue)
	return s
}

func (s *several) add(o *nginxtest.Options, name string, p part) {
	s.t.Helper()
	folder := filepath.Join(s.Dir, name)
	file := filepath.Join(folder, "live.inc")
	fill := strings.NewReplacer("BLUE", s.Blue.Addr, "GREEN", s.Green.Addr, "FILE", "'"+file+"'").Replace
	s.blue[file] = fill(p.file)
	if err := errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(file, []byte(s.blue[file]), 0o644)); err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(p.server, "FILE") {
		o.HTTP += fill("include FILE;\n")
	}
	o.Server += fill(p.server) + "\n"
	for _, server := range strings.Split(p.server+p.file, "location /")[1:] {
		path, _, _ := strings.Cut(server, " ")
		s.paths = append(s.paths, path)
	}
	live := switcher.LiveFile{Path: file}
	for _, place := range p.places {
		live.Layout = append(live.Layout, placeOf(s.t.(*testing.T), place.selector, fill(place.blue), fill(place.green)))
	}
	s.Switcher.Site.Files = append(s.Switcher.Site.Files, live)
}

// all makes sure that a color answers at every path, that the files are what they
// are in that color, to the last byte, and that nothing stands beside them.
func (s *several) all(color switcher.Color) {
	s.t.Helper()
	for _, path := range s.paths {
		if got := nginxtest.Answers(s.URL()+path, 5); got[string(color)] != 5 {
			s.t.Errorf("/%s: answers %v, want all %s", path, got, color)
		}
	}
	for path := range s.blue {
		if got := read(s.t.(*testing.T), path); got != s.in(color, path) {
			s.t.Errorf("%s is not what it is in %s:\n%s", path, color, got)
		}
	}
	s.onlyLive()
}

// in is a file as it is in a color.
func (s *several) in(color switcher.Color, path string) string {
	blue := s.blue[path]
	if color == switcher.Blue {
		return blue
	}
	if both := "server " + s.Blue.Addr + "; server " + s.Green.Addr + " backup;"; strings.Contains(blue, both) {
		return strings.Replace(blue, both, "server "+s.Blue.Addr+" backup; server "+s.Green.Addr+";", 1)
	}
	return strings.NewReplacer(s.Blue.Addr, s.Green.Addr, " blue;", " green;", "//blue;", "//green;").Replace(blue)
}

// onlyLive makes sure that nothing stands beside the files.
func (s *several) onlyLive() {
	s.t.Helper()
	for path := range s.blue {
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			s.t.Errorf("beside %s: %v, %v", path, entries, err)
		}
	}
}

func (s *several) paired() (first, last string) {
	return s.Switcher.Site.Files[0].Path, s.Switcher.Site.Files[len(s.Switcher.Site.Files)-1].Path
}

// Places of every kind, alone and two in one file, in files of every kind, in
// one switch: there and back, byte for byte, with the traffic at every path.
func TestSeveralPlaces(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"upstreams"}, {"variables"}, {"locations"}, {"a map", "upstreams"}, {"a flag", "variables"}, {"upstreams", "variables", "locations", "a map", "a flag"}} {
		t.Run(strings.Join(names, " and "), func(t *testing.T) {
			t.Parallel()
			s := newSeveral(t, nginxtest.Options{}, names...)
			for range 2 {
				for _, color := range []switcher.Color{switcher.Green, switcher.Blue} {
					result, err := s.to(color)
					if err != nil || result.Outcome != switcher.Done || result.Record.Generation == nil {
						t.Fatalf("to %s: %s, %v", color, result.Outcome, err)
					}
					s.all(color)
					if result, err := s.to(color); result.Outcome != switcher.Already {
						t.Errorf("to %s again: %s, %v", color, result.Outcome, err)
					}
				}
			}
		})
	}
}

// Many switches of two files under load: nothing is lost, and what was opened
// after one is answered by its target, by way of either file.
func TestSeveralFilesUnderLoad(t *testing.T) {
	switches := 50
	if soaking() {
		switches = 1000
	}
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables")
	var loads []*nginxtest.Load
	for _, path := range []string{"one", "a"} {
		for _, kept := range []bool{true, false} {
			load := &nginxtest.Load{URL: s.URL() + path, Clients: 2, KeepAlive: kept}
			load.Start()
			loads = append(loads, load)
		}
	}
	for i := range switches {
		color := bothColors[i%2]
		if result, err := s.to(color); err != nil || result.Outcome != switcher.Done {
			t.Fatalf("switch %d: %v, %v", i, result.Outcome, err)
		}
		for _, path := range s.paths {
			if got := nginxtest.Answers(s.URL()+path, 2); got[string(color)] != 2 {
				t.Errorf("switch %d: /%s: %v", i, path, got)
			}
		}
	}
	for _, load := range loads {
		s.lost(load, 0)
	}
	s.all(bothColors[(switches+1)%2])
	s.logIsQuiet()
}

// What nginx takes nothing of is put back as a whole.
func TestSeveralFilesRolledBack(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables", "a flag")
	s.Switcher.Nginx.Reload = []string{"false"}
	result, err := s.to(switcher.Green)
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack || !strings.Contains(failed.Traffic, "rolled back: the files are as they were, and nginx serves blue") {
		t.Errorf("%s, %v: %+v", result.Outcome, err, failed)
	}
	s.all(switcher.Blue)
	s.Switcher.Nginx.Reload = nil
	if result, err := s.to(switcher.Green); result.Outcome != switcher.Done {
		t.Errorf("%s, %v", result.Outcome, err)
	}
	s.all(switcher.Green)
}

// edits is a test of the operator's in whose n-th run somebody saves his file.
func (s *several) edits(n, path, text string) []string {
	s.t.Helper()
	his := filepath.Join(s.Dir, "his")
	if err := os.WriteFile(his, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return []string{"sh", "-c", `echo >>"$0"; [ "$(wc -l <"$0")" != "$1" ] || cp "$2" "$3"`, filepath.Join(s.Dir, "runs"), n, his, path}
}

// Somebody saves one of the files before its turn: his stays, and all others are
// what they were.
func TestSeveralFilesEditedBefore(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables", "a flag")
	edited := s.Switcher.Site.Files[1].Path
	s.blue[edited] += "# his\n"
	s.Switcher.Nginx.Test = s.edits("1", edited, s.blue[edited])
	var failed *switcher.Error
	if result, err := s.to(switcher.Green); !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack || !strings.Contains(failed.Error(), "somebody else changed the file") {
		t.Errorf("%s, %v", result.Outcome, err)
	}
	s.all(switcher.Blue)
}

// Somebody saves one of the files after its turn: it cannot be put back over his
// edit, and then none is, so that they still agree.
func TestSeveralFilesEditedAfter(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables", "a flag")
	edited := s.Switcher.Site.Files[1].Path
	s.blue[edited] += "# his\n"
	s.Switcher.Nginx.Test = s.edits("2", edited, s.in(switcher.Green, edited))
	var failed *switcher.Error
	if result, err := s.to(switcher.Green); !errors.As(err, &failed) || failed.Outcome != switcher.Stuck || !strings.Contains(failed.Traffic, "the files say green; what somebody else wrote was left alone, the old files are in ") {
		t.Errorf("%s, %v: %+v", result.Outcome, err, failed)
	}
	for path := range s.blue {
		if got := read(t, path); got != s.in(switcher.Green, path) {
			t.Errorf("%s is not what it is in green:\n%s", path, got)
		}
	}
	s.Switcher.Nginx.Test = nil
	if result, err := s.to(switcher.Blue); result.Outcome != switcher.Done {
		t.Errorf("the way that is named: %s, %v", result.Outcome, err)
	}
}

// Somebody writes to an old file that is kept meanwhile: his words stay, and of
// the other files nothing does.
func TestSeveralFilesKeptWrittenTo(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables", "a flag")
	edited := s.Switcher.Site.Files[0].Path
	kept := filepath.Join(filepath.Dir(edited), "."+filepath.Base(edited)+".bgswitch-")
	s.Switcher.Nginx.Test = []string{"sh", "-c", `echo >>"$0"; [ "$(wc -l <"$0")" != 2 ] || for f in "$1"*; do case $f in *journal) ;; *) echo "# his" >>"$f";; esac; done`, filepath.Join(s.Dir, "runs"), kept}
	var failed *switcher.Error
	if result, err := s.to(switcher.Green); !errors.As(err, &failed) || failed.Outcome != switcher.Stuck || !strings.Contains(failed.Traffic, "the switch took place") {
		t.Fatalf("%s, %v: %+v", result.Outcome, err, failed)
	}
	for path := range s.blue {
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*.bgswitch-*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if his, _ := filepath.Glob(filepath.Join(filepath.Dir(edited), ".*.not-bgswitch-*")); len(his) != 1 {
		t.Errorf("what he wrote stands in %v", his)
	}
}

// One of two files is mounted by itself and is written in place, the other one
// is exchanged.
func TestSeveralFilesOneInPlace(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	dir := t.TempDir()
	live := filepath.Join(dir, "conf.d", "active_upstream.conf")
	site := newStandIn(t, dir, nginxtest.Options{Launch: []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" "$0" && exec "$@"`, live}})
	mounted := site.Switcher.Site.Files[0]
	s := &several{stand: site, blue: map[string]string{live: site.live()}, paths: []string{""}}
	o := nginxtest.Options{Server: "location / { proxy_pass http://myapp; }"}
	s.add(&o, "variables", part{"set $a http://BLUE;\n", "include FILE; location /a { proxy_pass $a; }", []place{{"set $a", "BLUE", "GREEN"}}})
	s.edited(o)
	s.reload()
	for _, files := range [][]switcher.LiveFile{{mounted, s.Switcher.Site.Files[1]}, {s.Switcher.Site.Files[1], mounted}} {
		s.Switcher.Site.Files = files
		before := inode(t, live)
		for _, color := range []switcher.Color{switcher.Green, switcher.Blue} {
			result, err := s.to(color)
			if err != nil || !slices.Contains(result.Notes, live+" is mounted by itself; it was written in place, because a rename would not be seen") {
				t.Fatalf("to %s: %v, %q", color, err, result.Notes)
			}
			s.all(color)
		}
		if now := inode(t, live); now != before {
			t.Errorf("the mounted file is inode %d, was %d: nginx would not see it", now, before)
		}
		s.Switcher.Nginx.Reload = []string{"false"}
		if result, err := s.to(switcher.Green); result.Outcome != switcher.RolledBack {
			t.Errorf("%s, %v", result.Outcome, err)
		}
		s.Switcher.Nginx.Reload = nil
		s.all(switcher.Blue)
	}
}

// Two sites that share two files, and name them in another order, switch at the
// same time, again and again: one at a time, and nobody waits for ever.
func TestSeveralFilesShared(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables")
	other := *s.Switcher
	other.Site.Files = slices.Clone(s.Switcher.Site.Files)
	slices.Reverse(other.Site.Files)
	rounds := 20
	if soaking() {
		rounds = 300
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var done sync.WaitGroup
	for i, one := range []*switcher.Switcher{s.Switcher, &other} {
		done.Go(func() {
			for n := range rounds {
				request := switcher.Request{To: bothColors[(n+i)%2], Handover: nginx.HandoverFast, Command: "to", Who: "test", WaitLock: time.Minute * time.Duration(n%2)}
				result, err := one.Switch(ctx, request)
				if err != nil && !(n%2 == 0 && lock.IsBusy(err)) {
					t.Errorf("site %d, switch %d: %s, %v", i, n, result.Outcome, err)
				}
			}
		})
	}
	done.Wait()
	status := s.Status(t.Context())
	if status.FileErr != nil {
		t.Fatal(status.FileErr)
	}
	s.all(status.Live)
}

// A layout may be of one place as well as of several: files that say different
// things are named.
func TestSeveralFilesDisagree(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "a map", "a flag")
	first, last := s.paired()
	if err := os.WriteFile(last, []byte(s.in(switcher.Green, last)), 0o644); err != nil {
		t.Fatal(err)
	}
	var refusal *nginxconf.Refusal
	for _, color := range bothColors {
		result, err := s.to(color)
		want := last + ", line 1: upstream f is green, expected blue as upstream one in " + first + ", line 1"
		if result.Outcome != switcher.NotAccepted || !errors.As(err, &refusal) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("to %s: %s, %v; want %q", color, result.Outcome, err, want)
		}
	}
	status := s.Status(t.Context())
	var says []switcher.Color
	for _, f := range status.Files {
		says = append(says, f.Live)
	}
	if want := []switcher.Color{"blue", "blue", "green"}; status.Live != "" || !slices.Equal(says, want) || len(status.Drift) > 0 {
		t.Errorf("status: %q, %v, want %v; %v", status.Live, says, want, status.Drift)
	}
}

// What nginx has loaded is known of all of them: an edit of the last is drift, and
// is loaded by the next switch.
func TestSeveralFilesLoaded(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables")
	if result, err := s.to(switcher.Green); result.Outcome != switcher.Done {
		t.Fatalf("%s, %v", result.Outcome, err)
	}
	s.knows(loaded)
	_, last := s.paired()
	text := s.in(switcher.Green, last) + "# his\n"
	if err := os.WriteFile(last, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.knows(notLoaded)
	if result, err := s.to(switcher.Green); result.Outcome != switcher.Done {
		t.Errorf("%s, %v", result.Outcome, err)
	}
	s.knows(loaded)
	if err := os.Chmod(last, 0o600); err != nil {
		t.Fatal(err)
	}
	if result, err := s.to(switcher.Green); result.Outcome != switcher.Done {
		t.Errorf("one of the files was touched: %s, %v", result.Outcome, err)
	}
}

// apart is the same stand as a site for each of its files.
func (s *several) apart() (sites []*switcher.Switcher) {
	for _, f := range s.Switcher.Site.Files {
		one := *s.Switcher
		one.Site.Name = filepath.Base(filepath.Dir(f.Path))
		one.Site.Files = []switcher.LiveFile{f}
		one.State = statedir.Of(s.StateDir, one.Site.Name)
		sites = append(sites, &one)
	}
	return sites
}

// Sites that are switched together share one load; under load nothing is lost,
// and each has its own record.
func TestTogether(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables", "a flag")
	sites := s.apart()
	load := &nginxtest.Load{URL: s.URL() + "a", Clients: 2}
	load.Start()
	rounds := 4
	if soaking() {
		rounds = 200
	}
	for i := range rounds {
		color, before := bothColors[i%2], s.Workers()
		results, err := switcher.Together(t.Context(), switcher.Typed{}, sites, switcher.Request{To: color, Handover: nginx.HandoverFast, Command: "to", Who: "test"})
		if err != nil || len(results) != len(sites) {
			t.Fatalf("to %s: %v", color, err)
		}
		for n, r := range results {
			if g := r.Record.Generation; r.Outcome != switcher.Done || r.Site != sites[n].Site.Name || r.Record.Site != r.Site || g == nil || !slices.Equal(g.Workers, results[0].Record.Generation.Workers) {
				t.Errorf("to %s: %s: %s, %+v", color, r.Site, r.Outcome, g)
			}
			if last, err := sites[n].State.Newest(); err != nil || last.To != color || string(last.Path) != sites[n].Site.Files[0].Path {
				t.Errorf("to %s: %s has recorded %+v, %v", color, r.Site, last, err)
			}
			if status := sites[n].Status(t.Context()); !status.Serves() {
				t.Errorf("to %s: %s: %s", color, r.Site, status.Running.Why)
			}
		}
		s.all(color)
		if now := s.Workers(); len(now) != len(before) || slices.Equal(now, before) {
			t.Errorf("to %s: the workers are %v, before they were %v", color, now, before)
		}
	}
	s.lost(load, 0)
}

// One site that cannot be switched keeps all where they are, before and after the
// files are replaced.
func TestTogetherAllOrNone(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, nginxtest.Options{}, "upstreams", "variables", "a flag")
	for name, c := range map[string]struct {
		spoil   func(last *switcher.Switcher)
		outcome switcher.Outcome
	}{
		"its target is sick":     {func(last *switcher.Switcher) { last.Site.Check.Contains = "nothing of the kind" }, switcher.Unhealthy},
		"its mark does not come": {func(last *switcher.Switcher) { last.Site.Confirm = s.marks("teal") }, switcher.RolledBack},
		"its file is not there":  {func(last *switcher.Switcher) { last.Site.Files = []switcher.LiveFile{{Path: "/nowhere"}} }, switcher.Failed},
		"it names no word of the file": {func(last *switcher.Switcher) {
			last.Site.Files = []switcher.LiveFile{{Path: last.Site.Files[0].Path, Layout: s.Switcher.Site.Files[0].Layout}}
		}, switcher.NotAccepted},
		"it decides by another's words": {func(last *switcher.Switcher) { last.Site.Files = s.Switcher.Site.Files[:1] }, switcher.NotAccepted},
		"it is an app that restarts":    {func(last *switcher.Switcher) { last.Site.Restart = []string{"/bin/true"} }, switcher.Failed},
	} {
		sites := s.apart()
		last := sites[len(sites)-1]
		c.spoil(last)
		results, err := switcher.Together(t.Context(), switcher.Typed{}, sites, switcher.Request{To: switcher.Green, Handover: nginx.HandoverFast, Command: "to", Who: "test"})
		for _, r := range results {
			if r.Outcome != c.outcome {
				t.Errorf("%s: %s: %s, want %s", name, r.Site, r.Outcome, c.outcome)
			}
		}
		if err == nil || !strings.Contains(err.Error(), last.Site.Name+": ") {
			t.Errorf("%s: the error does not name the site: %v", name, err)
		}
		s.all(switcher.Blue)
	}
}

func (s *several) marks(green switcher.Mark) *switcher.Confirm {
	return &switcher.Confirm{URL: health.MustParseURL(s.URL()), Marks: map[switcher.Color]switcher.Mark{switcher.Blue: "X-Color: blue", switcher.Green: "X-Color: " + green}}
}
