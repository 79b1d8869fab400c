package switcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

func (sw *switching) findNginx(ctx context.Context) error {
	master, err := sw.Nginx.FindMaster()
	if err != nil {
		return sw.withoutMaster(err)
	}
	sw.master, sw.seen = master, seenBy(sw.file, master.PID)
	if sw.plan.Changes() && sw.request.Wait == 0 && len(sw.Nginx.Test) == 0 {
		sw.beginTests(ctx)
	}
	census, err := nginx.Census()
	if err != nil {
		return err
	}
	if err := sw.Nginx.Only(master, census); err != nil {
		return refuse(Failed, hintForMaster(err), err)
	}
	if len(sw.Nginx.Reload) == 0 && !sw.request.DryRun {
		if err := master.Permitted(); err != nil {
			return refuse(Failed, hintForMaster(err), err)
		}
	}
	sw.workers, err = master.Workers()
	if err != nil {
		return err
	}
	known := sw.Switcher.loaded(sw.file, sw.workers).Loaded
	sw.loaded = known != nil && *known
	if sw.loaded && !sw.plan.Changes() {
		sw.result.Outcome = Already
	}
	return nil
}

// withoutMaster is for an nginx that the operator reloads with a command of
// his own, in a container say: then only what answers through it can prove a
// switch. One that runs here, and may not be reloaded now, is no such nginx.
func (sw *switching) withoutMaster(err error) error {
	if errors.Is(err, nginx.ErrPIDMoved) {
		return refuse(NotAccepted, hintPIDMoved, err)
	}
	if len(sw.Nginx.Reload) == 0 || !errors.Is(err, nginx.ErrNotHere) {
		return refuse(Failed, hintForMaster(err), err)
	}
	sw.seen = seenByAny(sw.file)
	if sw.Site.Confirm == nil {
		return refuse(Failed, "set `confirm:` in the settings, so that the answers prove the switch",
			fmt.Errorf("nothing could prove a switch: no master is found on this host (%w), and the settings have no confirm", err))
	}
	return nil
}

const hintPIDMoved = "write that number into the pid file, or, if `pid` was changed in the configuration, set it back"

func hintForMaster(err error) string {
	var orphans *nginx.OrphansError
	switch {
	case errors.As(err, &orphans):
		return fmt.Sprintf("end them: `kill -QUIT %s`", strings.Trim(fmt.Sprint(orphans.PIDs), "[]"))
	case errors.Is(err, nginx.ErrNoBinary):
		return "install nginx, or set `nginx: {binary: …}` in the settings"
	case errors.Is(err, nginx.ErrNotRunning):
		return "start nginx (`systemctl start nginx`) and look with `bgswitch status`"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, nginx.ErrNotPermitted):
		return "run it as root: `sudo bgswitch …`"
	}
	return "see which nginx runs: `ps -C nginx -o pid,ppid,args`"
}

// askTarget never asks the live color: going back does not depend on the side
// that is broken.
func (sw *switching) askTarget(ctx context.Context) error {
	if sw.request.Force {
		sw.note(fmt.Sprintf("%s was not asked whether it is healthy (--force)", sw.plan.To))
		return nil
	}
	check := sw.Site.Check
	if sw.request.To == "" {
		check.Passes = 1
	}
	verdicts := sw.askUntil(ctx, check, time.Now().Add(sw.request.Wait))
	sw.result.Verdicts = verdicts
	if health.Healthy(verdicts) {
		return nil
	}
	return refuse(Unhealthy, fmt.Sprintf("mend %s and type it again; `--wait 1m` waits for it, `--force` switches all the same", sw.plan.To),
		fmt.Errorf("%s: %s", sw.plan.To, firstUnhealthy(verdicts)))
}

func (sw *switching) askUntil(ctx context.Context, check health.Check, until time.Time) []health.Verdict {
	for {
		verdicts := sw.Asker.Ask(ctx, check, sw.Site.Backends(sw.plan.To))
		if health.Healthy(verdicts) || ctx.Err() != nil || !time.Now().Before(until) {
			return verdicts
		}
		sw.Log.Debug().Msg("not healthy yet: " + firstUnhealthy(verdicts))
		select {
		case <-ctx.Done():
		case <-time.After(min(max(check.Interval, 100*time.Millisecond), time.Until(until))):
		}
	}
}

func firstUnhealthy(verdicts []health.Verdict) string {
	for _, verdict := range verdicts {
		if !verdict.Healthy {
			return verdict.String()
		}
	}
	return "no verdict"
}

// replaceable finds out before anything is written whether the file can be
// replaced.
func (sw *switching) replaceable(context.Context) error {
	err := sw.file.Replaceable(sw.seen.inPlace())
	if errors.Is(err, fs.ErrPermission) && sw.request.DryRun && !keepsAnybody(err) {
		sw.note("you may not replace the file: " + err.Error())
		return nil
	}
	if err != nil {
		return notWritten(err)
	}
	return nil
}

// survive refuses what nginx's own test lets pass and no reload survives.
func (sw *switching) survive(context.Context) error {
	if err := sw.Nginx.Survivable(sw.master); err != nil {
		return refuse(NotAccepted, "mend the configuration; until then no reload of nginx is safe", err)
	}
	return nil
}

// testAsIs asks nginx about the configuration before anything is changed. A
// refusal is only remembered: where the live color is a name that does not
// resolve any more, leaving it is what mends the configuration.
func (sw *switching) testAsIs(ctx context.Context) error {
	sw.beginTests(ctx)
	result := <-sw.asIs
	tested, err := result.tested, result.err
	sw.limit = max(5*time.Second, 3*time.Second+10*tested.Took)
	sw.settled = 150*time.Millisecond + 3*tested.Took // the 100 ms of the master's pause, and the parsing
	if errors.Is(err, nginx.ErrRefused) {
		sw.brokenBefore = err
		if !sw.plan.Changes() {
			return sw.notAccepted(err)
		}
		return nil
	}
	if errors.Is(err, nginx.ErrRightsMissing) {
		return sw.untestable(err)
	}
	if err != nil {
		return err
	}
	if tested.Dump != nil && !tested.Dump.Reads(sw.seen.at, sw.file.Bytes) && !sw.editedMeanwhile() {
		conf, _ := sw.Nginx.ConfPath()
		return refuse(NotAccepted, "include the file in the configuration, or set `file:` to the one that is",
			fmt.Errorf("%s is not part of %s: nginx did not read it", sw.file.Path, conf))
	}
	return nil
}

// editedMeanwhile says that nginx may have read another content than we did.
// Who replaces the file refuses it then.
func (sw *switching) editedMeanwhile() bool {
	now, err := livefile.Read(sw.file.Named)
	return err != nil || !bytes.Equal(now.Bytes, sw.file.Bytes)
}

// untestable is for who may not run nginx's test: that keeps nobody from a dry
// run.
func (sw *switching) untestable(err error) error {
	if !sw.request.DryRun {
		return refuse(Failed, "run it as root: `sudo bgswitch …`", err)
	}
	sw.note("whether nginx accepts the configuration is unknown: " + err.Error())
	return nil
}

// notAccepted says whose fault it is that nginx refuses.
func (sw *switching) notAccepted(err error) error {
	if sw.brokenBefore == nil {
		return refuse(NotAccepted, "see the change with `--dry-run`; the live file was not touched", err)
	}
	return refuse(NotAccepted, "mend the configuration until `nginx -t` passes, then type it again",
		fmt.Errorf("%w; nginx refused it before this switch, too: %w", err, sw.brokenBefore))
}

// beginTests has nginx test the configuration as it stands and with the new
// file, both at the same time: the two do not touch each other (in a test nginx
// takes no offence at an address in use, ngx_open_listening_sockets). They
// begin while the rest is still looked at, unless the target may be waited for.
func (sw *switching) beginTests(ctx context.Context) {
	if sw.asIs != nil {
		return
	}
	ctx, sw.endTests = context.WithCancel(ctx)
	sw.asIs = sw.begin(func() (nginx.Tested, error) { return sw.Nginx.TestAsIs(ctx, sw.master) })
	if sw.plan.Changes() {
		content := contentOf(sw.file, sw.plan)
		sw.aside = sw.begin(func() (nginx.Tested, error) { return sw.Nginx.TestAside(ctx, sw.master, sw.seen.at, content) })
	}
}

// testResult is what came of a test.
type testResult struct {
	tested nginx.Tested
	err    error
}

// begin runs a test meanwhile. Its result can be taken once.
func (sw *switching) begin(test func() (nginx.Tested, error)) <-chan testResult {
	done := make(chan testResult, 1)
	sw.testing.Go(func() {
		tested, err := test()
		done <- testResult{tested, err}
	})
	return done
}

// testsPatience is how long a test that nobody waits for any more may go on:
// one that is killed can leave a socket that it has just made.
const testsPatience = 100 * time.Millisecond

// stopTests makes sure that no test outlives the switch.
func (sw *switching) stopTests() {
	if sw.endTests == nil {
		return
	}
	kill := time.AfterFunc(testsPatience, sw.endTests)
	sw.testing.Wait()
	kill.Stop()
	sw.endTests()
}

func (sw *switching) testAside(context.Context) error {
	err := (<-sw.aside).err
	switch {
	case errors.Is(err, nginx.ErrNoAside) && sw.request.DryRun && sw.brokenBefore != nil:
		return sw.notAccepted(sw.brokenBefore)
	case errors.Is(err, nginx.ErrNoAside) && sw.request.DryRun:
		sw.note("the new file was not tested: this needs the right to make a mount namespace (root)")
		return nil
	case errors.Is(err, nginx.ErrNoAside):
		sw.Log.Debug().Err(err).Msg("the new file will be tested in place")
		sw.note("the new file could not be tested without touching the live one: it was tested in place")
		return nil
	case errors.Is(err, nginx.ErrRefused):
		return sw.notAccepted(err)
	case errors.Is(err, nginx.ErrRightsMissing):
		return sw.untestable(err)
	case errors.Is(err, nginx.ErrMoved):
		return refuse(Failed, "look at the file and type it again", err)
	case err == nil && sw.brokenBefore != nil:
		sw.note("nginx refuses the configuration as it stands, and accepts the new one: " + sw.brokenBefore.Error())
	}
	sw.tested = err == nil
	return err
}
