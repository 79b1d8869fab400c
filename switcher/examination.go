package switcher

import (
	"context"
	"errors"
	"net/netip"
	"os"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher/nginx"
)

// Examination is what was found of a site by a look that goes on where a switch
// would be refused, for who judges what may go wrong one day.
type Examination struct {
	Status     // with the attempts of asking the colors taken down
	Seen       []SeenFile
	Commanded  bool // nginx is not seen, and reloaded by a command
	Master     int  // nginx's master; 0: none is seen
	Version    nginx.Version
	Dump       *nginx.Dump // what nginx reads; nil: unknown
	AsIs       error       // what nginx's test says of its configuration as it stands
	Refusals   []*Error    // what a switch to the idle color would be refused for, step by step
	Doubts     []error     // who else may write the live files
	Located    []Located
	OwnAnswers map[Color]OwnAnswer // where confirm asks, by the colors themselves
}

// SeenFile is one of the live files.
type SeenFile struct {
	Path, At string // here, and as nginx sees it
	Alone    bool   // nginx has it mounted by itself
	Words    []nginxconf.Word
	Misnamed []nginxconf.Misnamed // comments
	Decides  *Error               // why it decides nothing; nil: it does, or that is unknown
}

// Located is a server of a color as nginx finds it.
type Located struct {
	Color     Color
	Name      string           // as nginx writes it
	Addresses []netip.AddrPort // none of a unix socket
	Err       error
}

// OwnAnswer is what a color says, asked itself where confirm asks through nginx.
type OwnAnswer struct {
	Is     Color  // by the marks; empty: neither, or both
	Status int    // of HTTP; 0: no answer came
	Said   string // the beginning of it
}

// Examine looks at everything and changes nothing.
func (s *Switcher) Examine(ctx context.Context) *Examination {
	asking := *s
	asking.Asker.Transcribe = true
	e := &Examination{Status: asking.Status(ctx), Doubts: s.Site.doubts()}
	survey := newSurvey(s.Typed, []*Switcher{&asking}, Request{DryRun: true, wayBack: true})
	defer survey.Close()
	e.take(survey, "use the state folder", func() error { return survey.takeLock(ctx) })
	if e.take(survey, stepRead, func() error { return survey.read(ctx) }) {
		e.found(ctx, survey)
	} else if running, err := survey.findRunning(ctx); err == nil {
		survey.running = running
	}
	if survey.running != nil {
		e.configuration(ctx, survey)
		e.colors(ctx, &asking, survey.running.asks())
	}
	for _, c := range survey.Changes {
		e.Seen = append(e.Seen, e.seen(c, survey.tests))
	}
	return e
}

// take takes a step of a switch. What two steps would say is said once.
func (e *Examination) take(survey *Survey, step string, do func() error) bool {
	var failed *Error
	if !errors.As(survey.take(step, do), &failed) {
		return true
	}
	for _, before := range e.Refusals {
		if before.Err.Error() == failed.Err.Error() {
			return false
		}
	}
	e.Refusals = append(e.Refusals, failed)
	return false
}

// found takes the steps that follow once the files are understood.
func (e *Examination) found(ctx context.Context, survey *Survey) {
	err := survey.take(stepFind, func() error { return survey.findNginx(ctx) })
	if _, e.Commanded = survey.running.(*commandedNginx); e.Commanded {
		return
	}
	e.take(survey, stepFind, func() error { return err })
	e.take(survey, stepReplaceable, func() error { return survey.replaceable(ctx) })
	if survey.tests == nil {
		return
	}
	e.take(survey, "make sure that new workers will live", func() error { return survey.survivable(ctx) })
	e.take(survey, "test the new file", func() error { return survey.test(ctx) })
}

// configuration is what nginx reads as it stands.
func (e *Examination) configuration(ctx context.Context, survey *Survey) {
	seen, is := survey.running.(*seenNginx)
	if !is {
		return
	}
	e.Master, e.Version = seen.master.PID, seen.nginx.Version(ctx)
	tested, err := seen.testAsIs(ctx)
	e.Dump, e.AsIs = tested.Dump, err
}

// colors are the servers of the site, and who they say they are.
func (e *Examination) colors(ctx context.Context, s *Switcher, from *nginx.Master) {
	pid := e.Master
	if pid == 0 {
		pid = os.Getpid()
	}
	for _, color := range []Color{Blue, Green} {
		if e.Commanded { // where its names lead is not known here
			break
		}
		for _, address := range s.servers(color, func() *nginx.Dump { return e.Dump }) {
			if address == (nginxconf.Address{}) {
				continue
			}
			b, err := locate(ctx, address, pid)
			e.Located = append(e.Located, Located{color, b.name, b.addresses, err})
		}
	}
	e.OwnAnswers = s.ownAnswers(ctx, from)
}

// ownAnswers asks the first server of each color for what confirm asks through
// nginx for.
func (s *Switcher) ownAnswers(ctx context.Context, from *nginx.Master) map[Color]OwnAnswer {
	answers := map[Color]OwnAnswer{}
	if s.Site.Confirm == nil {
		return answers
	}
	for _, color := range []Color{Blue, Green} {
		check, backends := s.Site.Check, s.Site.Backends(color)
		check.Attempts, check.Passes, check.Timeout = 1, 1, statusTimeout
		check.Path, check.Host = s.Site.Confirm.URL.Request(), s.Site.Confirm.Host
		if check.Type != health.TypeHTTP || len(backends) == 0 || backends[0].URL.IsTCP() {
			continue
		}
		backends[0].URL = backends[0].URL.Beside(s.Site.Confirm.URL)
		verdict := s.askFrom(ctx, from, check, backends[:1])[0]
		if len(verdict.Exchanges) == 0 {
			continue
		}
		page := verdict.Exchanges[0].Page()
		answers[color] = OwnAnswer{s.Site.Confirm.Tells(page), page.Status, page.Quoted()}
	}
	return answers
}

// seen is what is known of one live file.
func (e *Examination) seen(c *Change, t *tests) SeenFile {
	f := SeenFile{Path: c.Path, At: c.view.at, Alone: c.view.alone, Words: c.Words}
	if read, err := nginxconf.Read(c.Before, c.of.Layout); err == nil && c.of.Whole == nil {
		f.Misnamed = read.Misnamed()
	}
	if t != nil && e.Dump != nil {
		_ = errors.As(t.decides(c, e.Dump, c.was()), &f.Decides)
	}
	return f
}
