package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What Go reads of the environment by itself is not believed either: another
// authority would make an impostor of a backend healthy.
func TestTheCallersAuthorityVouchesForNobody(t *testing.T) {
	t.Parallel()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	settings := write("bgswitch.yaml", fmt.Sprintf(`state_dir: %s/state
sites:
  myapp: {file: %[1]s/live, blue: %s, green: "127.0.0.1:1", check: {scheme: https, status: ["404"], host: example.com}}
`, dir, secure.Listener.Addr()))
	program, err := exec.LookPath("bgswitch")
	if err != nil {
		t.Fatal(err)
	}
	status := exec.Command(program, "status", "--config", settings)
	status.Env = append(os.Environ(), "SSL_CERT_FILE="+write("authority.pem", string(authority)), "SSL_CERT_DIR="+dir)
	out, _ := status.CombinedOutput() // nothing runs here: its exit code speaks of that
	if believed := !strings.Contains(string(out), "certificate"); believed != (os.Geteuid() != 0) {
		t.Errorf("the caller's authority is believed: %t\n%s", believed, out)
	}
}
