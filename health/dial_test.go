package health

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatientReadsAfterItSpoke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		conn := newPatient(near)
		defer conn.Close()
		heard := false
		go func() {
			io.ReadFull(conn, make([]byte, 3))
			heard = true
		}()
		go far.Write([]byte("SSH"))
		synctest.Wait()
		if heard {
			t.Fatal("read before it spoke")
		}
		go far.Read(make([]byte, 3))
		conn.Write([]byte("GET"))
		synctest.Wait()
		if !heard {
			t.Fatal("read nothing after it spoke")
		}
	})
}

func TestPatientCloseEndsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		conn := newPatient(near)
		go conn.Read(make([]byte, 1)) // synctest fails where this goroutine stays
		synctest.Wait()
		conn.Close()
	})
}

// A backend sees each connection end, also where the check gives it up early.
func TestConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	self := selfSigned(t)
	for name, tt := range map[string]struct {
		kind, scheme string
		handle       func(net.Conn)
	}{
		"tcp":          {TypeTCP, "http", untilClosed},
		"tls refused":  {TypeHTTP, "https", func(c net.Conn) { tls.Server(c, self).Handshake(); untilClosed(c) }},
		"http refused": {TypeHTTP, "http", func(c net.Conn) { io.WriteString(c, "SSH-2.0\r\n"); untilClosed(c) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{})
			b := speak(t, func(c net.Conn) { tt.handle(c); close(closed) })
			c := quick()
			c.Type, c.Scheme = tt.kind, tt.scheme
			ask(t, c, b)
			select {
			case <-closed:
			case <-time.After(3 * time.Second):
				t.Error("the connection stays open")
			}
		})
	}
}
