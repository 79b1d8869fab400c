package switcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"bgswitch/switcher/accesslog"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// Survey is what is known before a switch: nothing stands in its way. Nothing
// was written but the state folder, the lock, and what it took to mend what a
// killed run left.
type Survey struct {
	*Switcher // nginx, and what was typed, are those of all sites; the rest is the first one's
	*story
	Changes []*Change // one for each file
	Already bool      // the targets have the traffic: there is nothing to do

	request  Request
	parts    []*part         // the sites
	journals journal.Set     // of the files; nil in a dry run
	undone   map[string]bool // live files that a killed run was to switch: whether they are the old ones (again)
	leftover bool            // something of ours could not be removed: the journal tells the next run
	hooked   bool            // `before` has begun
	census   census
	running  running
	tests    *tests
	accepted acceptance
	noted    func() error // waits until it is noted that a `back` begins
}

// Survey looks at everything that a switch depends on. What takes its time goes
// on beside the rest: asking the target, asking through nginx, looking for a
// second master, nginx's test. An error is an *Error; then nothing is held any
// more. The survey has to be closed.
func (s *Switcher) Survey(ctx context.Context, request Request) (*Survey, error) {
	survey := newSurvey(s.Typed, []*Switcher{s}, request)
	if err := survey.look(ctx); err != nil {
		survey.Close()
		return nil, err
	}
	return survey, nil
}

func newSurvey(typed Typed, sites []*Switcher, request Request) *Survey {
	first := *sites[0]
	first.Typed = typed
	s := &Survey{noted: func() error { return nil }, Switcher: &first, story: &story{began: time.Now(), log: first.Log}, request: request, undone: map[string]bool{}, census: sync.OnceValues(nginx.Census)}
	for _, site := range sites {
		s.parts = append(s.parts, &part{Switcher: site, survey: s})
	}
	return s
}

// look is the survey itself, step by step.
func (s *Survey) look(ctx context.Context) error {
	if err := s.reloadTogether(); err != nil {
		return err
	}
	never := func() bool { return false }
	already := func() bool { return s.Already }
	untested := len(s.Site.Restart) > 0 // nothing can be, before the app starts with it
	same := func() bool { return !s.changed() }
	for _, step := range []struct {
		name string
		do   func(context.Context) error
		skip func() bool
	}{
		{"take the lock", s.takeLock, never},
		{stepRead, s.read, never},
		{"make sure that nothing came in between", s.still, func() bool { return s.request.Still == nil && s.request.baker == nil }},
		{s.Site.worded(stepFind, "find what answers"), s.findNginx, never},
		{"make sure that nothing speaks against it", s.guard, already},
		{stepExpected, func(context.Context) error { return s.each((*part).expected) }, func() bool { return s.request.Expect == "" && s.request.Release == "" }},
		{"find the target healthy", s.askTarget, func() bool { return s.Already || s.request.wayBack }},
		{"open the access log", s.openLogs, func() bool { return s.Already || s.request.Bake == nil }},
		{stepReplaceable, s.replaceable, same},
		{"make sure that new workers will live", s.survivable, already},
		{"test the configuration as it stands", s.test, func() bool { return untested || s.changed() }},
		{"test the new file", s.test, func() bool { return untested || same() }},
	} {
		if step.skip() {
			continue
		}
		if err := s.take(step.name, func() error { return step.do(ctx) }); err != nil {
			return interrupted(ctx, err)
		}
	}
	if s.Already {
		return nil
	}
	for _, p := range s.parts {
		if said := p.questions.untold(); said != "" {
			p.note("`confirm` does not show a color before the switch (%s); unless the answers of %s carry its mark, the switch will be rolled back", said, p.plan.To)
		}
	}
	return nil
}

// reloadTogether: several sites have one nginx, and one reload of it. An app that
// is started anew has its own.
func (s *Survey) reloadTogether() error {
	for _, p := range s.parts {
		if len(s.parts) > 1 && len(p.Site.Restart) > 0 {
			return &Error{Outcome: Failed, Step: "switch several sites at once", Hint: fmt.Sprintf("switch %s by itself", p.Site.Name),
				Err: fmt.Errorf("%s: it has a `restart` of its own, and does not take part in a reload of nginx", p.Site.Name)}
		}
	}
	return nil
}

// The steps of which more than their names is needed.
const (
	stepRead        = "read the live file"
	stepFind        = "find nginx"
	stepReplaceable = "make sure that the file can be replaced"
)

// Close lets go of everything: the lock, too.
func (s *Survey) Close() {
	_ = s.noted() // while the lock is held
	s.tests.stop()
	for _, p := range s.parts {
		p.questions.stop()
		p.log.Close()
		p.readings.end()
		p.endMisfit()
	}
	for _, c := range s.Changes {
		c.close()
	}
	if s.running != nil {
		s.running.close()
	}
	end := s.journals.Close
	switch h := s.request.held; {
	case h != nil && s.leftover:
		h.leftover, end = true, func() error { return nil }
	case h != nil:
		end = h.forget
	case s.leftover:
		end = s.journals.Leave
	}
	if err := end(); err != nil {
		s.Log.Debug().Err(err).Msg("cannot let go of the lock")
	}
}

// changed says whether any file has to be replaced.
func (s *Survey) changed() bool { return slices.ContainsFunc(s.Changes, (*Change).needed) }

// files are the live files as they were read.
func (s *Survey) files() (all files) {
	for _, c := range s.Changes {
		all = append(all, c.file)
	}
	return all
}

func (s *Survey) read(ctx context.Context) error {
	if err := s.recover(ctx); err != nil {
		return err
	}
	go func() { _, _ = s.census() }()
	s.findUnmoved()
	return s.each(func(p *part) error { return p.read(ctx) })
}

// change adds what becomes of a file to what is done to it for other sites that
// stand in it, too.
func (s *Survey) change(file *livefile.File, edit Edit, of LiveFile, plan Plan) error {
	for _, c := range s.Changes {
		if c.file.SameAs(file) {
			return c.add(edit, of, plan)
		}
	}
	c := &Change{Edit: edit, of: of, file: file, view: view{at: file.Path}}
	c.decide(edit.Words, plan.To)
	if c.journal = s.journals.Of(file.Home); c.journal == nil && s.journals != nil {
		return refuse(Failed, "look at the file and retry", fmt.Errorf("%s led to a different file a moment ago", file.Named))
	}
	s.Changes = append(s.Changes, c)
	return nil
}

// warnings are doubts about the live file, as they are told.
func (s Site) warnings(doubts []error) (list []string) {
	for _, doubt := range doubts {
		list = append(list, doubt.Error()+s.worded("; whoever can write the live file decides what nginx does", "; whoever can change the link decides what the app runs"))
	}
	return list
}

func (s *Survey) findNginx(ctx context.Context) (err error) {
	if s.running, err = s.findRunning(ctx); err != nil {
		return err
	}
	for _, p := range s.parts {
		p.beginAsking()
	}
	if _, commanded := s.running.(*commandedNginx); s.request.wayBack && commanded {
		return cmp.Or(s.guard(ctx), ErrNoMaster)
	}
	for _, c := range s.Changes {
		c.view = s.running.view(c.file)
		if c.Relink != nil {
			c.ahead = s.running.view(c.Relink.To)
		}
	}
	if s.accepted.new = len(s.Site.Restart) > 0; !s.accepted.new {
		s.tests = s.beginTests(ctx)
	}
	if err := s.running.alone(); err != nil {
		return err
	}
	if err := s.running.permitted(); err != nil && !s.request.DryRun {
		return err
	}
	for _, p := range s.parts {
		p.already = p.alreadySo(ctx)
	}
	s.Already = s.all(func(p *part) bool { return p.already })
	return nil
}

// askTarget is where a switch may wait for long: by then it is said where it goes.
func (s *Survey) askTarget(context.Context) error {
	s.beginBack()
	return s.each((*part).askTarget)
}

// openLogs: a bake that cannot read what it is to judge by is none.
func (s *Survey) openLogs(context.Context) error {
	path := s.request.Bake.AccessLog
	if path == "" {
		return nil
	}
	return s.each(func(p *part) (err error) {
		p.log, err = accesslog.Open(path)
		switch {
		case errors.Is(err, fs.ErrPermission) && s.request.DryRun:
			p.note("you are not allowed to read the access log: %v", err)
			return nil
		case errors.Is(err, fs.ErrPermission):
			return refuse(Failed, s.AsRoot(), err)
		case err == nil && p.log.Missing():
			p.note("%s does not exist yet; once it does, it is read from its beginning", path)
		case err != nil:
			return refuse(Failed, "set `access_log:` below `bake:` to the log that nginx writes for this site, by its path on this host", err)
		}
		return nil
	})
}

// skipLogs leaves out what visitors were answered before the switch.
func (s *Survey) skipLogs() {
	for _, p := range s.parts {
		if p.log == nil {
			continue
		}
		if err := p.log.Skip(); err != nil {
			p.note("requests from before the switch may be counted in the access log: %v", err)
		}
	}
}

// replaceable finds out before anything is written whether the files can be
// replaced.
func (s *Survey) replaceable(context.Context) error {
	for _, c := range s.Changes {
		err := c.replaceable()
		switch {
		case err == nil:
		case s.keeps(err):
			return s.notWritten(err)
		default:
			s.note("you are not allowed to replace the file: %v", err)
		}
	}
	return nil
}

// keeps says whether something that cannot be written refuses the switch. Who
// only looks may have fewer rights than who switches.
func (s *Survey) keeps(err error) bool {
	switch {
	case s.request.wayBack:
		return keepsAnybody(err)
	case s.request.DryRun:
		return keepsAnybody(err) || !errors.Is(err, fs.ErrPermission)
	}
	return true
}

func (s *Survey) survivable(context.Context) error {
	if err := s.running.survivable(); err != nil {
		return refuse(NotAccepted, "fix the configuration; until then no reload of nginx is safe", err)
	}
	return nil
}

// folderTestable: what nginx reads in a folder, and so has to open, only its own
// test tells.
func (s *Survey) folderTestable() error {
	_, seen := s.running.(*seenNginx)
	for _, c := range s.Changes {
		if seen && len(s.Nginx.Test) > 0 && c.file.IsFolder() {
			return refuse(NotAccepted, "leave out `test:` below `nginx:`, or make the link lead to a file", fmt.Errorf("with `test:` set, it is unknown which files nginx reads in %s", c.file.Path))
		}
	}
	return nil
}

// test waits for nginx's test.
func (s *Survey) test(ctx context.Context) (err error) {
	if err := s.folderTestable(); err != nil {
		return err
	}
	s.accepted, err = s.tests.judge(ctx, s.request, s.Already)
	if err == nil && !s.Already {
		for _, p := range s.parts {
			p.findElsewhere()
		}
	}
	if err == nil && (s.Already || s.request.DryRun) {
		s.carried()
	}
	return err
}
