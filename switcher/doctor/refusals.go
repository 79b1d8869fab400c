package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/access"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/trust"
)

// kind is which check a refusal of a switch belongs to.
type kind int

const (
	ofNginx   kind = iota // none runs that could be told to load
	ofItsTest             // it refuses its configuration, or the new file
	ofFile                // it is not understood
	ofNothing             // it decides nothing
	ofNames               // nginx would not find one
	ofFrost               // nobody may change it
	ofRights
	ofState
	ofElse
	ofUs // we have too few rights to know
)

func kindOf(e *switcher.Error) kind {
	var refusal *nginxconf.Refusal
	switch err := e.Err; {
	case isAny(err, access.ErrFrozen):
		return ofFrost
	case !mayAll() && isAny(err, fs.ErrPermission, nginx.ErrRightsMissing, nginx.ErrNoAside, nginx.ErrNotPermitted):
		return ofUs
	case isAny(err, nginx.ErrNotRunning, nginx.ErrPIDMoved, nginx.ErrNotProved, nginx.ErrOrphans, nginx.ErrNoBinary):
		return ofNginx
	case isAny(err, switcher.ErrDecidesNothing):
		return ofNothing
	case isAny(err, switcher.ErrNoResolver):
		return ofNames
	case isAny(err, nginx.ErrRefused):
		return ofItsTest
	case errors.As(err, &refusal), isAny(err, livefile.ErrNotOrdinary, fs.ErrNotExist):
		return ofFile
	case e.Step == "use the state folder":
		return ofState
	case isAny(err, trust.ErrUnsafe, livefile.ErrHardLink, fs.ErrPermission):
		return ofRights
	}
	return ofElse
}

func (x *site) refusals(of kind, say func(*switcher.Error) Finding) (found []Finding) {
	for _, e := range x.Refusals {
		if kindOf(e) == of {
			found = append(found, say(e))
		}
	}
	return found
}

func asProblem(e *switcher.Error) Finding { return problem(e.Hint, "%v", e.Err) }

// stopped: no nginx that could load anything, or none that is proved.
func (x *site) stopped() []Finding {
	found := x.refusals(ofNginx, asProblem)
	switch {
	case x.Commanded:
		found = append(found, unknown("run it where nginx runs", "nginx cannot be seen from here and is reloaded by a command from the settings, so its configuration was not looked at"))
	case len(found) == 0 && x.Running.Err != nil && x.Running.Matters && len(x.Refusals) == 0:
		found = append(found, unknown(x.s.AsRoot(), "%v", x.Running.Err))
	}
	return found
}

// refusedAsIs: nginx would neither load its configuration nor start with it.
func (x *site) refusedAsIs() []Finding {
	switch err := x.AsIs; {
	case isAny(err, nginx.ErrRefused):
		return []Finding{problem("mend that line, until `nginx -t` passes", "%v; nobody can switch, and nginx would not start again", err)}
	case !mayAll() && err != nil:
		return []Finding{unknown(x.s.AsRoot(), "how nginx is configured: %v", err)}
	case err != nil:
		return []Finding{unknown("`nginx -t` shows what it says", "how nginx is configured: %v", err)}
	case x.Master != 0 && x.Dump == nil:
		return []Finding{unknown("leave out `test:` below `nginx:` in the settings", "how nginx is configured: the command under `test:` does not show what nginx reads")}
	}
	return x.refusals(ofItsTest, func(e *switcher.Error) Finding {
		return problem(e.Hint, "a switch to %s would be refused: %v", x.Live.Other(), e.Err)
	})
}

func (x *site) notUnderstood() []Finding { return x.refusals(ofFile, asProblem) }

// decidesNothing: whatever a switch writes, the traffic stays where it is.
func (x *site) decidesNothing() (found []Finding) {
	for _, f := range x.Seen {
		if f.Decides != nil && kindOf(f.Decides) == ofNothing {
			found = append(found, problem(x.toDecide(f), "%v", f.Decides.Err))
		}
	}
	if len(found) > 0 {
		return found
	}
	return x.refusals(ofNothing, asProblem)
}

// toDecide is the line that makes the file decide.
func (x *site) toDecide(f switcher.SeenFile) string {
	if !x.Dump.Opens(f.At) {
		return fmt.Sprintf("include %s;   # in %s; or set `file:` to one that it includes", f.At, x.Dump.Main())
	}
	return f.Decides.Hint
}

func (x *site) frozen() []Finding {
	return x.refusals(ofFrost, func(e *switcher.Error) Finding {
		remedy := e.Hint
		if _, command, is := strings.Cut(e.Err.Error(), "until `"); is {
			remedy, _, _ = strings.Cut(command, "`")
		}
		return problem(remedy, "nobody can switch, not even root: %v", e.Err)
	})
}

// rights are whoever else could decide where the traffic goes.
func (x *site) rights() (found []Finding) {
	for _, doubt := range x.Doubts {
		found = append(found, problem(trust.Mend(doubt), "%v: who may write the live file, or what leads to it, decides what nginx does", doubt))
	}
	found = append(found, x.refusals(ofRights, asProblem)...)
	for _, text := range x.s.State.Readable() {
		found = append(found, advice("chmod -R go= "+foreign.Shell(x.s.State.Path), "%s", text))
	}
	for _, e := range x.Refusals {
		if kindOf(e) == ofUs {
			return append(found, unknown(cmp.Or(e.Hint, x.s.AsRoot()), "whether a switch would be possible: %v", e.Err))
		}
	}
	return found
}

func (x *site) stateUnusable() []Finding { return x.refusals(ofState, asProblem) }

func (x *site) otherwiseRefused() []Finding {
	return x.refusals(ofElse, func(e *switcher.Error) Finding { return problem(e.Hint, "a switch would be refused: %v", e) })
}

// drifting is what `status` calls so, but for what is told of nginx and of marks.
func (x *site) drifting() (found []Finding) {
	told := x.Answers == "" || x.OwnAnswers[x.Live].Is == x.Live.Other()
	for _, d := range x.Drift {
		if d.Key != switcher.DriftStopped && (d.Key != switcher.DriftAnswers || !told) {
			found = append(found, problem(d.Mend, "%s", d.What))
		}
	}
	return found
}

// mountedAlone: a container goes on seeing the file that it was given.
func (x *site) mountedAlone() (found []Finding) {
	for _, f := range x.Seen {
		if f.Alone {
			found = append(found, advice(fmt.Sprintf("- %s:%s:ro   # below `volumes:`, in place of the file's own line", filepath.Dir(f.Path), filepath.Dir(f.At)),
				"nginx has %s mounted by itself, and not its folder: it is written in place, where a power cut can tear it, and what an editor saves may never be seen", f.Path))
		}
	}
	return found
}

// comments mislead whoever reads the file in a hurry.
func (x *site) comments() (found []Finding) {
	for _, f := range x.Seen {
		for _, m := range f.Misnamed {
			found = append(found, advice(fmt.Sprintf("take it out; `%s` loads the file again then", x.s.Command("to", string(x.Live))),
				"%s says %q, but %s: a switch neither reads comments nor changes them", at(f.Path, m.Line), m.Text, m.Why))
		}
	}
	return found
}
