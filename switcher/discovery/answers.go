package discovery

import (
	"context"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
)

// Asks asks backends from where nginx is, and has each answer taken down.
type Asks func(ctx context.Context, check health.Check, backends []health.Backend) []health.Verdict

// Answer is what a backend said.
type Answer struct {
	Healthy bool
	Said    string // in words
	Status  string
	Header  map[string]string
	Body    string // its beginning
}

// asked is how often a color is asked, to see what of its answers stays.
const asked = 3

// askTimeout is for one answer, where nobody has set another.
const askTimeout = 2 * time.Second

// Check is how a place's backends are asked: by HTTP, unless something else passes
// to them.
func (p *Place) Check() health.Check {
	c := health.Defaults()
	c.Attempts, c.Timeout = 1, askTimeout
	if p.Pass != "proxy_pass" || len(p.Servers) > 0 && p.Servers[0].In("stream") != nil {
		c.Type = health.TypeTCP
	}
	return c
}

// Answers are what the addresses say, all of them as one: the first that is sick
// speaks for all. They are asked several times.
func Answers(ctx context.Context, ask Asks, check health.Check, addresses []string) (all []Answer) {
	backends := backends(addresses)
	for range asked {
		var one Answer
		for i, v := range ask(ctx, check, backends) {
			if next := answerOf(v); i == 0 || !next.Healthy {
				one = next
			}
		}
		all = append(all, one)
		if !one.Healthy {
			break
		}
	}
	return all
}

func backends(addresses []string) (all []health.Backend) {
	for _, text := range addresses {
		if address, err := nginxconf.ParseAddress(text); err == nil {
			network, dial := address.Dial()
			all = append(all, health.Backend{Name: text, Network: network, Address: dial})
		}
	}
	return all
}

func answerOf(v health.Verdict) Answer {
	a := Answer{Healthy: v.Healthy, Said: v.Reason, Header: map[string]string{}}
	if len(v.Exchanges) == 0 {
		return a
	}
	last := v.Exchanges[len(v.Exchanges)-1]
	a.Body = last.Body
	for i, line := range last.Came {
		if name, value, ok := strings.Cut(line, ":"); i > 0 && ok {
			a.Header[name] = strings.TrimSpace(value)
		} else {
			a.Status = line
		}
	}
	return a
}

// Well says that all of them are healthy.
func Well(all []Answer) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(a Answer) bool { return !a.Healthy })
}

// paths are where apps say how they are; the first that both answer well is taken.
var paths = []string{"/", "/healthz", "/health", "/up", "/ping", "/status"}

// Path is the first path that all addresses answer well; / where none is.
func Path(ctx context.Context, ask Asks, check health.Check, addresses []string) string {
	all := backends(addresses)
	if check.Type != health.TypeHTTP {
		return check.Path
	}
	for _, check.Path = range paths {
		if health.Healthy(ask(ctx, check, all)) {
			return check.Path
		}
	}
	return "/"
}

// neighborsAsked is how many places are asked for a second copy.
const neighborsAsked = 20

// Neighbors are the places of which nothing tells a second copy, and where the next
// port, or the one before it, answers as the one that is live does: each is a guess.
// An address that the configuration has is somebody else's.
func (f Found) Neighbors(ctx context.Context, ask Asks, said func(address string) bool) (guesses []*Place) {
	for _, p := range f.Bare[:min(len(f.Bare), neighborsAsked)] {
		if len(p.Live) != 1 || len(p.Servers) == 0 {
			continue
		}
		live := Answers(ctx, ask, p.Check(), p.Live)
		if !Well(live) {
			continue
		}
		for _, next := range nextPorts(p.Live[0]) {
			if said(next) {
				continue
			}
			if idle := Answers(ctx, ask, p.Check(), []string{next}); Well(idle) && resembles(live[0], idle[0]) {
				guess := *p
				guess.Idle, guess.Why = []string{next}, "it answers as the other one does"
				guesses = append(guesses, &guess)
			}
		}
	}
	return guesses
}

func nextPorts(address string) (next []string) {
	host, port, err := net.SplitHostPort(address)
	n, errPort := strconv.Atoi(port)
	if err != nil || errPort != nil {
		return nil
	}
	for _, other := range []int{n + 1, n - 1} {
		if other > 0 && other < 1<<16 {
			next = append(next, net.JoinHostPort(host, strconv.Itoa(other)))
		}
	}
	return next
}

// resembles says that two answers are of one kind of app.
func resembles(a, b Answer) bool {
	if a.Status != b.Status || mediaType(a) != mediaType(b) || len(a.Header) != len(b.Header) {
		return false
	}
	for name := range a.Header {
		if _, has := b.Header[name]; !has {
			return false
		}
	}
	return true
}

func mediaType(a Answer) string { return a.Header["Content-Type"] }

// Marks are what tells two colors apart, each of them in every answer of its own.
type Marks struct {
	Live, Idle string
	LiveIs     nginxconf.Color // the color that the live one calls itself; empty: it does not
	Passing    bool            // they name a release, and go with it
}

// transport are headers that say nothing of who answers.
var transport = regexp.MustCompile(`(?i)^(date|age|expires|etag|last-modified|content-(length|md5)|set-cookie|connection|keep-alive|transfer-encoding|location|server-timing|x-runtime|x-request-id|x-response-time|digest)$`)

// passing is a part of a value that the next release does not have.
var passingPart = regexp.MustCompile(`(?i)\bv?\d+\.\d+|\bv\d+\b|[0-9a-f]{7,}|\d{6,}`)

// Apart finds the best marks: what calls itself blue and green comes first, headers
// before texts; what names a release comes last.
func Apart(live, idle []Answer) (m Marks, found bool) {
	if !Well(live) || !Well(idle) || min(len(live), len(idle)) < asked {
		return Marks{}, false
	}
	candidates := append(headerMarks(live, idle), bodyMarks(live, idle)...)
	for _, fits := range []func(Marks) bool{
		func(m Marks) bool { return m.LiveIs != "" },
		func(m Marks) bool { return !m.Passing },
		func(Marks) bool { return true },
	} {
		if i := slices.IndexFunc(candidates, fits); i >= 0 {
			return candidates[i], true
		}
	}
	return Marks{}, false
}

// steady is a value that all answers have; false: they differ.
func steady(all []Answer, of func(Answer) string) (string, bool) {
	value := of(all[0])
	return value, value != "" && !slices.ContainsFunc(all, func(a Answer) bool { return of(a) != value })
}

func headerMarks(live, idle []Answer) (found []Marks) {
	var names []string
	for name := range live[0].Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		of := func(a Answer) string { return a.Header[name] }
		one, steadyOne := steady(live, of)
		other, steadyOther := steady(idle, of)
		if transport.MatchString(name) || !steadyOne || !steadyOther || one == other {
			continue
		}
		m := Marks{Live: name + ": " + one, Idle: name + ": " + other}
		m.LiveIs, m.Passing = callsItself(one, other), passingPart.MatchString(one) || passingPart.MatchString(other)
		found = append(found, m)
	}
	return found
}

// callsItself is the color of a text, where the other one has the other.
func callsItself(one, other string) nginxconf.Color {
	if color := colorOf(one); color != "" && colorOf(other) == color.Other() {
		return color
	}
	return ""
}

// textLimit is how long a text of a body may be, in bytes.
const textLimit = 60

// bodyMarks are the lines that name a color, or what is close to it; and else a body
// of one short line.
func bodyMarks(live, idle []Answer) (found []Marks) {
	of := func(a Answer) string { return strings.TrimSpace(a.Body) }
	one, steadyOne := steady(live, of)
	other, steadyOther := steady(idle, of)
	if !steadyOne && !steadyOther && one == other {
		return nil
	}
	for _, s := range colorsIn(one) {
		for _, text := range windows(one, s) {
			m := Marks{Live: text, Idle: twin(text), LiveIs: colorOf(text)}
			if m.Idle != "" && m.tells(live, idle) {
				return []Marks{m}
			}
		}
	}
	if m := (Marks{Live: one, Idle: other}); steadyOne && steadyOther && len(one) <= textLimit && len(other) <= textLimit && !strings.Contains(one+other, "\n") && m.tells(live, idle) {
		m.Passing = passingPart.MatchString(one) || passingPart.MatchString(other)
		found = append(found, m)
	}
	return found
}

// headerLike is a text that the settings would take for a header.
var headerLike = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+:")

// tells says that the texts stand in each answer of their own, and in none of the other's.
func (m Marks) tells(live, idle []Answer) bool {
	if headerLike.MatchString(m.Live) || headerLike.MatchString(m.Idle) || strings.Contains(m.Live, m.Idle) || strings.Contains(m.Idle, m.Live) {
		return false
	}
	all := func(answers []Answer, has, lacks string) bool {
		return !slices.ContainsFunc(answers, func(a Answer) bool { return !strings.Contains(a.Body, has) || strings.Contains(a.Body, lacks) })
	}
	return all(live, m.Live, m.Idle) && all(idle, m.Idle, m.Live)
}

// windows are texts around the name of a color, the longest first: the line, what is
// close to it, and the name alone.
func windows(text string, s span) (all []string) {
	start, end := strings.LastIndexByte(text[:s.start], '\n')+1, len(text)
	if i := strings.IndexByte(text[s.end:], '\n'); i >= 0 {
		end = s.end + i
	}
	for _, margin := range []int{textLimit, 20, 8, 0} {
		from, to := max(start, s.start-margin), min(end, s.end+margin)
		if window := strings.TrimSpace(strings.ToValidUTF8(text[from:to], "")); len(window) <= textLimit {
			all = append(all, window)
		}
	}
	return all
}
