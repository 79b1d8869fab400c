package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"bgswitch/health"
	"bgswitch/switcher/aside"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/root"

	"golang.org/x/sys/unix"
)

// askRequest is what to ask. Its descriptors are the sockets of the backends
// that have one.
type askRequest struct {
	Check      health.Check
	Places     []place
	Transcribe bool
}

// place is a health.Backend without a URL: that has a secret, and no JSON.
type place struct{ Name, Network, Address string }

func (r *askRequest) serve(ctx context.Context) answer {
	net.DefaultResolver.PreferGo = true // a C library's would load what the container's nsswitch.conf names
	var backends []health.Backend
	for _, at := range r.Places {
		backends = append(backends, health.Backend{Name: at.Name, Network: at.Network, Address: at.Address})
	}
	return answer{Done: true, Verdicts: health.Asker{Transcribe: r.Transcribe}.Ask(ctx, r.Check, backends)}
}

// resolver are the files that say how names are found (resolv.conf(5), hosts(5),
// nsswitch.conf(5)).
var resolver = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"}

// resolverLimit bounds each of them, in bytes.
const resolverLimit = 1 << 20

// Ask asks backends from the network of the process, finding names as it does,
// as health.Asker asks them from here: those that have a URL of their own are
// asked from here. Nothing of the container's is run, and nothing but its
// resolver's files and the backends' sockets is opened, below its root folder.
func (p *Process) Ask(ctx context.Context, asker health.Asker, check health.Check, backends []health.Backend) []health.Verdict {
	verdicts := make([]health.Verdict, len(backends))
	var there inquiry
	defer there.close()
	for i, b := range backends {
		if !b.URL.IsZero() {
			verdicts[i] = asker.Ask(ctx, check, []health.Backend{b})[0]
		} else if err := there.add(p, i, b); err != nil {
			verdicts[i] = health.Verdict{Backend: b.Name, Asked: "nothing", Reason: foreign.Excerpt(err.Error())}
		}
	}
	if len(there.places) == 0 {
		return verdicts
	}
	came, err := there.ask(ctx, p, askRequest{check, there.places, asker.Transcribe})
	for n, i := range there.number {
		if err != nil {
			came[n] = health.Verdict{Backend: backends[i].Name, Asked: "nothing", Reason: foreign.Excerpt(err.Error())}
		}
		verdicts[i] = came[n]
	}
	return verdicts
}

// inquiry is what is asked in there.
type inquiry struct {
	places  []place
	number  []int      // of each among all
	sockets []*os.File // of those that have one
	named   []string   // what each socket is called there and here, in turns
}

func (q *inquiry) close() {
	for _, socket := range q.sockets {
		socket.Close()
	}
}

// add takes a backend in. Its socket is opened here, below the root folder, and
// connected to by its descriptor (unix(7), proc_pid_fd(5)).
func (q *inquiry) add(p *Process, i int, b health.Backend) error {
	if b.Network == "unix" {
		socket, err := p.find(b.Address, unix.O_PATH)
		if err != nil {
			return err
		}
		q.sockets = append(q.sockets, socket)
		by := fmt.Sprintf("/proc/self/fd/%d", givenFD+len(q.sockets)-1)
		q.named = append(q.named, by, b.Address)
		b.Address = by
	}
	q.places, q.number = append(q.places, place{b.Name, b.Network, b.Address}), append(q.number, i)
	return nil
}

// find opens what stands at a path inside.
func (p *Process) find(path string, flags int) (*os.File, error) {
	return root.OpenBelow(int(p.root.Fd()), path, flags|unix.O_CLOEXEC, unix.RESOLVE_IN_ROOT)
}

// ask has a sealed copy ask, which the container sees nothing of.
func (q *inquiry) ask(ctx context.Context, p *Process, r askRequest) ([]health.Verdict, error) {
	came := make([]health.Verdict, len(q.places))
	var a answer
	err := aside.OnOwnThread(func() (err error) {
		if err := p.enterNetwork(); err != nil {
			return err
		}
		if _, err := sealedCopy(); err != nil { // of a file that may be anybody's
			return err
		}
		if err := giveUpRights(); err != nil {
			return fmt.Errorf("give up our rights: %w", err)
		}
		a, err = start(ctx, request{Ask: &r}, q.sockets, io.Discard, io.Discard)
		if a.Done { // also where ctx ended it
			return nil
		}
		return err
	})
	if err == nil && len(a.Verdicts) != len(came) {
		err = errors.New("cannot ask inside: the answer is for different questions")
	}
	if err != nil {
		return came, err
	}
	named := strings.NewReplacer(q.named...)
	for n, v := range a.Verdicts {
		v.Backend, v.Asked, v.Reason = q.places[n].Name, foreign.Line(named.Replace(v.Asked)), foreign.Line(named.Replace(v.Reason))
		came[n] = v
	}
	return came, nil
}

// giveUpRights leaves what this thread starts no right of root's but to connect to
// a socket whoever owns it: programs of root's get what is inherited, and what
// the bounding set has (capabilities(7)). The thread itself may not read the
// sealed copy any more, which keeps that from being traced from its first
// instruction on, before it has said so itself (would_dump in the kernel's
// fs/exec.c): root in a container that has the host's pids may trace who can do
// no more than he.
func giveUpRights() error {
	last, err := lastCapability()
	if err != nil {
		return err
	}
	for one := range last + 1 {
		if one == unix.CAP_DAC_OVERRIDE {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, one, 0, 0, 0); err != nil {
			return err
		}
	}
	header, sets := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	sets[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	return unix.Capset(&header, &sets[0])
}

// enterNetwork takes this thread to the network, with the files of the resolver
// in the place of ours, in mounts of its own.
func (p *Process) enterNetwork() error {
	if err := aside.PrivateMounts(); err != nil {
		return err
	}
	for _, path := range resolver {
		if _, err := os.Stat(path); err != nil {
			continue // Go's resolver takes its defaults
		}
		content := aside.Content{Over: path, Bytes: p.resolverFile(path), Mode: 0o644}
		if err := aside.LayOver(content); err != nil {
			return fmt.Errorf("cannot find names as it does: %s: %w", path, err)
		}
	}
	for _, s := range p.spaces {
		if s.flag == unix.CLONE_NEWNET {
			return unix.Setns(int(s.file.Fd()), s.flag)
		}
	}
	return nil
}

// resolverFile is empty where there is none that can be read.
func (p *Process) resolverFile(path string) []byte {
	found, err := p.find(path, unix.O_PATH)
	if err != nil {
		return nil
	}
	defer found.Close()
	file, err := ordinary.Found(found)
	if err != nil {
		return nil
	}
	defer file.Close()
	text, _ := ordinary.ReadAll(file, resolverLimit)
	return text
}
