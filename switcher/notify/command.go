package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bgswitch/switcher/caller"
	"bgswitch/switcher/command"
	"bgswitch/switcher/foreign"
)

// commandTimeout bounds a command of the operator's.
const commandTimeout = 10 * time.Second

// runCommand runs argv with the message in its environment.
func runCommand(ctx context.Context, argv []string, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	out, err := command.Run(ctx, command.Command{Argv: argv, Env: append(caller.OperatorEnv(), m.environ()...)})
	if err == nil {
		return nil
	}
	if said := strings.TrimSpace(string(out)); said != "" {
		return fmt.Errorf("%w: %s", err, foreign.Excerpt(said))
	}
	return err
}

func (m Message) environ() []string {
	var env []string
	for _, pair := range [][2]string{
		{"EVENT", m.Event}, {"TEXT", m.Text}, {"SITE", m.Site}, {"LEVEL", string(m.Level)}, {"LIVE", string(m.Live)},
		{"FROM", string(m.From)}, {"TO", string(m.To)}, {"VERDICT", string(m.Verdict)}, {"HOST", m.Host}, {"TIME", m.Time.Format(time.RFC3339)},
	} {
		env = append(env, "BGSWITCH_"+pair[0]+"="+pair[1])
	}
	return env
}
