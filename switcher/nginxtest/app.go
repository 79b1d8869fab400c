package nginxtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// App is one copy of a site: it answers with its color, in a header and in
// the body.
type App struct {
	Color string
	Addr  string

	sick   atomic.Bool
	slow   atomic.Int64 // how long each answer takes, in nanoseconds
	mute   atomic.Pointer[chan struct{}]
	asked  atomic.Int64
	server *http.Server
}

// StartApp runs an app on a port of the kernel's choice.
func StartApp(color string) (*App, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return serveApp(color, listener), nil
}

// startAppBy runs an app that is reached in some way, see Options.Apps.
func startAppBy(color, dir, way string) (*App, error) {
	network, address := "tcp4", "127.0.0.1:0"
	switch way {
	case "tcp6":
		network, address = "tcp6", "[::1]:0"
	case "unix":
		network, address = "unix", filepath.Join(dir, color+".sock")
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	app := serveApp(color, listener)
	switch way {
	case "unix": // nginx's workers are another user's
		app.Addr, err = "unix:"+address, os.Chmod(address, 0o777)
	case "name":
		app.Addr = fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	}
	return app, err
}

func serveApp(color string, listener net.Listener) *App {
	a := &App{Color: color, Addr: listener.Addr().String()}
	a.server = &http.Server{Handler: a}
	go func() { _ = a.server.Serve(listener) }()
	return a
}

// ServeHTTP answers; /hold keeps the answer open until the client goes, /upgrade
// hands the connection over, as for a websocket, until the client closes it.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	a.wait(r.Context())
	w.Header().Set("X-Color", a.Color)
	if a.sick.Load() {
		http.Error(w, "db down", http.StatusServiceUnavailable)
		return
	}
	if r.URL.Path == "/upgrade" {
		upgrade(w)
		return
	}
	fmt.Fprintf(w, "%s\n", a.Color)
	if r.URL.Path == "/hold" {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func upgrade(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(conn, conn)
}

// wait is what an answer waits for.
func (a *App) wait(ctx context.Context) {
	if mute := a.mute.Load(); mute != nil {
		select {
		case <-*mute:
		case <-ctx.Done():
		}
	}
	if slow := time.Duration(a.slow.Load()); slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
		}
	}
}

// Slow makes each answer take that long.
func (a *App) Slow(by time.Duration) { a.slow.Store(int64(by)) }

// Mute makes the app accept and not answer; all who wait are answered once it
// is not any more.
func (a *App) Mute(mute bool) {
	var next *chan struct{}
	if mute {
		silence := make(chan struct{})
		next = &silence
	}
	if before := a.mute.Swap(next); before != nil {
		close(*before)
	}
	a.asked.Store(0)
}

// Sicken makes the app answer 503, or well again.
func (a *App) Sicken(sick bool) {
	a.sick.Store(sick)
	a.asked.Store(0)
}

// Asked is how many requests have come in since it was last made mute, sick, or
// well.
func (a *App) Asked() int64 { return a.asked.Load() }

// Stop closes the app and its connections.
func (a *App) Stop() error { return a.server.Close() }
