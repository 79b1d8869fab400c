package switcher

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/accesslog"
	"bgswitch/switcher/command"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// Baker watches a color that a switch has just gone to, and goes back where it
// fails. He holds no lock that would keep anybody from switching: whoever does
// ends the bake.
type Baker struct {
	*Switcher
	bake    Bake
	request Request         // of the switch
	record  statedir.Record // of the switch
	told    []command.Told  // to the operator's command
	until   time.Time
	lock    *lock.Lock
	log     *accesslog.Log // nil: none is read
	nginx   found
	check   health.Check // one question of each round

	patience time.Duration // with somebody who switches when it is to end

	look  BakeLook
	lines accesslog.Counts // of the log
	late  lately
	well  bool // a question that was asked when the time was up was answered well

	asked, refused atomic.Int64 // our own questions through nginx; of them, those answered 5xx

	looks    chan BakeLook // to who listens
	listened atomic.Bool   // somebody does: the switch has let go of its locks
	ended    chan ending   // how watching has ended
	stop     context.CancelFunc
}

// BakeLook is what a bake has seen so far.
type BakeLook struct {
	From, To  Color
	Left      time.Duration     // 0: the time is up, and it waits for what is undecided
	Questions int               // that were asked of the color, directly and through nginx at a time
	Failed    int               // of them
	InRow     int               // the last of them
	Fall      int               // so many in a row are too many
	Why       string            // the last one failed
	IdleWhy   string            // why the idle color is not healthy; empty: it is, or was not asked
	Log       *accesslog.Counts // of visitors; nil: none is read
	Fewest    int               // requests of visitors that are needed to judge it
	Unmarked  int               // lines that were taken for our own questions by their number: see visitors
	LogErr    error
}

// Judged says whether enough visitors came for the share of 5xx to be judged.
func (l BakeLook) Judged() bool { return l.Log != nil && l.Log.Requests >= l.Fewest }

// BakeCommand is how records name the switch back.
const BakeCommand = "bake"

// logEvery is how often the access log is read; a second's lines are in memory then.
const logEvery = 250 * time.Millisecond

// newBaker begins the bake of a switch that is done: from here on the state folder
// tells of it.
func (p *part) newBaker(r statedir.Record, told []command.Told) (*Baker, error) {
	bake := *p.survey.request.Bake
	until := time.Now().Add(bake.For)
	held, err := Baking{Schema: bakingSchema, From: r.From, To: r.To, Began: r.Time, Until: until.UTC()}.begin(p.Switcher)
	if err != nil {
		return nil, err
	}
	own := *p.Switcher
	b := &Baker{Switcher: &own, bake: bake, request: p.survey.request, record: r, told: told, until: until, lock: held, log: p.log, patience: waitToReturn,
		looks: make(chan BakeLook), ended: make(chan ending, 1)}
	b.check = b.Site.Check
	b.check.Attempts, b.check.Passes = 1, 1
	b.look = BakeLook{From: r.From, To: r.To, Left: bake.For, Fall: bake.Fall, Fewest: bake.MinRequests}
	if p.log != nil {
		b.look.Log = &accesslog.Counts{}
	}
	p.log = nil
	return b, nil
}

// String tells what he is about to do.
func (b *Baker) String() string {
	return fmt.Sprintf("%s bakes for %s; if it fails, %s becomes live again; Ctrl-C leaves %[1]s live", b.record.To, health.Short(b.bake.For), b.record.From)
}

// close lets go of what is held but the lock.
func (b *Baker) close() {
	b.stop()
	b.log.Close()
	b.nginx.close()
}

// ending is how watching ended.
type ending struct {
	failed    error  // the color has
	overtaken string // who has switched meanwhile
	byHand    bool   // it was interrupted
}

// begin begins to watch: what follows a switch may take its time.
func (b *Baker) begin() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.ended <- b.watch(ctx) }()
}

// watched waits until watching ends, and tells meanwhile.
func (b *Baker) watched(ctx context.Context, tell func(BakeLook)) ending {
	defer context.AfterFunc(ctx, b.stop)()
	b.listened.Store(true)
	for {
		select {
		case look := <-b.looks:
			tell(look)
		case end := <-b.ended:
			return end
		}
	}
}

// watch watches until something ends it. Who listens is told of each change, and each
// second.
func (b *Baker) watch(ctx context.Context) ending {
	watching, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	rounds, commands := make(chan round), make(chan error)
	running.Go(func() { b.askOn(watching, rounds) })
	running.Go(func() { b.runOn(watching, commands) })
	reads, seconds := time.NewTicker(logEvery), time.NewTicker(time.Second)
	defer reads.Stop()
	defer seconds.Stop()
	for {
		var end ending
		select {
		case <-ctx.Done():
			return ending{byHand: true}
		case r := <-rounds:
			end = b.take(r)
		case err, runs := <-commands:
			if end.failed = err; !runs {
				commands = nil
			}
		case <-reads.C:
			end.failed = b.readLog()
		case <-seconds.C:
		}
		passed := end == (ending{}) && commands == nil && b.passed()
		if passed {
			end.failed = b.readLog()
		}
		if passed || end != (ending{}) {
			return end
		}
		b.look.Left = max(time.Until(b.until), 0)
		if b.listened.Load() {
			b.looks <- b.look.kept()
		}
	}
}

// kept is one that stays as it is.
func (l BakeLook) kept() BakeLook {
	if l.Log != nil {
		log := *l.Log
		l.Log = &log
	}
	return l
}

// passed: the time is up, the color was asked often enough, and is well now. Nobody
// passes as long as nobody listens: what follows the switch belongs to the bake.
func (b *Baker) passed() bool {
	enough := min(b.bake.Fall, 1+int(b.bake.For/b.bake.Interval)) // as many as there was time for
	return b.well && b.look.Questions >= enough && b.listened.Load()
}

// round is one question to the color, directly and through nginx, and one to the
// other.
type round struct {
	why, idleWhy string // empty: healthy
	overtaken    string
	undecided    bool // somebody switched meanwhile
	last         bool // it was asked when the time was up
}

func (b *Baker) askOn(ctx context.Context, rounds chan<- round) {
	up := time.After(time.Until(b.until))
	for ctx.Err() == nil {
		next := time.After(b.bake.Interval)
		r := b.ask(ctx)
		select {
		case <-ctx.Done():
			return
		case rounds <- r:
		}
		select {
		case <-ctx.Done():
		case <-next:
		case <-up:
		}
	}
}

func (b *Baker) ask(ctx context.Context) (r round) {
	r.last = !time.Now().Before(b.until)
	if r.overtaken, r.undecided = b.overtaken(); r.overtaken != "" || r.undecided {
		return r
	}
	var target, idle []health.Verdict
	var through string
	var asking sync.WaitGroup
	master := b.master(ctx)
	asking.Go(func() { target = b.askColor(ctx, master, b.check, b.look.To) })
	asking.Go(func() { idle = b.askColor(ctx, master, b.check, b.look.From) })
	if b.Site.Confirm != nil {
		asking.Go(func() { through = b.throughWhy(ctx) })
	}
	asking.Wait()
	r.why, r.idleWhy = unhealthyWhy(target), unhealthyWhy(idle)
	if r.why == "" {
		r.why = through
	}
	if r.why == "" {
		return r
	}
	b.nginx.close() // it may be another one by now
	b.nginx = found{}
	r.overtaken, r.undecided = b.overtaken() // what somebody moves is not judged
	return r
}

// throughWhy is what is wrong with the answer through nginx. Who carries the mark of
// the color may answer an error all the same.
func (b *Baker) throughWhy(ctx context.Context) string {
	confirm := b.Site.Confirm
	b.asked.Add(1) // before it can be logged
	page, err := b.Asker.Get(ctx, confirm.URL, confirm.Host, b.check.Timeout)
	if page.Nobody {
		b.asked.Add(-1)
	}
	if page.Status >= http.StatusInternalServerError {
		b.refused.Add(1)
	}
	if err != nil {
		return b.Site.Through() + ": " + err.Error()
	}
	got, said := confirm.tells(page)
	if got == b.look.To && page.Status < http.StatusInternalServerError {
		return ""
	}
	if got == b.look.To {
		said = fmt.Sprintf("status %d: %s", page.Status, page.Quoted())
	}
	return b.Site.Through() + ": " + said
}

func unhealthyWhy(verdicts []health.Verdict) string {
	if len(verdicts) == 0 || health.Healthy(verdicts) {
		return ""
	}
	return reason(verdicts)
}

// master is that of the site's nginx, from where its backends are asked.
func (b *Baker) master(ctx context.Context) *nginx.Master {
	if b.nginx.master == nil {
		files, _ := b.Site.read()
		b.nginx, _ = b.find(ctx, nginx.Census, files) // none: then from here
	}
	return b.nginx.master
}

// take counts a round.
func (b *Baker) take(r round) ending {
	if r.undecided || r.overtaken != "" {
		return ending{overtaken: r.overtaken}
	}
	b.look.Questions++
	b.look.Why, b.look.IdleWhy = r.why, r.idleWhy
	b.well = r.last && r.why == ""
	if r.why == "" {
		b.look.InRow = 0
		return ending{}
	}
	b.look.Failed++
	if b.look.InRow++; b.look.InRow < b.bake.Fall {
		return ending{}
	}
	return ending{failed: fmt.Errorf("%s failed %s in a row: %s", b.look.To, times(b.look.InRow), r.why)}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return Counted(n, "time")
}

// overtaken says who has switched since; undecided, that somebody is at it, or has
// not recorded it yet. As long as nobody listens the lock is ours, and nobody can.
func (b *Baker) overtaken() (by string, undecided bool) {
	if !b.listened.Load() {
		return "", false
	}
	for range 2 { // a switch at work may have gone forth and back between two looks
		seen, err := b.See()
		if _, held, busy := b.Holder(); held || busy != nil {
			return "", true
		}
		switch {
		case b.lock.Lost():
			return b.overtaker(), false
		case err != nil || seen.Live == b.look.To:
			return "", false
		}
	}
	return b.namesNow(), false
}

func (b *Baker) namesNow() string {
	return fmt.Sprintf("the %s %s now", b.word("file names", "files name"), b.look.From)
}

func (b *Baker) overtaker() string {
	last, err := b.State.Newest()
	if err != nil || last == nil {
		return "somebody else has switched"
	}
	return fmt.Sprintf("in the meantime, `bgswitch %s` by %s: %s", last.Command, last.Who, last.Outcome)
}

// runOn runs the operator's command again and again, until the time is up. The
// channel is closed when it does not run any more.
func (b *Baker) runOn(ctx context.Context, failures chan<- error) {
	defer close(failures)
	for len(b.bake.Command) > 0 && ctx.Err() == nil && time.Now().Before(b.until) {
		err := command.Operator(ctx, b.Site.Hooks.Timeout, b.bake.Command, b.told)
		if err != nil && !errors.Is(err, command.ErrEnded) {
			select {
			case failures <- fmt.Errorf("the command of the bake failed: %s: %w", b.bake.Command[0], err):
			case <-ctx.Done():
			}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(b.bake.Interval, time.Until(b.until))):
		}
	}
}
