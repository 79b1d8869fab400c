// Package notify tells people what happened: by webhooks, by commands, and by
// a ping that a dead man's switch waits for. A channel that fails changes
// nothing but what is reported of it.
package notify

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bgswitch/health"
)

// Channels are the ways to tell people.
type Channels struct {
	Webhooks []Webhook
	Commands [][]string // argv, the message in the environment
	Ping     health.URL // a URL that is fetched after each verification
}

// Failure is a channel that did not work. What it names holds no secret.
type Failure struct {
	Channel string    `json:"channel"`
	Error   string    `json:"error"`
	Time    time.Time `json:"time"`
}

// Tell sends the message through every channel at the same time, and returns
// when all are through or ctx is done.
func (c Channels) Tell(ctx context.Context, m Message) []Failure {
	m = m.fit()
	var sends []send
	for i, hook := range c.Webhooks {
		sends = append(sends, send{fmt.Sprintf("webhook %d (%s)", i+1, hook.URL.Host()), func() error { return hook.post(ctx, m) }})
	}
	for i, argv := range c.Commands {
		sends = append(sends, send{fmt.Sprintf("command %d (%s)", i+1, argv[0]), func() error { return runCommand(ctx, argv, m) }})
	}
	return c.all(sends)
}

// PingWith fetches the ping's URL with the exit code of a verification added
// as the last part of its path, as the common services want it.
func (c Channels) PingWith(ctx context.Context, code int) []Failure {
	if c.Ping.IsZero() {
		return nil
	}
	return c.all([]send{{"ping (" + c.Ping.Host() + ")", func() error { return ping(ctx, c.Ping, code) }}})
}

// send is one channel and how to use it.
type send struct {
	channel string
	do      func() error
}

func (c Channels) all(sends []send) []Failure {
	errs := make([]error, len(sends))
	var wait sync.WaitGroup
	for i, s := range sends {
		wait.Go(func() { errs[i] = s.do() })
	}
	wait.Wait()
	var failures []Failure
	for i, err := range errs {
		if err != nil {
			failures = append(failures, Failure{sends[i].channel, err.Error(), time.Now().UTC()})
		}
	}
	return failures
}
