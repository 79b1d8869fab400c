package switcher_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
)

// Somebody edits another file of the configuration all the time, so that it is
// broken every now and then: a switch is done or is not, and says which.
func TestEditorBesideUs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := filepath.Join(dir, "other.conf")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := newStandIn(t, dir, nginxtest.Options{HTTP: "include " + other + ";"})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(17 * time.Millisecond):
			}
			text := []string{"# all is well\n", "half a line"}[i%2]
			_ = os.WriteFile(other, []byte(text), 0o644)
		}
	}()
	seen := map[switcher.Outcome]int{}
	live := switcher.Blue
	s.underLoad(func() {
		for i := range 40 {
			before := s.live()
			result, err := s.to(live.Other())
			seen[result.Outcome]++
			var failed *switcher.Error
			switch {
			case err == nil:
				live = live.Other()
			case !errors.As(err, &failed) || failed.Outcome != switcher.NotAccepted && failed.Outcome != switcher.RolledBack:
				t.Errorf("switch %d: %v", i, err)
			case s.live() != before:
				t.Errorf("switch %d: %v, and the file is not the old one", i, err)
			}
			s.answers(live, 10)
		}
	})
	close(stop)
	<-stopped
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("outcomes: %v", seen)
	refused := switcher.NotAccepted
	if !nginxtest.MayMount() { // then only the file in its place can be refused
		refused = switcher.RolledBack
	}
	if seen[switcher.Done] == 0 || seen[refused] == 0 {
		t.Errorf("not both were met: %v", seen)
	}
	s.sound(live, 2)
}

// posts are clients that ask what may not be asked twice, on kept connections.
type posts struct {
	cancel         context.CancelFunc
	clients        sync.WaitGroup
	asked, refused atomic.Int64
}

func (s *stand) post(clients int) *posts {
	ctx, cancel := context.WithCancel(context.Background())
	p := &posts{cancel: cancel}
	for range clients {
		p.clients.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			for ctx.Err() == nil {
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL(), bytes.NewReader([]byte("once")))
				if err != nil {
					return
				}
				response, err := client.Do(request)
				if err == nil {
					_, err = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
				if ctx.Err() != nil {
					return
				}
				p.asked.Add(1)
				if err != nil || response.StatusCode != http.StatusOK {
					p.refused.Add(1)
				}
			}
		})
	}
	return p
}

func (p *posts) rate() (perMillion float64, asked int64) {
	p.cancel()
	p.clients.Wait()
	return float64(p.refused.Load()) * 1e6 / float64(p.asked.Load()), p.asked.Load()
}

// What may not be asked twice is lost by any reload now and then, where nginx
// closes a connection that it kept: by a switch no more often.
func TestPostsAreLostNoMoreOftenThanByAReload(t *testing.T) {
	if !soaking() {
		t.Skip("a rate needs many: part of `task soak`")
	}
	const times = 300
	s := newStand(t, nginxtest.Options{})
	bare := s.post(8)
	for range times {
		before := s.Workers()
		if err := s.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.eventually(func() error { return s.Reloaded(before) })
	}
	reloads, askedBare := bare.rate()
	ours := s.post(8)
	for i := range times {
		if _, err := s.to(bothColors[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	switches, asked := ours.rate()
	perReload, perSwitch := reloads*float64(askedBare)/1e6/times, switches*float64(asked)/1e6/times
	t.Logf("lost by %d reloads: %.0f per million of %d (%.2f each); by as many switches: %.0f per million of %d (%.2f each)",
		times, reloads, askedBare, perReload, switches, asked, perSwitch)
	if perSwitch > 1.5*perReload+0.1 {
		t.Error("a switch loses more than a reload")
	}
}
