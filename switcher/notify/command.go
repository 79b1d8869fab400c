package notify

import (
	"context"
	"time"

	"bgswitch/switcher/command"
)

// commandTimeout bounds a command of the operator's.
const commandTimeout = 10 * time.Second

// runCommand runs argv with the message in its environment.
func runCommand(ctx context.Context, argv []string, m Message) error {
	return command.Operator(ctx, commandTimeout, argv, m.told())
}

func (m Message) told() []command.Told {
	return []command.Told{
		{Name: "EVENT", Value: m.Event}, {Name: "TEXT", Value: m.Text}, {Name: "SITE", Value: m.Site}, {Name: "LEVEL", Value: string(m.Level)},
		{Name: "LIVE", Value: string(m.Live)}, {Name: "FROM", Value: string(m.From)}, {Name: "TO", Value: string(m.To)},
		{Name: "RELEASE", Value: string(m.Release)}, {Name: "VERDICT", Value: string(m.Verdict)}, {Name: "HOST", Value: m.Host}, {Name: "TIME", Value: m.Time.Format(time.RFC3339)},
	}
}
