package nginxtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Site is the whole set-up of the origin page: a private nginx, a blue app and
// a green one, and the settings that name them.
type Site struct {
	*Nginx
	Blue, Green *App
	Settings    string // path of the settings
	StateDir    string
}

// StartSite runs a site below dir, with blue live. An empty Live of the
// options becomes the origin page's file.
func StartSite(dir string, o Options) (s *Site, err error) {
	s = &Site{Settings: filepath.Join(dir, "bgswitch.yaml"), StateDir: filepath.Join(dir, "state")}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
			s = nil
		}
	}()
	if s.Blue, err = StartApp("blue"); err != nil {
		return s, err
	}
	if s.Green, err = StartApp("green"); err != nil {
		return s, err
	}
	if o.Live == "" {
		o.Live = LiveFile(s.Blue.Addr)
	}
	if s.Nginx, err = Start(dir, o); err != nil {
		return s, err
	}
	return s, os.WriteFile(s.Settings, []byte(s.SettingsText("")), 0o600)
}

// LiveFile is the origin page's file, with a comment that says the opposite.
func LiveFile(addr string) string {
	return fmt.Sprintf("# green is live\nupstream myapp {\n    server %s;   # do not edit by hand\n}\n", addr)
}

// SettingsText is the settings of the site; extra is indented below it.
func (s *Site) SettingsText(extra string) string {
	binary, _ := Binary()
	return fmt.Sprintf("state_dir: %s\nnginx:\n  binary: %s\n  conf: %s\n  prefix: %s\nsites:\n  myapp:\n    file: %s\n    blue: %s\n    green: %s\n    check: {interval: 10ms, timeout: 2s}\n%s",
		s.StateDir, binary, s.Conf, s.Dir, s.Live, s.Blue.Addr, s.Green.Addr, extra)
}

// ConfirmText is the settings' confirm for this site.
func (s *Site) ConfirmText() string {
	return fmt.Sprintf("    confirm: {url: %q, blue: \"X-Color: blue\", green: \"X-Color: green\"}\n", s.URL())
}

// Stop ends nginx and the apps.
func (s *Site) Stop() error {
	var err error
	if s.Nginx != nil {
		err = s.Nginx.Stop()
	}
	for _, app := range []*App{s.Blue, s.Green} {
		if app != nil {
			err = errors.Join(err, app.Stop())
		}
	}
	return err
}
