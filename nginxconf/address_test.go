package nginxconf

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	label, long := strings.Repeat("a", 63), "unix:/"+strings.Repeat("a", 106)
	for _, c := range []struct{ in, written, network, dialed string }{
		{"127.0.0.1:3001", "127.0.0.1:3001", "tcp", "127.0.0.1:3001"},
		{"127.0.0.1", "127.0.0.1", "tcp", "127.0.0.1:80"},
		{"127.0.0.1:80", "127.0.0.1:80", "tcp", "127.0.0.1:80"},
		{"10.0.0.255:65535", "10.0.0.255:65535", "tcp", "10.0.0.255:65535"},
		{"app-blue", "app-blue", "tcp", "app-blue:80"},
		{"App_Blue:1", "app_blue:1", "tcp", "app_blue:1"},
		{"a.b-c.Example:8080", "a.b-c.example:8080", "tcp", "a.b-c.example:8080"},
		{"1a", "1a", "tcp", "1a:80"},
		{"app.1x", "app.1x", "tcp", "app.1x:80"},
		{"0xyz", "0xyz", "tcp", "0xyz:80"},
		{"localhost:3001", "localhost:3001", "tcp", "localhost:3001"},
		{label + ".b", label + ".b", "tcp", label + ".b:80"},
		{"[::1]", "[::1]", "tcp", "[::1]:80"},
		{"[::1]:3001", "[::1]:3001", "tcp", "[::1]:3001"},
		{"[2001:DB8:0:0::00A]:1", "[2001:db8::a]:1", "tcp", "[2001:db8::a]:1"},
		{"unix:/run/blue.sock", "unix:/run/blue.sock", "unix", "/run/blue.sock"},
		{"unix:/run/App/B:1.sock", "unix:/run/App/B:1.sock", "unix", "/run/App/B:1.sock"},
		{long, long, "unix", long[5:]},
	} {
		a, err := ParseAddress(c.in)
		if err != nil {
			t.Error(err)
			continue
		}
		if a.String() != c.written {
			t.Errorf("%s is written %s, want %s", c.in, a, c.written)
		}
		if network, dialed := a.Dial(); network != c.network || dialed != c.dialed {
			t.Errorf("%s is dialed %s %s, want %s %s", c.in, network, dialed, c.network, c.dialed)
		}
	}
}

func TestAddressEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b  string
		equal bool
	}{
		{"app", "APP", true},
		{"app", "app:80", true},
		{"[::1]:80", "[0:0::1]", true},
		{"127.0.0.1:3001", "127.0.0.1:3001", true},
		{"unix:/a", "unix:/a", true},
		{"unix:/a", "unix:/A", false},
		{"unix:/a", "a", false},
		{"app", "app:81", false},
		{"app:3001", "app:3002", false},
		{"127.0.0.1", "localhost", false},
	} {
		both := addresses(t, c.a, c.b)
		if both[0].Is(both[1].String()) != c.equal || both[1].Is(both[0].String()) != c.equal {
			t.Errorf("%s and %s: equal is not %v", c.a, c.b, c.equal)
		}
	}
	if same := addresses(t, "APP:3001", "app:3001"); same[0] != same[1] {
		t.Error("two ways to write one address are not ==")
	}
}

// hostile returns values that must never reach a file: those of
// testdata/hostile.txt, and every byte outside the grammar at every place.
func hostile(t testing.TB) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(raw)) {
		s, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, s)
	}
	for b := range 256 {
		if strings.ContainsRune(writable, rune(b)) {
			continue
		}
		bad := string([]byte{byte(b)})
		for _, s := range []string{"127.0.0.1:3001", "app-blue", "[::1]:1", "unix:/run/a.sock"} {
			all = append(all, bad+s, s+bad, s[:5]+bad+s[5:])
		}
	}
	return all
}

// writable holds every byte that may stand in a written address.
const writable = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-[]/+@,=~%"

func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	all := hostile(t)
	if len(all) < 200 {
		t.Errorf("%d values, want at least 200", len(all))
	}
	for _, s := range all {
		a, err := ParseAddress(s)
		if err == nil {
			t.Errorf("%q is taken for %s", s, a)
			continue
		}
		if !strings.HasPrefix(err.Error(), "cannot read address: ") || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) || len(err.Error()) > 1000 {
			t.Errorf("%q: the message is not fit to be shown: %q", s, err)
		}
	}
}

func TestAddressAdvice(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"http://127.0.0.1:3001":             "without the scheme",
		"user@app:80":                       "without the user",
		"[::ffff:127.0.0.1]:80":             "write the IPv4 address instead: 127.0.0.1",
		"::1":                               "brackets",
		"0.0.0.0:80":                        "write 127.0.0.1",
		"[::]:80":                           "write [::1]",
		"127.1:80":                          "four numbers",
		"unix:run/a.sock":                   "absolute path",
		"unix:/run//a.sock":                 "empty",
		"UNIX:/run/a.sock":                  "lower case",
		"app:080":                           "without leading zeros",
		"app blue":                          "a blank",
		"[fe80::1%eth0]:80":                 "zones",
		strings.Repeat("a", 64):             "63",
		"app..blue":                         "empty part",
		strings.Repeat("a.a.", 64):          "253",
		"unix:/" + fmt.Sprintf("%0107d", 0): "107",
	} {
		if _, err := ParseAddress(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to say %q", in, err, want)
		}
	}
}

func TestColors(t *testing.T) {
	t.Parallel()
	if Blue.Other() != Green || Green.Other() != Blue {
		t.Error("the other color is not the other color")
	}
	for s, ok := range map[string]bool{"blue": true, "green": true, "": false, "Blue": false, "red": false, " blue": false} {
		if c, err := ParseColor(s); (err == nil) != ok || ok && string(c) != s {
			t.Errorf("%q: color %q, error %v", s, c, err)
		}
	}
}
