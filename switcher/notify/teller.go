package notify

import (
	"context"
	"sync"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// Teller tells people of what happened to sites. A channel that does not work
// is said, and recorded below the site's folder, or in the state folder's own
// file where it is the ping.
type Teller struct {
	Channels
	StateDir string
	StateOf  func(site string) statedir.Folder // where what is kept of a site lies
	Host     string                            // the name of this host
	Say      func(text string)                 // which channel did not work
	reports  sync.Mutex
}

// tellLimit bounds how long people are told of a switch that has ended.
const tellLimit = 10 * time.Second

// Switched tells of a switch by hand, where it is one that people hear of. It
// has ended: nothing here changes its outcome.
func (t *Teller) Switched(result switcher.Result, failed error) {
	m, ok := ofSwitch(result, failed)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tellLimit)
	defer cancel()
	t.send(ctx, m)
}

// Blocked tells that a color was blocked; or, where block is nil, of the blocks
// that were lifted.
func (t *Teller) Blocked(site string, live switcher.Color, block *statedir.Block, lifted []statedir.Block) {
	m, ok := ofBlock(block, lifted)
	if !ok {
		return
	}
	m.Site, m.Live, m.Host = site, live, t.Host
	m.Text = site + ": " + m.Text
	ctx, cancel := context.WithTimeout(context.Background(), tellLimit)
	defer cancel()
	t.send(ctx, m)
}

// Found tells of what a run of verify found, where it is news.
func (t *Teller) Found(ctx context.Context, f verify.Finding) {
	if f.Event != "" {
		t.send(ctx, ofFinding(f, t.Host))
	}
}

func (t *Teller) send(ctx context.Context, m Message) {
	t.report(t.StateOf(m.Site), t.Tell(ctx, m))
}

// Verified pings with the exit code of a run of verify.
func (t *Teller) Verified(ctx context.Context, code int) {
	t.report(statedir.Folder{Path: t.StateDir}, t.PingWith(ctx, code))
}

const (
	failuresFile = "notify.json" // the channels that did not work when they were last needed
	failuresLock = "notify.lock"
)

func (t *Teller) report(folder statedir.Folder, failures []Failure) {
	if len(failures) == 0 {
		return
	}
	t.reports.Lock()
	defer t.reports.Unlock()
	for _, f := range failures {
		t.Say("cannot notify " + f.Channel + ": " + f.Error)
	}
	if err := record(folder, failures); err != nil {
		t.Say("cannot record which notifications failed: " + err.Error())
	}
}

func record(folder statedir.Folder, failures []Failure) error {
	held, err := folder.TryLock(failuresLock)
	if lock.IsBusy(err) { // another run records its own
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = held.Release() }()
	return folder.Store(failuresFile, failures)
}
