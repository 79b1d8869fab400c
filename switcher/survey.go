package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/trust"
)

// Survey is what is known before a switch: nothing stands in its way. Nothing
// was written but the state folder, the lock, and what it took to mend what a
// killed run left.
type Survey struct {
	*Switcher
	*story
	Plan     Plan
	Changes  []*Change // one for each file
	Already  bool      // the target has the traffic: there is nothing to do
	Verdicts []health.Verdict

	request   Request
	journals  journal.Set // of the files; nil in a dry run
	leftover  bool        // something of ours could not be removed: the journal tells the next run
	hooked    bool        // `before` has begun
	questions *questions
	running   running
	loaded    Loaded
	tests     *tests
	accepted  acceptance
	elsewhere []statedir.Elsewhere // nil: unknown
}

// Survey looks at everything that a switch depends on. What takes its time goes
// on beside the rest: asking the target, asking through nginx, looking for a
// second master, nginx's test. An error is an *Error; then nothing is held any
// more. The survey has to be closed.
func (s *Switcher) Survey(ctx context.Context, request Request) (*Survey, error) {
	survey := s.newSurvey(request)
	if err := survey.look(ctx); err != nil {
		survey.Close()
		return nil, err
	}
	return survey, nil
}

func (s *Switcher) newSurvey(request Request) *Survey {
	return &Survey{Switcher: s, story: &story{began: time.Now(), log: s.Log}, request: request}
}

// look is the survey itself, step by step.
func (s *Survey) look(ctx context.Context) error {
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
		{"make sure that nothing came in between", s.still, func() bool { return s.request.Still == nil }},
		{s.Site.worded(stepFind, "find what answers"), s.findNginx, never},
		{"find the target healthy", s.askTarget, func() bool { return s.Already || s.request.wayBack }},
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
	if said := s.questions.untold(); said != "" {
		s.note("`confirm` tells no color before the switch (%s): unless %s's answers carry its mark, the switch will be rolled back", said, s.Plan.To)
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
	s.tests.stop()
	s.questions.stop()
	for _, c := range s.Changes {
		c.close()
	}
	if s.running != nil {
		s.running.close()
	}
	end := s.journals.Close
	if s.leftover {
		end = s.journals.Leave
	}
	if err := end(); err != nil {
		s.Log.Debug().Err(err).Msg("cannot let go of the lock")
	}
}

// changed says whether any file has to be replaced.
func (s *Survey) changed() bool { return s.Plan.Changes() }

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
	if err := s.doubt(); err != nil {
		return err
	}
	if err := s.readFiles(); err != nil {
		return err
	}
	if s.request.To == "" && !s.request.wayBack {
		unread, err := s.undoneAlready(s.Plan)
		if err != nil {
			return err
		}
		if unread > 0 {
			s.note("%s: whether somebody went back just now is unknown", unread)
		}
	}
	s.questions = s.ask(ctx, s.request)
	return nil
}

func (s *Survey) readFiles() error {
	files, err := s.Site.read()
	if err != nil {
		return s.unreadable(err)
	}
	for i, file := range files {
		change := &Change{of: s.Site.Files[i], file: file, view: view{at: file.Path}}
		if change.journal = s.journals.Of(file.Home); change.journal == nil && s.journals != nil {
			return refuse(Failed, "look at the file and type it again", fmt.Errorf("%s led to another file a moment ago", file.Named))
		}
		s.Changes = append(s.Changes, change)
	}
	if s.Plan, err = plan(s.Site, files, s.request.target); err != nil {
		return s.notUnderstood(err)
	}
	for i, edit := range s.Plan.Edits {
		s.Changes[i].Edit = edit
		if f := s.Site.Files[i]; f.Whole == nil {
			if err := f.selectedByLink(files[i], s.Plan.From); err != nil {
				return err
			}
		}
	}
	return nil
}

// target is the color to go to. With two colors, the one that had the traffic
// before is always the other one: the history could name no third.
func (r Request) target(live Color) Color {
	if r.To == "" {
		return live.Other()
	}
	return r.To
}

// doubt names what others may write of the live file: who may write it owns
// what root's nginx does.
func (s *Survey) doubt() error {
	doubts := s.Site.doubts()
	if len(doubts) > 0 && s.request.Strict {
		return refuse(Failed, trust.Mend(doubts[0]), doubts[0])
	}
	for _, warning := range warnings(doubts) {
		s.note("%s", warning)
	}
	return nil
}

// warnings are doubts about the live file, as they are told.
func warnings(doubts []error) (list []string) {
	for _, doubt := range doubts {
		list = append(list, doubt.Error()+": who may write the live file decides what nginx does")
	}
	return list
}

func (s *Survey) findNginx(ctx context.Context) (err error) {
	var files files
	for _, c := range s.Changes {
		files = append(files, c.file)
	}
	if s.running, err = s.findRunning(ctx, s.questions.census, files); err != nil {
		return err
	}
	s.beginAsking()
	if _, commanded := s.running.(*commandedNginx); s.request.wayBack && commanded {
		return ErrNoMaster
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
	given, err := s.lastGiven()
	if err != nil {
		s.Log.Debug().Err(err).Msg("the history is not readable")
	}
	s.loaded = s.running.knows(s.files(), given)
	s.Already = s.alreadySo(ctx)
	return nil
}

// alreadySo is for a file that names the target: only a record of ours, or the
// answers, can say that nginx has it. A file that was touched since is loaded
// once more, whatever it holds: a reload that somebody has begun may have read
// something else in between.
func (s *Survey) alreadySo(ctx context.Context) bool {
	if s.changed() {
		return false
	}
	if s.Site.Confirm == nil {
		return s.loaded.given
	}
	if !s.loaded.given && s.running.window() == 0 {
		return false // to load it once more takes less time than to ask for certain
	}
	err := s.answered(ctx, s.Plan.To, s.running.window())
	if err != nil {
		s.note("%s is loaded once more: %v", s.Site.Server(), err)
	}
	return err == nil
}

// askTarget never asks the live color: going back does not depend on the side
// that is broken.
func (s *Survey) askTarget(context.Context) error {
	to := s.Plan.To
	if s.request.Force {
		s.note("%s was not asked whether it is healthy (--force)", to)
		if s.Site.Confirm != nil && s.changed() {
			s.say(fmt.Sprintf("`confirm` still holds with --force: unless %s answers %s with its mark, the switch is rolled back", to, s.Site.Through()))
		}
		return nil
	}
	if len(s.Site.Backends(to)) == 0 {
		s.note("%s was not asked whether it is healthy, for it does not run before it is live: `confirm` shows it", to)
		return nil
	}
	s.Verdicts = s.questions.verdicts()
	if health.Healthy(s.Verdicts) {
		return nil
	}
	force := "switches all the same"
	if s.Site.Confirm != nil {
		force = "does not ask it, but `confirm` does: if it does not answer there either, the switch is rolled back"
	}
	return refuse(Unhealthy, fmt.Sprintf("`%s` shows what it answers; mend %s and type it again; `%s` waits for it, `%s` %s",
		s.Command("check", string(to)), to, s.Again("--wait", "1m"), s.Again("--force"), force),
		fmt.Errorf("%s: %s", to, firstUnhealthy(s.Verdicts)))
}

func firstUnhealthy(verdicts []health.Verdict) string {
	for _, verdict := range verdicts {
		if !verdict.Healthy {
			return verdict.String()
		}
	}
	return "no verdict"
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
			s.note("you may not replace the file: %v", err)
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
		return refuse(NotAccepted, "mend the configuration; until then no reload of nginx is safe", err)
	}
	return nil
}

// folderTestable: what nginx reads in a folder, and so has to open, only its own
// test tells.
func (s *Survey) folderTestable() error {
	_, seen := s.running.(*seenNginx)
	for _, c := range s.Changes {
		if seen && len(s.Nginx.Test) > 0 && c.file.IsFolder() {
			return refuse(NotAccepted, "leave out `test:` below `nginx:`, or let the link lead to a file", fmt.Errorf("which files nginx reads in %s is unknown where the settings bring their own test", c.file.Path))
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
		s.findElsewhere()
	}
	if err == nil && (s.Already || s.request.DryRun) {
		s.carried()
	}
	return err
}
