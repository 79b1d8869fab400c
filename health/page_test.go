package health

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestGet(t *testing.T) {
	t.Parallel()
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Color", "green")
		w.WriteHeader(502)
		w.Write([]byte(r.Host + r.RequestURI))
	})
	page, err := Asker{}.Get(t.Context(), MustParseURL("http://"+b.Address+"/who"), "www.example.com", time.Second)
	if err != nil || page.Status != 502 || page.Header.Get("X-Color") != "green" || string(page.Body) != "www.example.com/who" || page.Took <= 0 {
		t.Errorf("page = %+v, %v", page, err)
	}
}

func TestGetFails(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	silent := speak(t, untilClosed)
	for _, tt := range []struct {
		ctx     context.Context
		url     string
		timeout time.Duration
		want    string
	}{
		{t.Context(), "http://" + silent.Address + "/", 50 * time.Millisecond, "no answer within 50ms"},
		{over, "http://" + silent.Address, time.Second, "interrupted"},
		{t.Context(), "http://me:secret@127.0.0.1:1", time.Second, "connection refused"},
		{t.Context(), "http://127.0.0.1:1/?secret", time.Second, "connection refused"},
		{t.Context(), "http://127.0.0.1:1", 0, "timeout: 0ms is not allowed"},
	} {
		_, err := Asker{}.Get(tt.ctx, MustParseURL(tt.url), "", tt.timeout)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
