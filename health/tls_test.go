package health

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The certificate of httptest is for 127.0.0.1 and example.com, and signed by itself.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(answer(200, "ok"))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	dir := t.TempDir()
	ca, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	fifo, large := filepath.Join(dir, "fifo"), filepath.Join(dir, "large.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}
	for path, content := range map[string][]byte{ca: pem.EncodeToMemory(block), empty: nil} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(large, nil, 0o600), os.Truncate(large, 1<<30)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		set     func(*Check)
		healthy bool
		reason  string
	}{
		"unknown authority": {func(*Check) {}, false, "TLS: the certificate is signed by an authority that is not trusted"},
		"ca":                {func(c *Check) { c.CAFile = ca }, true, "status 200"},
		"ca, by name":       {func(c *Check) { c.CAFile, c.Host = ca, "example.com:8443" }, true, "status 200"},
		"ca, wrong name":    {func(c *Check) { c.CAFile, c.Host = ca, "other.test" }, false, "not other.test"},
		"insecure":          {func(c *Check) { c.Insecure, c.Host = true, "other.test" }, true, "status 200"},
		"plain to tls":      {func(c *Check) { c.Scheme = "http" }, false, `status 400: "Client sent an HTTP request to an HTTPS server."`},
		"no such ca":        {func(c *Check) { c.CAFile = dir + "/none" }, false, "cannot read the CA file: " + dir + "/none: no such file or directory"},
		"a folder":          {func(c *Check) { c.CAFile = dir }, false, dir + ": it is not a regular file of at most 1 MiB"},
		"a FIFO":            {func(c *Check) { c.CAFile = fifo }, false, "it is not a regular file of at most 1 MiB"},
		"a device":          {func(c *Check) { c.CAFile = "/dev/zero" }, false, "it is not a regular file of at most 1 MiB"},
		"a gibibyte":        {func(c *Check) { c.CAFile = large }, false, "it is not a regular file of at most 1 MiB"},
		"empty ca":          {func(c *Check) { c.CAFile = empty }, false, "there is no certificate in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := quick()
			c.Scheme = "https"
			tt.set(&c)
			expect(t, ask(t, c, backendAt(s.Listener.Addr())), tt.healthy, tt.reason)
		})
	}
}

// selfSigned is the settings of a TLS server that nobody trusts.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}

func TestTLSWithoutTLS(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Scheme = "https"
	expect(t, ask(t, c, serve(t, answer(200, "ok"))), false, "TLS: the answer is plain HTTP")
	c.Timeout = 100 * time.Millisecond
	expect(t, ask(t, c, speak(t, untilClosed)), false, "no answer within 0.1s")
}

func TestOldTLSIsNamed(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MaxVersion: tls.VersionTLS10}
	s.StartTLS()
	t.Cleanup(s.Close)
	c := quick()
	c.Scheme = "https"
	v := ask(t, c, backendAt(s.Listener.Addr()))
	if v.Healthy || !strings.HasPrefix(v.Reason, "TLS: ") {
		t.Errorf("verdict: %s", v)
	}
}
