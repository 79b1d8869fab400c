package switcher

import (
	"context"
	"errors"
	"slices"

	"bgswitch/health"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// found is the nginx of the site, with its master held.
type found struct {
	nginx  *nginx.Nginx
	master *nginx.Master
}

// find finds the nginx that the live files are for: on this host, or in the only
// container that is shown them.
func (s *Switcher) find(ctx context.Context, census census, files files) (found, error) {
	if len(s.Site.Restart) > 0 {
		return found{}, errAppUnseen
	}
	if s.Nginx.Named() {
		return s.findContained(ctx, census, files, nil)
	}
	master, err := s.Nginx.FindMaster()
	if err != nil && !errors.Is(err, nginx.ErrNotHere) {
		return found{}, err
	}
	if err == nil && s.gave(master, files) {
		return found{s.Nginx, master}, nil
	}
	there, errThere := s.findContained(ctx, census, files, func() bool {
		return err == nil && s.reads(ctx, found{s.Nginx, master}, files)
	})
	if errThere == nil && len(s.Nginx.Reload) > 0 && !s.gave(there.master, files) && !s.reads(ctx, there, files) {
		there.close() // the one that is only commanded is another
		there, errThere = found{}, nginx.ErrNotHere
	}
	switch {
	case err == nil && errors.Is(errThere, nginx.ErrNotHere):
		return found{s.Nginx, master}, nil
	case err == nil:
		master.Close()
	case errors.Is(errThere, nginx.ErrNotHere):
		return found{}, s.nowhere(census, err)
	}
	return there, errThere
}

// gave says that a switch on record gave this master these files: then it is the
// one, and nobody else is looked for.
func (s *Switcher) gave(master *nginx.Master, files files) bool {
	last, err := s.lastGiven()
	return err == nil && files.noted(last) != nil && last.Generation.Master == master.PID && last.Generation.MasterStart == master.Start()
}

// nowhere is why nothing was found, neither here nor in a container.
func (s *Switcher) nowhere(census census, err error) error {
	processes, errCensus := census()
	if errCensus != nil {
		return err
	}
	return processes.Nowhere(err)
}

// findOnly is find, and makes sure that it is the only one.
func (s *Switcher) findOnly(ctx context.Context, census census, files files) (found, error) {
	is, err := s.find(ctx, census, files)
	if err != nil {
		return found{}, err
	}
	processes, err := census()
	if err == nil {
		err = is.nginx.Only(is.master, processes)
	}
	if err != nil {
		is.close()
		return found{}, err
	}
	return is, nil
}

// findContained asks the nginx of this host by here, where one elsewhere sees the files.
func (s *Switcher) findContained(ctx context.Context, census census, files files, here func() bool) (found, error) {
	processes, err := census()
	if err != nil || len(files) == 0 {
		return found{}, errors.Join(err, nginx.ErrNotHere)
	}
	there, master, err := s.Nginx.Contained(ctx, processes, nginx.Sight{
		At: func(pid int) (first string) {
			for _, file := range slices.Backward(files) {
				if first, _, err = file.SeenBy(pid); err != nil || first == "" {
					return ""
				}
			}
			return first
		},
		Reads: func(ctx context.Context, n *nginx.Nginx, m *nginx.Master) bool {
			return s.reads(ctx, found{n, m}, files)
		},
		Here: here,
	})
	return found{there, master}, err
}

// reads says whether one of several nginx that see the files reads them. Where
// its test does not tell, it does.
func (s *Switcher) reads(ctx context.Context, is found, files files) bool {
	tested, err := is.nginx.TestAsIs(ctx, is.master)
	if err != nil || tested.Dump == nil {
		return true
	}
	return !slices.ContainsFunc(files, func(file *livefile.File) bool {
		return !file.IsFolder() && !tested.Dump.Opens(viewOf(file, is.master.PID).at)
	})
}

func (f found) close() {
	if f.master != nil {
		f.master.Close()
	}
}

// askColor asks the backends of a color from where nginx asks them: from the network
// of its container, with its resolver. A URL of the settings is asked from here.
func (s *Switcher) askColor(ctx context.Context, from *nginx.Master, check health.Check, color Color) []health.Verdict {
	return s.askFrom(ctx, from, check, s.Site.Backends(color))
}

func (s *Switcher) askFrom(ctx context.Context, from *nginx.Master, check health.Check, backends []health.Backend) []health.Verdict {
	if from == nil {
		return s.Asker.Ask(ctx, check, backends)
	}
	return from.Ask(ctx, s.Asker, check, backends)
}
