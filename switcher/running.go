package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// running is the nginx that runs: the one we see, or the one we only command.
type running interface {
	// view is how it sees a live file.
	view(*livefile.File) view
	// alone looks at what runs, and refuses an nginx whose load could not be
	// believed, for it shares the connections with another one.
	alone() error
	// permitted says whether it can be told to load; nothing is signalled.
	permitted() error
	// survivable refuses what nginx's own test lets pass and no worker survives.
	survivable() error
	// testAsIs and testAside are nginx's test, as nginx.Nginx has it.
	testAsIs(context.Context) (nginx.Tested, error)
	testAside(context.Context, []nginx.Content) (nginx.Tested, error)
	// knows says whether it has loaded the files as they are, by the record of what
	// a master was given; nil: there is none.
	knows(files, *statedir.Record) Loaded
	// load has the files loaded and, where that can be seen, proves it.
	load(context.Context, load) (loading, error)
	// lives says whether what a load started still serves.
	lives(loading) error
	// never says that nginx serves what it served before the switch, and that
	// no load of the new files can follow any more.
	never(first, second loading) bool
	// since is when it last loaded anything; the zero time where that is unknown.
	since() time.Time
	// window is how long the answers that prove a switch have to last.
	window() time.Duration
	// asks is the master that backends are asked for; nil: from here.
	asks() *nginx.Master
	// old are the workers from before the switch, and those that end now.
	old() (before, ending []nginx.Worker)
	close()
}

// load is what a load needs to know of the switch.
type load struct {
	files    []*os.File
	limit    time.Duration
	asked    int // workers, 0: unknown
	handover nginx.Handover
}

// loading is what was seen of a load, also of one that failed.
type loading struct {
	nginx.Attempt
	generation *nginx.Generation // nil: none was seen, or none was proved
}

// census looks, once, at all that call themselves nginx on this host.
type census func() (nginx.Processes, error)

// findRunning finds the nginx of the site. It is only commanded where none is
// to be found on this host and the settings say how to reload it: then nothing
// but what answers through it can prove a switch.
func (s *Survey) findRunning(ctx context.Context) (running, error) {
	if len(s.Site.Restart) > 0 {
		return restartedApp{s.Site.Restart}, nil
	}
	is, err := s.find(ctx, s.census, s.files())
	if err == nil {
		return &seenNginx{Switcher: s.Switcher, found: is, census: s.census, files: s.files()}, nil
	}
	if len(s.Nginx.Reload) == 0 || !errors.Is(err, nginx.ErrNotHere) {
		return nil, s.refuseMaster(err)
	}
	if err := s.each(func(p *part) error {
		if p.confirms() {
			return nil
		}
		return refuse(Failed, "set `confirm:` in the settings, so that the answers can prove the switch",
			fmt.Errorf("%w; nothing else could prove a switch, because the settings have no `confirm`", err))
	}); err != nil {
		return nil, err
	}
	return &commandedNginx{nginx: s.Nginx, log: s.Log}, nil
}

const hintNowhere = "start nginx's container (`docker ps -a` lists them); for an nginx on this host set `nginx: {binary: …}` in the settings"

// hintPIDMoved is what leads to the master again.
func hintPIDMoved(err error) string {
	var moved *nginx.MovedError
	if !errors.As(err, &moved) {
		return "see which nginx runs: `ps -C nginx -o pid,ppid,args`"
	}
	return fmt.Sprintf("`echo %d >%s`; or, if `pid` was changed in the configuration, change it back", moved.PID, foreign.Shell(moved.File))
}

const hintMisnamed = "remove `pid` below `nginx:` in the settings (an nginx that is the only one to read the file is found without it), or set it to the pid of nginx's master (`ps -C nginx -o pid,ppid,args`)"

const hintNotAsked = "look for a container of that name (`docker ps`); or remove `container` below `nginx:` in the settings (an nginx that is the only one to read the file is found without it); or name its master: `nginx: {pid: …}`"

func (s *Switcher) refuseMaster(err error) error {
	outcome := Failed
	if errors.Is(err, nginx.ErrPIDMoved) {
		outcome = NotAccepted
	}
	return refuse(outcome, s.hintForMaster(err), err)
}

func (s *Switcher) hintForMaster(err error) string {
	var orphans *nginx.OrphansError
	switch {
	case errors.Is(err, errAppUnseen):
		return "ask whatever starts the app what is still running; `drain` waits for old workers of nginx, and none serves " + s.Site.Name
	case errors.As(err, &orphans):
		end := fmt.Sprintf("end them: `kill -QUIT %s`", strings.Trim(fmt.Sprint(orphans.PIDs), "[]"))
		if errors.Is(err, nginx.ErrNotRunning) {
			end += ", then start nginx (`systemctl start nginx`)"
		}
		return end
	case errors.Is(err, nginx.ErrPIDMoved):
		return hintPIDMoved(err)
	case errors.Is(err, nginx.ErrNoBinary) && os.Geteuid() != 0:
		return s.AsRoot()
	case errors.Is(err, nginx.ErrNoBinary):
		return hintNowhere
	case errors.Is(err, nginx.ErrMisnamed):
		return hintMisnamed
	case errors.Is(err, nginx.ErrNamedHere):
		return "remove `pid` below `nginx:` in the settings"
	case errors.Is(err, nginx.ErrNotAsked):
		return hintNotAsked
	case errors.Is(err, nginx.ErrNotRunning) && s.Nginx.ContainerName != "":
		return "start it: `docker start " + s.Nginx.ContainerName + "`"
	case errors.Is(err, nginx.ErrNotRunning):
		return fmt.Sprintf("start nginx (`systemctl start nginx`) and look with `%s`", s.Command("status"))
	case errors.Is(err, nginx.ErrSeveral):
		return "name the right one in the settings: `nginx: {container: NAME}`, or `nginx: {pid: …}`"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, nginx.ErrNotPermitted):
		return s.AsRoot()
	}
	return "see which nginx runs: `ps -C nginx -o pid,ppid,args`"
}
