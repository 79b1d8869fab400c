package switcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bgswitch/switcher/command"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// restartedApp is an app that runs from where a link leads, and is started anew
// by a command of the settings: no nginx takes part in its switch, and nothing
// but what answers proves it.
type restartedApp struct{ argv []string }

func (a restartedApp) view(file *livefile.File) view { return view{at: file.Path} }
func (a restartedApp) alone() error                  { return nil }
func (a restartedApp) permitted() error              { return nil }
func (a restartedApp) survivable() error             { return nil }
func (a restartedApp) since() time.Time              { return time.Time{} }
func (a restartedApp) close()                        {}
func (a restartedApp) lives(loading) error           { return nil }
func (a restartedApp) never(loading, loading) bool   { return false }
func (a restartedApp) window() time.Duration         { return confirmWindow }
func (a restartedApp) asks() *nginx.Master           { return nil }

// testAsIs and testAside: nothing can be tested before the app starts with it.
func (a restartedApp) testAsIs(context.Context) (nginx.Tested, error) { return nginx.Tested{}, nil }
func (a restartedApp) testAside(context.Context, []nginx.Content) (nginx.Tested, error) {
	return nginx.Tested{}, nil
}

// knows: it started from what the last restart of ours left, unless a link was led
// elsewhere since.
func (a restartedApp) knows(files files, last *statedir.Record) Loaded {
	noted := files.noted(last)
	for i, n := range noted {
		if n.File == nil || *n.File != files[i].Identity() || string(n.HashAfter) != files[i].Hash() {
			noted = nil
		}
	}
	if noted == nil {
		return Loaded{Why: errAppUnseen.Error()}
	}
	return Loaded{given: true}.known(true, "the switch at %s started the app from it, and no link to it has changed since", moment.Text(last.Time))
}

// errAppUnseen is why nothing is known of an app that a command starts.
var errAppUnseen = errors.New("bgswitch cannot see what the app was started from")

// restartLimit is how long the command may take.
const restartLimit = time.Minute

func (a restartedApp) load(ctx context.Context, _ load) (loading, error) {
	started := loading{Attempt: nginx.Attempt{Signalled: true}}
	if err := command.Operator(ctx, restartLimit, a.argv, nil); err != nil {
		return started, fmt.Errorf("%s: %w", strings.Join(a.argv, " "), err)
	}
	return started, nil
}

func (a restartedApp) old() (before, ending []nginx.Worker) { return nil, nil }
