package health

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := Defaults().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	header := func(name, value string) func(*Check) {
		return func(c *Check) { c.Headers = map[string]string{name: value} }
	}
	for want, set := range map[string]func(*Check){
		`type: "udp" is not allowed; use http or tcp`:                            func(c *Check) { c.Type = "udp" },
		`scheme: "" is not allowed; use http or https`:                           func(c *Check) { c.Scheme = "" },
		`path: "healthz" is not allowed`:                                         func(c *Check) { c.Path = "healthz" },
		`path: "" is not allowed`:                                                func(c *Check) { c.Path = "" },
		`path: "/a#b" is not allowed`:                                            func(c *Check) { c.Path = "/a#b" },
		`path: "http://other/" is not allowed`:                                   func(c *Check) { c.Path = "http://other/" },
		`host: "a b" is not allowed`:                                             func(c *Check) { c.Host = "a b" },
		`host: "a/b" is not allowed`:                                             func(c *Check) { c.Host = "a/b" },
		`headers: Host is not allowed here; set host instead`:                    header("hOST", "x"),
		`headers: that is not the name of a header`:                              header("secret b", "x"),
		`headers: Connection is not allowed`:                                     header("Connection", "upgrade"),
		`headers: the value of X-A contains a control byte`:                      header("X-A", "secret\r\nX-B: c"),
		`status: none given`:                                                     func(c *Check) { c.Status = nil },
		`status: "300-200" is not allowed`:                                       func(c *Check) { c.Status = StatusRanges{{300, 200}} },
		`contains: a tcp check reads no answer`:                                  func(c *Check) { c.Type, c.Contains = TypeTCP, "ok" },
		`headers: a tcp check sends no headers`:                                  func(c *Check) { c.Type, c.Headers = TypeTCP, map[string]string{"A": "b"} },
		`timeout: 0.5ms is not allowed; use 1ms to 5m`:                           func(c *Check) { c.Timeout = 500 * time.Microsecond },
		`timeout: 5m1s is not allowed`:                                           func(c *Check) { c.Timeout = 301 * time.Second },
		`attempts: 0 is not allowed; use 1 to 1000`:                              func(c *Check) { c.Attempts = 0 },
		`attempts: 1001 is not allowed`:                                          func(c *Check) { c.Attempts = 1001 },
		`interval: -1s is not allowed; use 0ms to 5m`:                            func(c *Check) { c.Interval = -time.Second },
		`passes: 101 is not allowed; use 1 to 100`:                               func(c *Check) { c.Passes = 101 },
		`insecure: not allowed together with a CA file; use only one of the two`: func(c *Check) { c.Insecure, c.CAFile = true, "/ca" },
	} {
		c := Defaults()
		set(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Every setting that cannot be used is found, at its place.
func TestValidateFindsAll(t *testing.T) {
	t.Parallel()
	c := Check{Type: "udp", Scheme: "ftp", Path: "x", Host: " ", Headers: map[string]string{"hOST": "x", "b": "\n"}, Timeout: -1, Interval: -1, CAFile: "/ca", Insecure: true}
	var found Mistakes
	if !errors.As(c.Validate(), &found) {
		t.Fatal("nothing was found")
	}
	var at []string
	for _, mistake := range found {
		at = append(at, strings.Join(mistake.At, "."))
	}
	want := []string{"type", "scheme", "path", "host", "headers.hOST", "headers.b", "status", "timeout", "attempts", "interval", "passes", "insecure"}
	if diff := cmp.Diff(want, at); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	Defaults().Status[0].From = 500
	if Defaults().Status[0].From != 200 {
		t.Error("one caller changed the defaults of all")
	}
}

func TestBackendValidate(t *testing.T) {
	t.Parallel()
	for want, b := range map[string]Backend{
		"":          {Network: "unix", Address: "/run/x.sock"},
		"network: ": {Network: "udp", Address: "127.0.0.1:1"},
		"address: ": {Network: "tcp"},
	} {
		err := b.Validate()
		if (err == nil) != (want == "") || err != nil && (!strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "sec")) {
			t.Errorf("%+v: got %v, want %s", b, err, want)
		}
	}
}

func TestParseStatusRange(t *testing.T) {
	t.Parallel()
	var got StatusRanges
	for _, text := range []string{"200", "300-302"} {
		r, err := ParseStatusRange(text)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(StatusRanges{{200, 200}, {300, 302}}, got); diff != "" {
		t.Error(diff)
	}
	for status, want := range map[int]bool{199: false, 200: true, 201: false, 300: true, 302: true, 303: false} {
		if got.Has(status) != want {
			t.Errorf("Has(%d) = %v", status, !want)
		}
	}
	for _, text := range []string{"", "ok", "2xx", "200-", "-200", "299-200", "100", "600", "200-99999", "+200", "200-299-300", " 200"} {
		if _, err := ParseStatusRange(text); err == nil || !strings.Contains(err.Error(), `"`+text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestVerdictString(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]Verdict{
		`unhealthy after 3 attempts in 0.6s: GET http://127.0.0.1:3002/healthz: status 503: "db down"`: {
			Attempts: 3, Took: 604 * time.Millisecond, Asked: "GET http://127.0.0.1:3002/healthz", Reason: `status 503: "db down"`},
		`healthy after 1 attempt in 1.2ms: GET http://127.0.0.1:3002/healthz: status 200`: {
			Healthy: true, Attempts: 1, Took: 1234 * time.Microsecond, Asked: "GET http://127.0.0.1:3002/healthz", Reason: "status 200"},
	} {
		if got := v.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                       "0ms",
		31 * time.Microsecond:   "0.03ms",
		1234 * time.Microsecond: "1.2ms",
		20 * time.Millisecond:   "20ms",
		200 * time.Millisecond:  "0.2s",
		250 * time.Millisecond:  "0.25s",
		2 * time.Second:         "2s",
		20 * time.Second:        "20s",
		90 * time.Second:        "1m30s",
		5 * time.Minute:         "5m",
		10 * time.Minute:        "10m",
	} {
		if got := Short(d); got != want {
			t.Errorf("Short(%s) = %s, want %s", d, got, want)
		}
	}
}
