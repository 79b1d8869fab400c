package health

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Whatever prints a URL, what may be a key in it is not shown; what is asked is the whole.
func TestURLShowsNoSecret(t *testing.T) {
	t.Parallel()
	const text, shown = "https://some%20one:pass@h.example:81/a%2Fb?token=pass&pass", "https://xxxxx@h.example:81/a%2Fb?xxxxx"
	u := MustParseURL(text)
	marshalled, err := json.Marshal(map[string]any{"url": u, "in": struct{ U URL }{u}})
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		U URL
		P *URL
	}{u, &u}
	for _, got := range []string{
		u.String(), string(marshalled), fmt.Sprintf("%v %+v %#v %s %q %x", u, u, u, u, u, u), fmt.Sprintf("%v %+v %#v", holder, holder, holder),
		fmt.Errorf("cannot: %v", u).Error(), u.Below("7").String(), u.Host(),
	} {
		if strings.Contains(got, "pass") || strings.Contains(got, "some") {
			t.Errorf("shows %s", got)
		}
	}
	if u.String() != shown || u.Secret() != text || u.Host() != "h.example:81" {
		t.Errorf("shows %s, asks %s, host %s", u, u.Secret(), u.Host())
	}
	if got := fmt.Sprintf("%-40s|%q", u, u); got != fmt.Sprintf("%-40s|%q", shown, shown) {
		t.Errorf("formatted %s", got)
	}
	var none URL
	if !none.IsZero() || u.IsZero() || fmt.Sprint(none, none.Host(), none.Secret()) != "" {
		t.Error("no URL is none")
	}
}

func TestParseURLRepeatsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "//user:secret@host", "http://user:sec ret@host", "http://host/#secret", "http://host/#", "http://:80/", "http://", "http:///secret", "http://host:99999/", "http://host:0/", "ftp://user:secret@host",
		"http://user:secret@host:port", "http://host/%zzsecret", "secret", "http:secret", "http://secret\x1b@host/",
	} {
		if u, err := ParseURL(text); err == nil || strings.Contains(err.Error(), "sec") {
			t.Errorf("%q is read as %v, with %v", text, u, err)
		}
	}
}

func TestParseBackendURL(t *testing.T) {
	t.Parallel()
	for text, tcp := range map[string]bool{"tcp://127.0.0.1:80": true, "tcp://[::1]:80": true, "tcp://app-blue:8080": true, "http://host/": false, "https://host": false} {
		if u, err := ParseBackendURL(text); err != nil || u.IsTCP() != tcp || u.String() != text {
			t.Errorf("%q is read as %v, tcp: %v, with %v", text, u, u.IsTCP(), err)
		}
	}
	for _, text := range []string{"tcp://host", "tcp://:80", "tcp://host:0", "tcp://host:80/", "tcp://host:80?a", "tcp://user@host:80", "tcp:host:80", "tcp://host:80#a", "udp://host:80"} {
		if u, err := ParseBackendURL(text); err == nil || !strings.Contains(err.Error(), "or tcp://host:port") {
			t.Errorf("%q is read as %v, with %v", text, u, err)
		}
	}
	if _, err := ParseURL("tcp://host:80"); err == nil {
		t.Error("a tcp URL can be fetched")
	}
}
