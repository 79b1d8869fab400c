package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/caller"
	"bgswitch/switcher/foreign"
)

// Told is what a command of the operator's finds in $BGSWITCH_NAME.
type Told struct{ Name, Value string }

// leftBehind is how long is waited for the output of what a command has left in
// the background.
const leftBehind = time.Second

// ErrEnded says that a command was ended because whoever runs it was.
var ErrEnded = errors.New("it was ended")

// Operator runs a command of the settings, for as long as it may take, and tells
// it something. The error is fit to be shown, and ends with the last that it has
// printed; it wraps ErrEnded where ctx has ended it. What it leaves in the
// background is no error.
func Operator(ctx context.Context, limit time.Duration, argv []string, told []Told) error {
	env := caller.OperatorEnv()
	for _, t := range told {
		env = append(env, "BGSWITCH_"+t.Name+"="+foreign.Line(t.Value))
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := Run(limited, Command{Argv: argv, Env: env, End: true, Patience: leftBehind})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = ErrEnded
	case limited.Err() != nil:
		err = fmt.Errorf("it took longer than %s, and was ended", health.Short(limit))
	case errors.Is(err, exec.ErrWaitDelay):
		return nil
	}
	if said := strings.TrimSpace(string(out)); said != "" {
		return fmt.Errorf("%w: %s", err, foreign.End(said))
	}
	return err
}
