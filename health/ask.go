// Package health asks backends how they are. It believes no proxy, follows no
// redirect, reuses no connection and waits for nothing without a bound; what
// it says is safe to print.
package health

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/rs/zerolog"
)

// Asker asks. The zero value works, and logs nothing.
type Asker struct {
	Log        zerolog.Logger // each attempt, at debug level
	Transcribe bool           // each attempt is taken down in the verdict's Exchanges
}

// Ask asks all backends at the same time and returns when each has its
// verdict, in the order of backends. When ctx ends, so does the asking, and
// what was not decided by then is unhealthy. A check or backend that is not
// valid is unhealthy too.
func (a Asker) Ask(ctx context.Context, c Check, backends []Backend) []Verdict {
	verdicts := make([]Verdict, len(backends))
	var all sync.WaitGroup
	for i, b := range backends {
		all.Go(func() { verdicts[i] = a.ask(ctx, c, b) })
	}
	all.Wait()
	return verdicts
}

func (a Asker) ask(ctx context.Context, c Check, b Backend) Verdict {
	p, err := newProbe(c, b, a.Log)
	if err != nil {
		return Verdict{Backend: b.Name, Asked: "nothing", Reason: err.Error()}
	}
	begun := time.Now()
	p.transcribes = a.Transcribe
	p.run(ctx)
	v := p.verdict(ctx)
	v.Backend, v.Took = b.Name, time.Since(begun)
	return v
}

// probe is the asking of one backend, until its verdict stands.
type probe struct {
	check   Check
	place   place
	asked   string
	client  *http.Client
	secrets secrets
	log     zerolog.Logger

	transcribes bool
	wire        *wire // of this attempt; nil: it is not taken down
	exchanges   []Exchange

	begun                 time.Time // of this attempt
	attempts, bad, passes int       // made; bad answers; good answers in a row
	wavered               bool      // a bad answer followed a good one
	latency               time.Duration
	reason                string
}

func newProbe(c Check, b Backend, log zerolog.Logger) (*probe, error) {
	if b.URL.IsTCP() {
		c.Type = TypeTCP
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := b.Validate(); err != nil {
		return nil, err
	}
	trust, err := trustOf(c)
	if err != nil {
		return nil, err
	}
	place, err := placeOf(c, b)
	if err != nil {
		return nil, err
	}
	p := &probe{check: c, place: place, log: log, secrets: secretsOf(c.Headers, place.url)}
	p.client, p.asked = client(place, c.Timeout, trust), "GET "+place.String()
	if c.Type == TypeTCP {
		p.client.Transport, p.asked = connector{place}, "connection to "+place.address
	}
	return p, nil
}

// run makes attempts until the verdict stands or ctx ends. The waiting and
// trying again is go-retryablehttp's; every decision is ours, because its own
// retry an answer by its status alone and wait as long as a Retry-After says.
// What it returns is not needed: hear has had each answer.
func (p *probe) run(ctx context.Context) {
	retry := retryablehttp.Client{
		HTTPClient:     p.client,
		RetryMax:       math.MaxInt, // settled ends it
		CheckRetry:     p.hear,
		Backoff:        func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return p.check.Interval },
		ErrorHandler:   retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(_ retryablehttp.Logger, r *http.Request, _ int) { *r = *r.WithContext(p.begin(ctx)) },
	}
	_, _ = retry.Do(&retryablehttp.Request{Request: request(ctx, p.place, p.check.Headers)})
}

// begin begins an attempt, and returns the context to make it with.
func (p *probe) begin(ctx context.Context) context.Context {
	if p.attempts++; p.transcribes {
		ctx, p.wire = onWire(ctx)
	}
	p.begun = time.Now()
	return ctx
}

// hear takes one answer in, and tells whether to ask again. It is a retryablehttp.CheckRetry.
func (p *probe) hear(ctx context.Context, resp *http.Response, err error) (again bool, _ error) {
	page, err := read(resp, err, p.begun)
	page.secrets = p.secrets
	if resp != nil {
		resp.Body = http.NoBody // read and closed: nothing is left to drain
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	p.latency = page.Took
	p.judge(page, err)
	p.log.Debug().Str("asked", p.asked).Int("attempt", p.attempts).
		Str("answer", p.reason).Str("took", Short(p.latency)).Msg("asked")
	return !p.settled(), nil
}

func (p *probe) judge(page Page, err error) {
	var good bool
	good, p.reason = p.answer(page, err)
	p.transcribe(good, page)
	if good {
		p.passes++
		return
	}
	p.wavered = p.wavered || p.passes > 0
	p.bad++
	p.passes = 0
}

// answer tells whether one answer is good, and what it was.
func (p *probe) answer(page Page, err error) (good bool, what string) {
	switch {
	case page.Status == 0:
		return false, words(err, p.check.Timeout, page.secrets)
	case p.check.Type == TypeTCP:
		return true, "connected"
	case !p.check.Status.Has(page.Status):
		return false, badStatus(page)
	case err != nil:
		return false, cutOff(err, page, p.check.Timeout)
	case !bytes.Contains(page.Body, []byte(p.check.Contains)):
		return false, missing(p.check.Contains, page)
	}
	return true, "status " + count(page.Status)
}

func (p *probe) healthy() bool { return p.passes >= p.check.Passes }
func (p *probe) settled() bool { return p.healthy() || p.bad >= p.check.Attempts }

func (p *probe) verdict(ctx context.Context) Verdict {
	return Verdict{
		Healthy:   p.healthy(),
		Attempts:  p.attempts,
		Latency:   p.latency,
		Asked:     p.asked,
		Reason:    p.why(ctx),
		Exchanges: p.exchanges,
	}
}

// why is the last answer, with what it alone does not tell.
func (p *probe) why(ctx context.Context) string {
	switch {
	case p.settled() && !p.healthy() && p.wavered:
		return p.reason + " (there were good answers in between, but never " + count(p.check.Passes) + " in a row)"
	case p.settled():
		return p.reason
	case p.reason != "":
		return interruption(ctx) + "; the last answer was: " + p.reason
	}
	return interruption(ctx)
}
