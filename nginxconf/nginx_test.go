package nginxconf

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// nginx finds the nginx that gives the second opinion.
func nginx(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("BGSWITCH_TEST_NGINX"); path != "" {
		return path
	}
	if path, err := exec.LookPath("nginx"); err == nil {
		return path
	}
	if path, err := exec.LookPath("/usr/sbin/nginx"); err == nil {
		return path
	}
	t.Fatal("nginx is needed: run `go tool -modfile=cmd/tools.mod task nginx`")
	return ""
}

// wrapper is the nginx.conf around a tested file: its own folder for all that
// nginx -t creates, and the file where it belongs.
const wrapper = `pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    %s
}
`

// test asks nginx -t about a file that http includes, or an upstream if it is
// a fragment.
func test(t *testing.T, nginx, src string, fragment bool) (accepted bool, says string) {
	t.Helper()
	dir := t.TempDir()
	include := "include tested.conf;"
	if fragment {
		include = "upstream fragment { include tested.conf; }"
	}
	write(t, filepath.Join(dir, "tested.conf"), src)
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(wrapper, include))
	out, err := exec.Command(nginx, "-t", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr").CombinedOutput()
	return err == nil, string(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNginxAcceptsEdits has nginx judge every fixture before and after. A name
// that does not resolve is refused both times.
func TestNginxAcceptsEdits(t *testing.T) {
	t.Parallel()
	bin := nginx(t)
	accepted := 0
	check := func(name, before string, l Layout) {
		f, err := Read([]byte(before), l)
		if err != nil {
			return
		}
		after, err := f.Edit(f.Live().Other())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		fragment := f.words[0].Upstream == ""
		ok, _ := test(t, bin, before, fragment)
		if okAfter, says := test(t, bin, string(after), fragment); okAfter != ok {
			t.Errorf("%s: nginx accepts it %v before and %v after the edit: %s", name, ok, okAfter, says)
		}
		if ok {
			accepted++
		}
	}
	for _, f := range fixtures(t) {
		check(f.Name, f.In, f.layout(t))
	}
	layouts := pairLayouts(t)
	for _, p := range pairs {
		check(p.name, p.before, layouts[p.layout])
	}
	if accepted < 30 {
		t.Errorf("nginx accepted %d files only, want at least 30", accepted)
	}
}

// complaint is how nginx says that it cannot cut a file into words.
var complaint = regexp.MustCompile(`unexpected (end|"|the)|too long parameter`)

// bits are what random text is made of. A closing brace comes inside a word
// only, since nginx acts on the block before it reads what follows.
var bits = []string{"a", "b", " ", "\n", "\t", "\r", ";", "{", `"`, `"`, "'", "'", `\`, `\`, "#", "$", "${", ")", "(", "a}"}

func randomText(random *rand.Rand) string {
	var text strings.Builder
	for range 1 + random.IntN(9) {
		text.WriteString(bits[random.IntN(len(bits))])
	}
	return text.String()
}

// TestScannerCutsAsNginx compares what the scanner and nginx can cut into
// words, in a block in which nginx takes any words. The text is drawn at
// random, the same each time.
func TestScannerCutsAsNginx(t *testing.T) {
	t.Parallel()
	bin := nginx(t)
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 200 {
		src := "types {\na a" + randomText(random) + ";\n}\n"
		_, says := test(t, bin, src, false)
		_, err := readStatements([]byte(src))
		if (err != nil) != complaint.MatchString(says) {
			t.Errorf("%q: the scanner says %v, nginx says %s", src, err, strings.TrimSpace(says))
		}
		if err != nil {
			refused++
		}
	}
	if refused < 40 || refused > 160 {
		t.Errorf("%d of 200 refused, want a fair share of both", refused)
	}
}

// TestScannerDecodesAsNginx compares the value of a word with the one nginx
// shows when it knows no directive of that name.
func TestScannerDecodesAsNginx(t *testing.T) {
	t.Parallel()
	bin := nginx(t)
	random := rand.New(rand.NewPCG(3, 4))
	compared := 0
	for range 300 {
		src := randomText(random) + " ;"
		all, err := readStatements([]byte(src))
		if err != nil || len(all) == 0 {
			continue
		}
		compared++
		if _, says := test(t, bin, src, false); !strings.Contains(says, `unknown directive "`+all[0].name()+`"`) {
			t.Errorf("%q: the scanner reads %q, nginx says %s", src, all[0].name(), strings.TrimSpace(says))
		}
	}
	if compared < 50 {
		t.Errorf("%d words compared, want at least 50", compared)
	}
}
