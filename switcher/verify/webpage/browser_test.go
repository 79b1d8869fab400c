package webpage

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"github.com/google/go-cmp/cmp"
)

//go:embed testdata/harness.html
var harness string

// frame is how a page is looked at.
type frame struct {
	Name   string
	Width  int
	Scheme string
}

// seen is what a browser makes of a page in a frame.
type seen struct {
	Name  string
	Width int
	Dark  bool
	Texts int      // that were looked at
	Text  string   // as a reader has it
	Wrong []string // each as KIND: WHERE
}

// dumped is the harness with what it has found.
var dumped = regexp.MustCompile(`(?s)<pre id="found">(.*?)</pre>`)

// look has a browser look at pages, at the width of a phone and of a desk, light
// and dark; asked is what it asked the server for.
func look(t *testing.T, pages map[string]string) (found []seen, asked []string) {
	t.Helper()
	var frames []frame
	for name := range pages {
		for _, width := range []int{360, 1280} {
			frames = append(frames, frame{name, width, "light"}, frame{name, width, "dark"})
		}
	}
	var mutex sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		asked = append(asked, r.URL.Path)
		mutex.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if name, is := strings.CutPrefix(r.URL.Path, "/page/"); is {
			fmt.Fprint(w, pages[name])
			return
		}
		if err := template.Must(template.New("").Parse(harness)).Execute(w, frames); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	dump := dumped.FindSubmatch(chromium(t, server.URL))
	if dump == nil {
		t.Fatal("the browser did not look")
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(string(dump[1]))), &found); err != nil {
		t.Fatalf("%v: %s", err, dump[1])
	}
	if len(found) != len(frames) {
		t.Fatalf("%d of %d frames: %v", len(found), len(frames), found)
	}
	return found, asked
}

// chromium is a page as it stands when all of it is loaded. What the browser leaves
// is taken away when it has ended: those that it started may write to the last.
func chromium(t *testing.T, url string) []byte {
	t.Helper()
	program := os.Getenv("BGSWITCH_TEST_CHROMIUM")
	if program == "" {
		rightstest.Without(t, "a browser (`go run ./cmd/gettool chromium`, its path in $BGSWITCH_TEST_CHROMIUM)")
	}
	home, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := nginxtest.Eventually(nginxtest.Patience, func() error { return os.RemoveAll(home) }); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	browser := exec.CommandContext(ctx, program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir="+home+"/data",
		"--dump-dom", url)
	browser.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "TMPDIR="+home)
	var said bytes.Buffer
	browser.Stderr = &said
	dom, err := browser.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	return dom
}

// A page is readable on a phone and on a desk, light and dark, by eye and by ear,
// whatever others have written, and does nothing but stand there. That a browser
// would notice shows with a page of which nothing is right.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	hostile := well()
	poison(&hostile, nasty)
	found, asked := look(t, map[string]string{
		"all":     htmlOf(t, noon, well(), ill(), strange()),
		"one":     htmlOf(t, noon, well()),
		"none":    htmlOf(t, noon),
		"hostile": htmlOf(t, noon, hostile, well()),
		"wrong":   wrong,
	})
	for _, s := range found {
		switch kinds := kindsOf(s.Wrong); {
		case s.Name != "wrong" && len(kinds) > 0:
			t.Errorf("%s, %d wide, dark: %v: %q", s.Name, s.Width, s.Dark, s.Wrong)
		case s.Name == "wrong":
			want := []string{"alternative", "contrast", "element", "handler", "heading", "id", "label", "landmark", "lang", "overflow", "overlap", "request", "script", "small", "title"}
			if diff := cmp.Diff(want, kinds); diff != "" {
				t.Errorf("of a page of which nothing is right, %d wide (-want +found):\n%s", s.Width, diff)
			}
		}
		if s.Name == "all" && (s.Texts < 100 || !strings.Contains(s.Text, "green became live")) {
			t.Errorf("%d texts:\n%s", s.Texts, s.Text)
		}
	}
	for _, width := range []int{360, 1280} {
		for _, dark := range []bool{false, true} {
			if !slices.ContainsFunc(found, func(s seen) bool { return s.Width == width && s.Dark == dark }) {
				t.Errorf("no page was %d wide, dark: %v", width, dark)
			}
		}
	}
	for _, path := range asked {
		if path != "/" && !strings.HasPrefix(path, "/page/") && path != "/of-the-wrong-one" {
			t.Errorf("something else is asked for: %s", path)
		}
	}
}

// wrong is a page of which nothing is right.
const wrong = `<!DOCTYPE html>
<body onload="1"><h3 id="a" style="color:#999;font-size:8px">faint</h3><p id="a" style="width:2000px">wide</p>
<p aria-labelledby="b">named by nothing</p><svg class="day"><text y="9">one</text><text y="9">two</text></svg>
<img alt="" src="/of-the-wrong-one"><script>broken = 1</script>`

func kindsOf(wrong []string) (kinds []string) {
	for _, w := range wrong {
		kind, _, _ := strings.Cut(w, ":")
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
