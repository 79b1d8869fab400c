package switcher

import (
	"context"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"

	"github.com/rs/zerolog"
)

// commandedNginx is an nginx that runs where it cannot be seen, in a container
// say: it does what the settings' commands make it do, and only what answers
// through it proves anything.
type commandedNginx struct {
	nginx *nginx.Nginx
	log   zerolog.Logger
}

func (c *commandedNginx) view(file *livefile.File) view { return viewOfAny(file) }
func (c *commandedNginx) alone() error                  { return nil }
func (c *commandedNginx) permitted() error              { return nil }
func (c *commandedNginx) survivable() error             { return nil }
func (c *commandedNginx) since() time.Time              { return time.Time{} }
func (c *commandedNginx) close()                        {}
func (c *commandedNginx) asks() *nginx.Master           { return nil }
func (c *commandedNginx) lives(loading) error           { return nil }

func (c *commandedNginx) old() (before, ending []nginx.Worker) { return nil, nil }

// never: what it serves can be seen by nobody.
func (c *commandedNginx) never(loading, loading) bool { return false }

// window is longer than old and new workers answer side by side (100 ms in
// nginx, and what it takes to start many workers).
func (c *commandedNginx) window() time.Duration { return confirmWindow }

func (c *commandedNginx) testAsIs(ctx context.Context) (nginx.Tested, error) {
	return c.nginx.TestAsIs(ctx, nil)
}

func (c *commandedNginx) testAside(ctx context.Context, contents []nginx.Content) (nginx.Tested, error) {
	return c.nginx.TestAside(ctx, nil, contents)
}

func (c *commandedNginx) knows(files, *statedir.Record) Loaded {
	return Loaded{Why: "nginx cannot be seen from here"}
}

func (c *commandedNginx) load(ctx context.Context, _ load) (loading, error) {
	return loading{Attempt: nginx.Attempt{Signalled: true}}, c.nginx.ReloadByOperator(ctx)
}
