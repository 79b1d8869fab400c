package nginxtest

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
)

// App is one copy of a site: it answers with its color, in a header and in
// the body.
type App struct {
	Color string
	Addr  string

	sick   atomic.Bool
	asked  atomic.Int64
	server *http.Server
}

// StartApp runs an app on a port of the kernel's choice.
func StartApp(color string) (*App, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &App{Color: color, Addr: listener.Addr().String()}
	a.server = &http.Server{Handler: a}
	go func() { _ = a.server.Serve(listener) }()
	return a, nil
}

// ServeHTTP answers; /hold keeps the answer open until the client goes.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	w.Header().Set("X-Color", a.Color)
	if a.sick.Load() {
		http.Error(w, "db down", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "%s\n", a.Color)
	if r.URL.Path == "/hold" {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// Sicken makes the app answer 503, or well again.
func (a *App) Sicken(sick bool) { a.sick.Store(sick) }

// Asked is how many requests have come in.
func (a *App) Asked() int64 { return a.asked.Load() }

// Stop closes the app and its connections.
func (a *App) Stop() error { return a.server.Close() }
