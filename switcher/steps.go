package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/trust"
)

var errInterrupted = errors.New("interrupted before anything changed")

// steps is the story. What only looks comes first.
func (sw *switching) steps() []step {
	same := func() bool { return !sw.plan.Changes() }
	return []step{
		{name: "take the lock", do: sw.takeLock},
		{name: "read the live file", do: sw.read},
		{name: "find nginx", do: sw.findNginx},
		{name: "find the target healthy", do: sw.askTarget},
		{name: "make sure that the file can be replaced", do: sw.replaceable, skip: same},
		{name: "make sure that new workers will live", do: sw.survive},
		{name: "test the configuration as it stands", do: sw.testAsIs},
		{name: "test the new file", do: sw.testAside, skip: same},
		{name: "replace the file", do: sw.replace, changes: true, skip: same},
		{name: "test the new file in place", do: sw.testInPlace, changes: true, skip: func() bool { return same() || sw.tested }},
		{name: "reload nginx", do: sw.reload, changes: true},
		{name: "confirm through nginx", do: sw.confirm, changes: true, skip: func() bool { return sw.Site.Confirm == nil }},
	}
}

func (sw *switching) takeLock(ctx context.Context) error {
	if sw.request.DryRun {
		if err := sw.usable(); err != nil {
			return err
		}
		holder, held, err := sw.Locks.Held()
		if errors.Is(err, fs.ErrPermission) {
			sw.note("whether another bgswitch is at work is unknown: " + err.Error())
			return nil
		}
		if held {
			err = busy(&statedir.BusyError{Holder: holder})
		}
		return err
	}
	lock, err := sw.Locks.Lock(ctx, sw.request.WaitLock, sw.request.Command)
	sw.lock = lock
	if err == nil {
		err = errors.Join(sw.State.Create(), sw.State.Safe())
	}
	var taken *statedir.BusyError
	if errors.As(err, &taken) {
		return busy(taken)
	}
	if errors.Is(err, fs.ErrPermission) {
		return refuse(Failed, hintRoot, err)
	}
	if err != nil && ctx.Err() == nil {
		return refuse(Failed, hintState, err)
	}
	for _, open := range sw.State.Readable() {
		sw.note(open)
	}
	return err
}

// usable refuses to a dry run what would refuse the switch. A right that we
// lack keeps nobody from looking.
func (sw *switching) usable() error {
	err := sw.stateUsable()
	if errors.Is(err, fs.ErrPermission) && !keepsAnybody(err) {
		sw.note("you may not write the state folder: " + err.Error())
		return nil
	}
	if err != nil {
		return refuse(Failed, hintState, err)
	}
	return nil
}

const (
	hintRoot  = "run it as root (`sudo bgswitch …`), or set state_dir to a folder of yours"
	hintState = "set state_dir in the settings to a folder that can be written, and is safe from others"
)

func busy(err *statedir.BusyError) error {
	return refuse(Busy, "wait for it, or add `--wait-lock 30s`; `bgswitch status` shows where the traffic is", err)
}

func (sw *switching) read(context.Context) error {
	if !sw.request.DryRun {
		if err := sw.recover(); err != nil {
			return err
		}
	}
	if sibling, is := livefile.Selector(sw.Site.File); is {
		return refuse(NotAccepted, "set `file:` to a small file that nginx includes and that holds the deciding `server` line itself",
			fmt.Errorf("%s is a link that selects the color by its target, beside %s: editing the target would make it say the other color", sw.Site.File, sibling))
	}
	if err := sw.doubt(); err != nil {
		return err
	}
	file, err := livefile.Read(sw.Site.File)
	if err != nil {
		return unreadable(err)
	}
	sw.file, sw.seen = file, seen{at: file.Path}
	sw.plan, err = plan(sw.Site, file, sw.target)
	if err != nil {
		return notUnderstood(err)
	}
	sw.result.Plan = sw.plan
	return nil
}

// doubt names what others may write of the live file: who may write it owns
// what root's nginx does.
func (sw *switching) doubt() error {
	doubts := trust.Doubts(sw.Site.File)
	if len(doubts) > 0 && sw.request.Strict {
		return refuse(Failed, "take the right away (`chmod go-w`, `chown root`), or leave out --strict", errors.New(doubts[0]))
	}
	for _, doubt := range doubts {
		sw.note(doubt + ": who may write the live file decides what nginx does")
	}
	return nil
}

func unreadable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(Failed, "name the file with `--file`, or set `file:` in the settings", err)
	case errors.Is(err, fs.ErrPermission):
		return refuse(Failed, "run it as root: `sudo bgswitch …`", err)
	case errors.Is(err, livefile.ErrNotOrdinary):
		return refuse(NotAccepted, "set `file:` to the small file that decides the color", err)
	}
	return err
}

func notUnderstood(err error) error {
	var refusal *nginxconf.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	return refuse(NotAccepted, "mend the file or the settings; `bgswitch status` reads both without touching anything", err)
}

// target is the color to go to. With two colors, the one that had the traffic
// before is always the other one: the history could name no third.
func (sw *switching) target(live Color) Color {
	if sw.request.To == "" {
		return live.Other()
	}
	return sw.request.To
}

// recover mends what a killed run left: a file that was never tested is taken
// out, and what stood beside the live file is swept up.
func (sw *switching) recover() error {
	settled, err := sw.putBackUntested()
	if err != nil || !settled {
		return err
	}
	left, err := livefile.Sweep(sw.Site.File)
	kept, errKept := livefile.SweepKept(sw.State.Path, sw.Site.File)
	if left = append(left, kept...); len(left) > 0 {
		sw.Log.Debug().Strs("files", left).Msg("swept up what an earlier run left")
	}
	return unlessMissing(errors.Join(err, errKept))
}

// putBackUntested acts on the note of a killed run. settled is false where
// there is one that cannot be acted on: then what it may speak of is kept.
func (sw *switching) putBackUntested() (settled bool, err error) {
	note, found, err := sw.State.ReadUntested()
	switch {
	case err != nil:
		sw.note("the note of an earlier run cannot be read, what it kept was left: " + err.Error())
		return false, nil
	case !found:
		return true, nil
	case !sw.isOurs(note):
		sw.note("an earlier run left a note about another file, " + note.Live + ": it was not acted on")
		return false, nil
	}
	back, err := livefile.PutBackLeftover(note.Live, note.Kept, note.LiveHash, note.KeptHash)
	if err != nil {
		return false, err
	}
	if back {
		sw.note("an earlier run was killed before its file was sure to be right: the old one is back")
	}
	return true, sw.State.ForgetUntested()
}

// isOurs says that a note speaks of the site's live file: what it says would
// be put there.
func (sw *switching) isOurs(note statedir.Untested) bool {
	live, err := filepath.EvalSymlinks(sw.Site.File)
	return err == nil && note.Live == live
}

func unlessMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
