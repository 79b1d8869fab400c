package switcher_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// resolver is a name server that takes its time, or never answers.
type resolver struct {
	conf string // the resolv.conf that names it
	conn net.PacketConn
}

const resolverPort = 53 // resolv.conf(5) can name no other

func newResolver(t *testing.T, dir, options string) *resolver {
	t.Helper()
	address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	conn, err := net.ListenPacket("udp", fmt.Sprintf("%s:%d", address, resolverPort))
	if err != nil {
		t.Fatal(err)
	}
	r := &resolver{conf: filepath.Join(dir, "resolv.conf"), conn: conn}
	if err := os.WriteFile(r.conf, fmt.Appendf(nil, "nameserver %s\noptions %s\n", address, options), 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

// serve answers each question once wait is over, until the test ends; every
// name is 127.0.0.1.
func (r *resolver) serve(t *testing.T, wait func(ended context.Context)) {
	var running sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(func() { end(); r.conn.Close(); running.Wait() })
	running.Go(func() {
		for {
			query := make([]byte, 512)
			n, from, err := r.conn.ReadFrom(query)
			if err != nil {
				return
			}
			running.Go(func() {
				wait(ctx)
				_, _ = r.conn.WriteTo(answerTo(query[:n]), from)
			})
		}
	})
}

// after is a wait of that long.
func after(delay time.Duration) func(context.Context) {
	return func(ended context.Context) {
		select {
		case <-time.After(delay):
		case <-ended.Done():
		}
	}
}

// answerTo is a reply (RFC 1035, section 4): the address for a question of
// type A, nothing for any other.
func answerTo(query []byte) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	reply := append([]byte{}, query[:end]...)
	reply[2], reply[3] = 0x81, 0x80             // a response, recursion available
	copy(reply[6:12], []byte{0, 0, 0, 0, 0, 0}) // counts of what follows
	if query[end-3] == 1 {
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return reply
}

// standWithName is a stand whose configuration names a host since it was
// started: every test and every load has to resolve it.
func standWithName(t *testing.T, options string) (*stand, *resolver) {
	t.Helper()
	dir := t.TempDir()
	r := newResolver(t, dir, options)
	s := newStandIn(t, dir, nginxtest.Options{
		Launch: []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, r.conf},
	})
	s.edited(nginxtest.Options{HTTP: "upstream other { server slow.test:80; }"})
	return s, r
}

// A resolver that is slow holds nginx's test and its master as long: that is no
// failure, and nothing comes late.
func TestSlowResolver(t *testing.T) {
	t.Parallel()
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
		s, r := standWithName(t, "timeout:30 attempts:1")
		r.serve(t, after(time.Second))
		s.underLoad(func() {
			result, err := s.to(switcher.Green)
			if err != nil {
				t.Fatal(err)
			}
			if result.Record.TookMS < 2000 {
				t.Errorf("it took only %.0f ms: nobody asked the resolver", result.Record.TookMS)
			}
			s.answers(switcher.Green, 20)
		})
	})
	t.Run("mute", func(t *testing.T) {
		t.Parallel()
		rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
		s, r := standWithName(t, "timeout:1 attempts:2")
		r.serve(t, func(ended context.Context) { <-ended.Done() })
		s.underLoad(func() { s.refuses(switcher.NotAccepted, "host not found in upstream \"slow.test:80\"") })
	})
	for name, longer := range map[string]time.Duration{"slow for the master alone": 0, "slower than both waits": 8 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if longer > 0 && !soaking() {
				t.Skip("this takes long: part of `task soak`")
			}
			rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
			s, r := standWithName(t, "timeout:60 attempts:1")
			old := s.live()
			r.serve(t, func(ended context.Context) { // until the switch has given up
				if s.live() == old {
					return
				}
				for s.live() != old && ended.Err() == nil {
					after(time.Millisecond)(ended)
				}
				after(longer)(ended)
			})
			s.underLoad(func() {
				s.refuses(switcher.RolledBack, "has not loaded the configuration within ")
				s.staysBlue()
			})
		})
	}
}

// staysBlue makes sure that no load that nginx still had to do comes late.
func (s *stand) staysBlue() {
	s.t.Helper()
	workers := s.Workers()
	for range 20 {
		s.answers(switcher.Blue, 5)
	}
	if now := s.Workers(); fmt.Sprint(now) != fmt.Sprint(workers) {
		s.t.Errorf("workers %v, want %v: nginx has loaded something again", now, workers)
	}
}
