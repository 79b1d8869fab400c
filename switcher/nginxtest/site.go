package nginxtest

import (
	"errors"
	"fmt"
	"net"
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
	Container   *Container // where nginx runs in one
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
	if s.Blue, err = startAppBy("blue", dir, o.Apps); err != nil {
		return s, err
	}
	if s.Green, err = startAppBy("green", dir, o.Apps); err != nil {
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

// StartContainerSite runs a site below dir whose nginx is in a container, and
// whose apps only that reaches, by names of its own hosts. Its settings name no
// nginx.
func StartContainerSite(dir string, o ContainerOptions) (s *Site, err error) {
	s = &Site{Settings: filepath.Join(dir, "bgswitch.yaml"), StateDir: filepath.Join(dir, "state")}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
			s = nil
		}
	}()
	listen := map[string]string{"blue": "127.0.0.2:8080", "green": "127.0.0.3:8080"}
	o.Names = map[string]string{"app-blue": "127.0.0.2", "app-green": "127.0.0.3"}
	if o.HostNetwork {
		for color, address := range listen {
			if listen[color], err = freeAddress(address); err != nil {
				return s, err
			}
		}
	}
	name := func(color string) string {
		_, port, _ := net.SplitHostPort(listen[color])
		return "app-" + color + ":" + port
	}
	if o.Live == "" {
		o.Live = LiveFile(name("blue"))
	}
	if s.Container, err = StartContainer(dir, o); err != nil {
		return s, err
	}
	s.Nginx = s.Container.Nginx
	for color, app := range map[string]**App{"blue": &s.Blue, "green": &s.Green} {
		listener, err := s.Container.Listen(listen[color])
		if err != nil {
			return s, err
		}
		*app = serveApp(color, listener)
		(*app).Addr = name(color)
	}
	return s, os.WriteFile(s.Settings, []byte(s.SettingsText("")), 0o600)
}

// freeAddress is one of the host of an address whose port was free just now.
func freeAddress(address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// LiveFile is the origin page's file, with a comment that says the opposite.
func LiveFile(addr string) string {
	return fmt.Sprintf("# green is live\nupstream myapp {\n    server %s;   # do not edit by hand\n}\n", addr)
}

// SettingsText is the settings of the site; extra is indented below it.
func (s *Site) SettingsText(extra string) string {
	binary, _ := Binary()
	nginx := fmt.Sprintf("nginx:\n  binary: %s\n  conf: %s\n  prefix: %s\n", binary, s.Conf, s.Dir)
	if s.Container != nil {
		nginx = ""
	}
	return fmt.Sprintf("state_dir: %s\n%ssites:\n  myapp:\n    file: %s\n    blue: %s\n    green: %s\n    check: {interval: 10ms, timeout: 2s}\n%s",
		s.StateDir, nginx, s.Live, s.Blue.Addr, s.Green.Addr, extra)
}

// ConfirmText is the settings' confirm for this site.
func (s *Site) ConfirmText() string {
	return fmt.Sprintf("    confirm: {url: %q, blue: \"X-Color: blue\", green: \"X-Color: green\"}\n", s.URL())
}

// Test runs `nginx -t` on the configuration as it stands, where nginx runs.
func (s *Site) Test() error {
	if s.Container != nil {
		return s.Container.Test()
	}
	return s.Nginx.Test()
}

// Stop ends nginx and the apps.
func (s *Site) Stop() error {
	var err error
	switch {
	case s.Container != nil:
		err = s.Container.Stop()
	case s.Nginx != nil:
		err = s.Nginx.Stop()
	}
	for _, app := range []*App{s.Blue, s.Green} {
		if app != nil {
			err = errors.Join(err, app.Stop())
		}
	}
	return err
}
