package health

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func BenchmarkAsk(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(answer(200, "ok")))
	defer s.Close()
	backends := []Backend{backendAt(s.Listener.Addr())}
	c := quick()
	b.ReportAllocs()
	for b.Loop() {
		if !Healthy(Asker{}.Ask(b.Context(), c, backends)) {
			b.Fatal("unhealthy")
		}
	}
}

// BenchmarkDial is the floor: what the connections alone cost.
func BenchmarkDial(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(answer(200, "ok")))
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		conn.Close()
	}
}
