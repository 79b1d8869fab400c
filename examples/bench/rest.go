package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"bgswitch/switcher/nginxtest"
)

// rest waits until the old workers are gone, the master waits for signals
// again, and every client has asked since. Without this a switch would have to
// wait for what the one before it left nginx to do.
func (b *bench) rest(ctx context.Context, load *nginxtest.Load, old []int) error {
	if err := eventually(ctx, func() error { return errors.Join(b.site.Reloaded(old), masterWaits(b.site.PID)) }); err != nil {
		return err
	}
	enough := load.Seen().Requests + 4*load.Clients
	return eventually(ctx, func() error {
		if got := load.Seen().Requests; got < enough {
			return fmt.Errorf("the clients have asked %d times, not %d", got, enough)
		}
		return nil
	})
}

// eventually gives nginx as long as the largest tree needs on a slow machine.
func eventually(ctx context.Context, check func() error) error {
	err := nginxtest.Eventually(30*time.Second, func() error {
		if ctx.Err() != nil {
			return nil
		}
		return check()
	})
	return errors.Join(ctx.Err(), err)
}

// masterWaits tells whether the master is through with its last signal: it
// keeps all of them blocked but in its sigsuspend (ngx_master_process_cycle).
// 100 ms after it has started new workers it is still asleep elsewhere, even
// where their predecessors are long gone.
func masterWaits(pid int) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	if !bytes.Contains(status, []byte("\nSigBlk:\t0000000000000000\n")) {
		return errors.New("the master of nginx is at work")
	}
	return nil
}
