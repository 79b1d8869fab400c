package switcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// tests are the runs of nginx's test for one switch. The first one begins while
// the rest is looked at: of the new files where there are any, else of the
// configuration as it stands.
type tests struct {
	*Switcher
	*story
	running running
	changes []*Change
	cancel  context.CancelFunc
	under   sync.WaitGroup
	first   chan tested

	restorable func() string // the command that puts in place what was proved; empty: there is none
}

// tested is what came of a test.
type tested struct {
	nginx.Tested
	err error
}

// acceptance is what nginx's test has shown.
type acceptance struct {
	new   bool          // the new files were accepted without touching the live ones
	limit time.Duration // how long a load may take
	asked int           // how many workers the configuration asks for; 0: unknown
	dump  *nginx.Dump   // what nginx read; nil: unknown
	why   error         // why they could not be
}

func (s *Survey) beginTests(ctx context.Context) *tests {
	t := &tests{Switcher: s.Switcher, story: s.story, running: s.running, changes: s.Changes, first: make(chan tested, 1), restorable: s.restorable}
	ctx, t.cancel = context.WithCancel(ctx)
	contents := t.contents()
	t.under.Go(func() {
		var result tested
		if len(contents) > 0 {
			result.Tested, result.err = t.running.testAside(ctx, contents)
		} else {
			result.Tested, result.err = t.running.testAsIs(ctx)
		}
		t.first <- result
	})
	return t
}

// contents are what the files become that have to be replaced.
func (t *tests) contents() []nginx.Content {
	var contents []nginx.Content
	for _, c := range t.changes {
		if c.needed() {
			contents = append(contents, c.content())
		}
	}
	return contents
}

// testsPatience is how long a test that nobody waits for any more may go on:
// one that is killed can leave a socket that it has just made.
const testsPatience = 100 * time.Millisecond

// stop makes sure that no test outlives the switch.
func (t *tests) stop() {
	if t == nil {
		return
	}
	kill := time.AfterFunc(testsPatience, t.cancel)
	t.under.Wait()
	kill.Stop()
	t.cancel()
}

// judge waits for the test that was begun.
func (t *tests) judge(ctx context.Context, r Request, already bool) (acceptance, error) {
	result := <-t.first
	a := acceptance{limit: limitFor(result.Took)}
	switch err := result.err; {
	case err == nil:
		a.new = len(t.contents()) > 0
		return a.with(result.Dump, t.decide(result.Dump, (*Change).becomes))
	case already:
		t.note("nginx's own test of the configuration: %v", err)
		return a, nil
	case errors.Is(err, nginx.ErrRefused):
		return a, t.refused(ctx, err)
	case errors.Is(err, nginx.ErrNoAside) && !r.wayBack:
		return t.before(ctx, r, a, err)
	case errors.Is(err, nginx.ErrRightsMissing):
		return a, t.untestable(r, err)
	case errors.Is(err, nginx.ErrMoved):
		return a, refuse(Failed, "look at the file and retry", err)
	default:
		return a, err
	}
}

// limitFor is how long a load may take: nginx tries a port that is taken for
// 2.5 s, and a mute resolver holds its test as it holds the load.
func limitFor(took time.Duration) time.Duration {
	return max(5*time.Second, 3*time.Second+10*took)
}

func (a acceptance) with(dump *nginx.Dump, err error) (acceptance, error) {
	if a.dump = dump; dump != nil {
		a.asked, _ = dump.Workers()
	}
	return a, err
}

// refused says whose fault it is that nginx refuses.
func (t *tests) refused(ctx context.Context, refused error) error {
	mend := "fix the configuration until `nginx -t` passes, then retry"
	if len(t.contents()) == 0 {
		return refuse(NotAccepted, mend, refused)
	}
	_, err := t.running.testAsIs(ctx)
	if !errors.Is(err, nginx.ErrRefused) {
		return refuse(NotAccepted, fmt.Sprintf("`%s` shows the change; the live file was not touched", t.Again("--dry-run")), refused)
	}
	if restore := t.restorable(); restore != "" {
		mend = fmt.Sprintf("if it is the live file that nginx refuses, `%s` puts back what was last proved; otherwise %s", restore, mend)
	}
	return refuse(NotAccepted, mend, fmt.Errorf("%w; nginx also refuses it without this switch: %w", refused, err))
}

// before is for who cannot test the new file beside the live one: what can be
// known before that is touched is how things stand. A refusal is no reason to
// stay: where the live color is a name that does not resolve any more, leaving
// it is what mends the configuration.
func (t *tests) before(ctx context.Context, r Request, a acceptance, why error) (acceptance, error) {
	asIs, err := t.running.testAsIs(ctx)
	a.limit = limitFor(asIs.Took)
	refused := errors.Is(err, nginx.ErrRefused)
	switch {
	case refused && r.DryRun && !r.Restore: // what it would put back is no more to blame than it is tested
		return a, t.refused(ctx, err)
	case errors.Is(err, nginx.ErrRightsMissing):
		if err := t.untestable(r, err); err != nil {
			return a, err
		}
	case err != nil && !refused:
		return a, err
	}
	a.why = why
	if r.DryRun {
		t.note("the new file was not tested: %v", why)
	}
	if refused {
		return a, nil
	}
	defer t.unlearn() // what is read in the folder that is left says nothing of the other one
	return a.with(asIs.Dump, t.decide(asIs.Dump, (*Change).was))
}

func (t *tests) unlearn() {
	for _, c := range t.changes {
		c.below = nil
	}
}

// inPlace tests what has been put.
func (t *tests) inPlace(ctx context.Context, a acceptance) (acceptance, error) {
	tested, err := t.running.testAsIs(ctx)
	if err != nil {
		return a, err
	}
	return a.with(tested.Dump, t.decide(tested.Dump, (*Change).becomes))
}

// untestable is for who may not run nginx's test: that keeps nobody from a dry
// run.
func (t *tests) untestable(r Request, err error) error {
	if !r.DryRun {
		return refuse(Failed, t.AsRoot(), err)
	}
	t.note("it is unknown whether nginx accepts the configuration: %v", err)
	return nil
}

// ErrDecidesNothing says that a live file does not decide where the traffic
// goes.
var ErrDecidesNothing = errors.New("the live file decides nothing")

// ErrNoResolver says why nginx does not find a name that it meets in a variable.
var ErrNoResolver = errors.New("no upstream has that name, and there is no resolver")

// decide refuses files that decide nothing, as far as what nginx read can tell:
// one that it does not read, or an upstream that nothing passes to.
func (t *tests) decide(dump *nginx.Dump, content func(*Change) []byte) error {
	if dump == nil {
		return nil
	}
	for _, c := range t.changes {
		if err := t.decides(c, dump, content(c)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Change) was() []byte     { return c.Before }
func (c *Change) becomes() []byte { return c.After }

func (t *tests) decides(c *Change, dump *nginx.Dump, content []byte) error {
	if !c.readBy(dump, content) {
		if now, err := c.now(); err == nil && bytes.Equal(content, c.was()) && !bytes.Equal(now.Bytes, content) {
			return t.notWritten(fmt.Errorf("%w: %s", livefile.ErrChanged, c.file.Path))
		}
		return refuse(NotAccepted, "include the file in the configuration, or set `file:` to one that is included",
			fmt.Errorf("%s is not part of %s; nginx did not read it: %w", c.file.Home, dump.Main(), ErrDecidesNothing))
	}
	for _, w := range c.words {
		if err := upstreamDecides(dump, w.Word); err != nil {
			return err
		}
		if err := variableDecides(dump, w.Word, w.to); err != nil {
			return err
		}
	}
	return nil
}

func upstreamDecides(dump *nginx.Dump, w nginxconf.Word) error {
	if w.Upstream == "" {
		return nil
	}
	if passes, known := dump.PassesTo(w.Upstream); !known || passes {
		return nil
	}
	return refuse(NotAccepted, fmt.Sprintf("pass to it where the site is served (`proxy_pass http://%s;`), or set `file:` to the file that decides", w.Upstream),
		fmt.Errorf("nothing in %s passes to upstream %s: %w", dump.Main(), w.Upstream, ErrDecidesNothing))
}

// variableDecides refuses a variable that nothing reads, and a name in it that
// nginx could not find: its test does not look there, and every request would
// be answered with 502.
func variableDecides(dump *nginx.Dump, w nginxconf.Word, to Color) error {
	if w.Variable == "" {
		return nil
	}
	if !dump.Uses(w.Variable) {
		return refuse(NotAccepted, fmt.Sprintf("use it where the site is served (`proxy_pass http://%s;`), or set `file:` and `selector:` to what decides", w.Variable),
			fmt.Errorf("nothing in %s uses %s, set on line %d: %w", dump.Main(), w.Variable, w.Line, ErrDecidesNothing))
	}
	if host, err := nginxconf.ParseAddress(w.Text(to)); err == nil && !dump.Finds(host, w.Variable) {
		return refuse(NotAccepted, "give an upstream that name, without a port, or set a `resolver`",
			fmt.Errorf("nginx would not find %s, which %s on line %d becomes: %w", host, w.Variable, w.Line, ErrNoResolver))
	}
	return nil
}

// carried names what else a load would put to use: other people's files that
// were changed since nginx last loaded anything. What nginx runs is not what it
// has just read then, so that only the answers can say that the target has the
// traffic already: without them it loads once more.
func (s *Survey) carried() {
	since := s.running.since()
	if since.IsZero() || s.accepted.dump == nil {
		return
	}
	var ours []string
	for _, c := range s.Changes {
		ours = append(ours, c.view.at)
		for _, passage := range c.through(s.accepted.dump) {
			ours = append(ours, passage.Name)
		}
	}
	others := s.accepted.dump.ChangedSince(since, ours...)
	if len(others) == 0 {
		return
	}
	text := some(others)
	if s.Already = s.Already && s.all((*part).confirms); s.Already {
		s.note("%s changed since nginx last loaded anything, and is not loaded", text)
		return
	}
	s.note("nginx also loads other changes: %s changed since it last loaded anything", text)
}

// some lists the first three of several.
func some[T any](all []T) string {
	var texts []string
	for _, one := range all[:min(len(all), 3)] {
		texts = append(texts, fmt.Sprint(one))
	}
	text := strings.Join(texts, ", ")
	if more := len(all) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
