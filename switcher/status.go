package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"bgswitch/health"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// Status is what is known of a site: what the file says, what the running
// nginx has loaded, what answers. What could not be found out says so, and is
// never guessed.
type Status struct {
	Site     string
	Path     string
	Server   string // what serves the site: nginx, or an app
	Through  string // where it was asked who answers
	Live     Color  // by the file; empty when it is not understood
	FileErr  error
	Restore  string     // the command that puts back what was last proved; empty: none is needed, or nothing is kept
	Files    []FileSays // where they could be read
	Running  Running
	Answers  Color  // through nginx; empty when not asked, or when neither mark came
	Answered string // what came, where it was no color
	Nobody   bool   // there was nobody to ask through nginx
	Drift    []Drift
	Colors   map[Color][]health.Verdict
	Releases map[Color]Release // what they carry
	FledErr  error             // why it is not known which of them were fled
	Last     *statedir.Record
	LastErr  error
	Blocks   []statedir.Block // that hold now
	Unread   error            // why they are unknown
	Holder   *lock.Holder     // who is switching right now
	Seen     Seen             // where the file is understood
	Drain    *Drain           // what is open of the idle color; nil: no old worker is there, or that is not known
	Warnings []string         // what others may write of the file
	Drills   *Drills          // what is known of drills; nil: the site has no `confirm`, which they need

	HolderErr error   // why that is unknown
	AsRoot    string  // the command that shows all of it; empty: this is all
	Hooked    bool    // an earlier run was killed when its `before` had begun
	Baking    *Baking // that is under way, or was cut off; nil: none, or that is unknown
	BakingErr error   // why that is unknown
}

// FileSays is what one of the live files says.
type FileSays struct {
	Path string
	Live Color // empty when it is not understood
	Err  error
}

// Running is the nginx that runs.
type Running struct {
	Workers   nginx.Workers
	Container *nginx.Container // where it is; nil: on this host
	Loaded
	Err     error // there is no master to be found
	Matters bool  // whether one has to be found: not where the operator reloads by a command
}

// Drift is one way in which file, nginx and traffic do not agree, and the
// command that mends it.
type Drift struct {
	Key  string `json:"key"`
	What string `json:"what"`
	Mend string `json:"mend"`
}

// The kinds of drift.
const (
	DriftStopped   = "stopped"    // nginx does not run
	DriftNotLoaded = "not loaded" // its workers have an older file
	DriftCutOff    = "cut off"    // a switch was killed between two files
	DriftAnswers   = "answers"    // through nginx, something else answers
)

// Status looks at everything, the backends of both colors and nginx at the
// same time; it changes nothing and needs no rights. What may not be read is
// named as unknown.
func (s *Switcher) Status(ctx context.Context) Status {
	check := s.Site.Check
	check.Attempts, check.Passes = 1, 1
	return s.Inspect(ctx, check)
}

// Inspect is Status with another check than one answer of each backend.
func (s *Switcher) Inspect(ctx context.Context, check health.Check) Status {
	st := Status{Site: s.Site.Name, Path: s.Site.Files[0].Path, Server: s.Site.Server(), Through: s.Site.Through(), Colors: map[Color][]health.Verdict{}}
	s.lastSwitch(&st) // first: whoever switches from here on is seen by it
	st.Blocks, st.Unread = s.Blocks()
	files := s.readStatus(&st)
	is, err := s.findOnly(ctx, sync.OnceValues(nginx.Census), files)
	if err == nil {
		defer is.close()
	}
	var asking sync.WaitGroup
	var lock sync.Mutex
	for _, color := range []Color{Blue, Green} {
		asking.Go(func() {
			verdicts := s.askColor(ctx, is.master, check, color)
			lock.Lock()
			defer lock.Unlock()
			st.Colors[color] = verdicts
		})
	}
	asking.Go(func() { st.Releases, st.FledErr = s.Carried(ctx, st.Live) })
	if s.Site.Confirm != nil {
		asking.Go(func() {
			st.Answers, st.Answered, st.Nobody = s.answer(ctx, statusTimeout)
			if ctx.Err() != nil && st.Answers == "" {
				st.Answered = "" // it had no time to come
			}
		})
	}
	st.Running = Running{Err: err}
	if err == nil {
		st.Running = s.running(is, files, st.Live)
	}
	if st.Running.Err != nil {
		st.Running.Why = st.Running.Err.Error()
	}
	st.Running.Matters = len(s.Nginx.Reload) == 0 && len(s.Site.Restart) == 0
	st.Drain = s.draining(ctx, st)
	asking.Wait()
	st.Drift = s.drift(st)
	return st
}

// Serves says that the live color has the traffic, and not only by the file: it
// answers through nginx, or nginx is known to have loaded the file, and to read
// it still.
func (st Status) Serves() bool {
	if st.Live == "" || len(st.Drift) > 0 {
		return false
	}
	return st.Answers == st.Live || st.Running.Is != nil && *st.Running.Is && !st.Running.IfRead
}

// Sick says that the live color does not answer as it should: by its check or,
// where that asks nobody, because neither color answers where `confirm` asks.
func (st Status) Sick() bool {
	if asked := st.Colors[st.Live]; len(asked) > 0 {
		return !health.Healthy(asked)
	}
	return st.Live != "" && st.Answers == "" && st.Answered != ""
}

// Well says that the live color answers as it should: by its check or, where that
// asks nobody, through nginx.
func (st Status) Well() bool {
	if asked := st.Colors[st.Live]; len(asked) > 0 {
		return health.Healthy(asked)
	}
	return st.Live != "" && st.Answers == st.Live
}

// Stopped says that nginx does not run.
func (st Status) Stopped() bool {
	return errors.Is(st.Running.Err, nginx.ErrNotRunning) && slices.ContainsFunc(st.Drift, func(d Drift) bool { return d.Key == DriftStopped })
}

// Learn adds to what is known of nginx whether its test has read the file.
func (st *Status) Learn(way Way) {
	loaded := &st.Running.Loaded
	switch {
	case errors.Is(way.Err, ErrDecidesNothing):
		loaded.IfRead = true
	case way.read && loaded.IfRead:
		*loaded = loaded.known(true, "%s", loaded.Why)
		loaded.IfRead = false
	}
}

// LiveColor is the one that the files name; empty where they are not understood.
func (s *Switcher) LiveColor() Color {
	files, err := s.Site.read()
	if err != nil {
		return ""
	}
	_, live, _ := s.Site.understand(files)
	return live
}

func (s *Switcher) readStatus(st *Status) files {
	files, err := s.Site.read()
	if err != nil {
		var path *fs.PathError
		if st.FileErr = err; len(s.Site.Files) > 1 && errors.As(err, &path) {
			st.Path = path.Path
		}
		return nil
	}
	st.Path, st.Warnings = files[0].Home, s.Site.warnings(s.Site.doubts())
	st.Files = s.Site.says(files)
	_, live, err := s.Site.understand(files)
	if err != nil {
		st.FileErr = err
		if _, cut := s.cutOff(err); !cut && !s.wholly() && s.kept() {
			st.Restore = s.toRestore("")
		}
		return files
	}
	st.Live, st.Seen = live, seen(live, files, st.Last)
	return files
}

func (s *Switcher) running(is found, files files, live Color) (r Running) {
	if r.Container = is.nginx.Within; files == nil {
		r.Why = s.word("the file cannot be read", "a file cannot be read")
	}
	if r.Workers, r.Err = is.master.Workers(); r.Err != nil || files == nil {
		return r
	}
	given, err := s.lastGiven()
	if err != nil {
		r.Why = "the history cannot be read: " + err.Error()
		return r
	}
	r.Loaded = loadedBy(is.master, r.Workers, files, given)
	if r.Is == nil && !r.IfRead && live != "" {
		r.Why += fmt.Sprintf("; `%s` loads it again", s.to(live))
	}
	return r
}

func (s *Switcher) lastSwitch(st *Status) {
	st.Last, st.LastErr = s.State.Newest()
	if errors.Is(st.LastErr, fs.ErrPermission) || st.Last != nil && st.Last.Who == "" {
		st.AsRoot = s.StatusAsRoot()
	}
	holder, held, err := s.Holder()
	if st.HolderErr = err; err == nil && held {
		st.Holder = &holder
	}
	if s.Site.Confirm != nil {
		st.Drills = s.drills(held || err != nil)
	}
	if st.Baking, st.BakingErr = s.findBaking(); errors.Is(st.BakingErr, fs.ErrPermission) {
		st.BakingErr = s.mayBake(st.BakingErr)
	}
	places, err := s.places()
	st.Hooked = err == nil && !held && slices.ContainsFunc(places, journal.Place.WasHooked)
}

// drift compares the three facts, as far as they are known.
func (s *Switcher) drift(st Status) []Drift {
	var found []Drift
	mend, says := s.to(st.Live), s.word("the file says", "the files say")
	if st.Holder == nil {
		found = s.killed(st)
	}
	if len(found) > 0 {
		mend = found[0].Mend
	}
	stopped, is := s.stopped(st)
	if is {
		found = append([]Drift{stopped}, found...)
	}
	if st.Live == "" {
		return found
	}
	if st.Running.Is != nil && !*st.Running.Is {
		found = append(found, Drift{DriftNotLoaded, fmt.Sprintf("%s %s, but the running nginx has not loaded it: %s", says, st.Live, st.Running.Why), mend})
	}
	switch {
	case is, s.Site.Confirm == nil, st.Answers == st.Live, st.Answers == "" && st.Answered == "":
	case st.Answers != "":
		found = append(found, Drift{DriftAnswers, fmt.Sprintf("%s %s, but %s answers", says, st.Live, st.Answers), mend})
	default:
		found = append(found, Drift{DriftAnswers, fmt.Sprintf("%s %s, but neither color answers: %s", says, st.Live, st.Answered), s.mendSilence(st)})
	}
	return found
}

// stopped is the drift that nginx does not run. It is named first: visitors get
// nothing then, whatever the file says. Where no file could be read, nginx may be in
// a container that is found by it.
func (s *Switcher) stopped(st Status) (d Drift, is bool) {
	err := st.Running.Err
	what := fmt.Sprintf("%v", err)
	if st.Live != "" {
		what += fmt.Sprintf("; %s %s", s.word("the file says", "the files say"), st.Live)
	}
	switch {
	case !st.Running.Matters || len(st.Files) == 0:
		return Drift{}, false
	case errors.Is(err, nginx.ErrPIDMoved):
		return Drift{DriftStopped, what, hintPIDMoved(err)}, true
	case errors.Is(err, nginx.ErrNotRunning):
		return Drift{DriftStopped, what, s.mendStopped(err)}, true
	}
	return Drift{}, false
}

// killed is the drift that a killed switch left: files that do not agree, or that
// the next switch puts back, of this site or of one that was switched with it.
func (s *Switcher) killed(st Status) []Drift {
	if last, cut := s.cutOff(st.FileErr); cut {
		return []Drift{{DriftCutOff, "an earlier switch was killed before all files were switched", s.to(last)}}
	}
	places, err := s.places()
	if err != nil || st.Live == "" {
		return nil
	}
	for _, place := range places {
		e, _ := place.CutOff()
		back := toPutBack(place, e)
		if len(back) == 0 {
			continue
		}
		to := st.Live
		if slices.ContainsFunc(places, func(p journal.Place) bool { return slices.Contains(back, p.Live) }) {
			to = to.Other()
		}
		return []Drift{{DriftCutOff, fmt.Sprintf("%s; the next switch puts the old %s back", killedUnsure(e), strings.Join(back, " and ")), s.to(to)}}
	}
	return nil
}

// mendStopped: workers that were left keep the addresses, or share them.
func (s *Switcher) mendStopped(err error) string {
	if errors.Is(err, nginx.ErrOrphans) || errors.Is(err, nginx.ErrMisnamed) {
		return s.hintForMaster(err)
	}
	if s.Nginx.Named() || errors.Is(err, nginx.ErrNoBinary) {
		return "start nginx's container"
	}
	return "systemctl start nginx"
}

// mendSilence says what helps when neither color answers: the other one, if it
// is healthy.
func (s *Switcher) mendSilence(st Status) string {
	if health.Healthy(st.Colors[st.Live]) {
		return fmt.Sprintf("compare `confirm:` in the settings with what %s answers: %s is healthy", s.Site.Server(), st.Live)
	}
	if health.Healthy(st.Colors[st.Live.Other()]) {
		return s.to(st.Live.Other())
	}
	return fmt.Sprintf("start %s or %s; `%s` shows when one is healthy", st.Live, st.Live.Other(), s.Command("status"))
}
