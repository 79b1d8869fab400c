package switcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/command"
	"bgswitch/switcher/statedir"
)

// Hooks are commands of the operator's around a switch, each an argv: cron jobs
// and workers of the two copies are switched by them. They run in their order,
// and the first that fails is the last.
type Hooks struct {
	Before  [][]string    // once nothing stands in the way and nothing has changed: where one fails, there is no switch
	After   [][]string    // once the switch is proved and recorded: whatever they do, it is done
	Timeout time.Duration // of each
}

// DefaultHookTimeout is that of hooks for which none is set.
const DefaultHookTimeout = time.Minute

const longestHook = time.Hour

// Validate finds what cannot work, as health.Mistakes at its settings.
func (h Hooks) Validate() error {
	var m health.Mistakes
	if h.Timeout <= 0 || h.Timeout > longestHook {
		m.Add(fmt.Errorf("%s is not allowed; use more than 0 and at most 1h", health.Short(h.Timeout)), "hook_timeout")
	}
	return m.Found()
}

const (
	stepBefore = "run before"
	stepAfter  = "run after"
)

// KilledBefore tells what the journal knows of a run that was killed then.
const KilledBefore = "an earlier run was killed after its `before` had begun; see whether what it stopped has to be started again"

// hooks are those of a site that has something to switch: where several are
// switched together, one of them may be live already.
func (p *part) hooks() Hooks {
	if p.already {
		return Hooks{}
	}
	return p.Site.Hooks
}

func (s *Survey) anyHook(of func(Hooks) [][]string) bool {
	return !s.all(func(p *part) bool { return len(of(p.hooks())) == 0 })
}

// runBefore is the last that may refuse a switch. The journal tells the next run
// that it had begun, if this one is killed.
func (s *Survey) runBefore(ctx context.Context) error {
	if !s.anyHook(func(h Hooks) [][]string { return h.Before }) {
		return nil
	}
	s.hooked = true
	if err := s.noteHooked(true); err != nil {
		return asError(stepBefore, s.notWritten(err))
	}
	err := s.take(stepBefore, func() error {
		return s.each(func(p *part) error {
			err := p.runHooks(ctx, "before", p.hooks().Before)
			switch {
			case err == nil:
				return nil
			case s.request.Force && !errors.Is(err, command.ErrEnded):
				p.note("`before` failed; switching anyway (--force): %v", err)
				return nil
			}
			return refuse(Hindered, fmt.Sprintf("neither the live file nor nginx was touched; fix what it names and retry; `%s` switches anyway", s.Again("--force")), err)
		})
	})
	return interrupted(ctx, err)
}

// noteHooks tells the operator what `before` may have left.
func (s *Survey) noteHooks(outcome Outcome) {
	if s.hooked && outcome != Done {
		s.note("`before` had begun, but the switch was not done; see whether what it stopped has to be started again (`after` runs only when a switch is done)")
	}
}

// noteHooked notes it in the journal of each site that has such commands.
func (s *Survey) noteHooked(is bool) error {
	return s.each(func(p *part) error {
		if len(p.hooks().Before) == 0 {
			return nil
		}
		return s.journals.Of(p.files[0].Home).Hooked(is)
	})
}

// hooksRecorded tells the journal that nothing of `before` is left to be told:
// the history tells the rest.
func (s *Survey) hooksRecorded() {
	if !s.hooked {
		return
	}
	if err := s.noteHooked(false); err != nil {
		s.Log.Debug().Err(err).Msg("cannot note that before is over")
	}
}

// runAfter is what follows a switch that is done, and recorded as such: it
// changes no outcome. A killed run leaves a record that says so.
func (p *part) runAfter(ctx context.Context, result *Result) {
	if errors.Is(ctx.Err(), context.Canceled) { // that was the switch, which has been finished
		ctx = context.WithoutCancel(ctx)
	}
	began := time.Now()
	err := p.survey.take(stepAfter, func() error { return p.named(p.runHooks(ctx, "after", p.hooks().After)) })
	ended := &statedir.Hook{Outcome: statedir.HookDone, TookMS: known(milliseconds(time.Since(began)))}
	if err != nil {
		ended.Outcome, ended.Error = statedir.HookFailed, statedir.Text(err.Error())
		result.Notes = append(result.Notes, err.Error()+"; the switch is done anyway")
	}
	result.Record.After, result.Record.Steps = ended, p.survey.steps
	if failed := p.State.Append(result.Record); failed != nil {
		result.Notes = append(result.Notes, fmt.Sprintf("cannot record the outcome of `after`: %v", failed))
	}
}

// runHooks runs commands one after the other.
func (p *part) runHooks(ctx context.Context, event string, commands [][]string) error {
	for _, argv := range commands {
		p.say(fmt.Sprintf("%srunning %s: %s", p.prefix(), event, argv[0]))
		if err := command.Operator(ctx, p.Site.Hooks.Timeout, argv, p.told(event)); err != nil {
			return fmt.Errorf("%s: %w", argv[0], err)
		}
	}
	return nil
}

// told is what a hook finds in its environment.
func (p *part) told(event string) []command.Told {
	s, live := p.survey, p.plan.From
	if event != "before" {
		live = p.plan.To
	}
	return []command.Told{
		{Name: "EVENT", Value: event}, {Name: "SITE", Value: p.Site.Name}, {Name: "LIVE", Value: string(live)},
		{Name: "FROM", Value: string(p.plan.From)}, {Name: "TO", Value: string(p.plan.To)}, {Name: "RELEASE", Value: p.carried(p.readings.wait(p.plan.To)).Name},
		{Name: "COMMAND", Value: s.request.Command}, {Name: "WHO", Value: s.request.Who}, {Name: "REASON", Value: s.request.Reason},
		{Name: "HOST", Value: s.Host}, {Name: "TIME", Value: s.began.UTC().Format(time.RFC3339)},
	}
}
