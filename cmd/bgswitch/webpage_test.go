package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"

	"github.com/google/go-cmp/cmp"
)

// nginx shows the page as the example has it.
func TestExamplePageIsShown(t *testing.T) {
	t.Parallel()
	location, err := os.ReadFile(filepath.Join(examplesDir, "page/location.conf"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "index.html"), []byte("the page"), 0o644); err != nil {
		t.Fatal(err)
	}
	n, err := nginxtest.Start(t.TempDir(), nginxtest.Options{
		HTTP:   "types {text/html html;}",
		Main:   "user root;", // the folder is the test's own
		Server: strings.ReplaceAll(string(location), "/var/www/bgswitch", folder),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	answer, err := http.Get("http://" + n.Addr + "/bgswitch/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	got := []string{answer.Status, string(body), answer.Header.Get("Content-Type"), answer.Header.Get("Cache-Control")}
	if diff := cmp.Diff([]string{"200 OK", "the page", "text/html", "no-store"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'unsafe-inline'") {
		t.Errorf("Content-Security-Policy: %s", policy)
	}
}
