package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"github.com/rogpeppe/go-internal/testscript"
)

// stand is what one script has: a private site, and what it started.
type stand struct {
	ts      *testscript.TestScript
	env     *testscript.Env
	dir     string
	main    *nginxtest.Site
	running map[string]*background
	noted   *noted
	held    map[string]io.Closer
}

var errUse = errors.New("wrong use of this command")

const patience = nginxtest.Patience

func (s *stand) needs(rights []string) error {
	for _, right := range rights {
		rightstest.Needs(s.env.T().(testing.TB), scriptRights[right])
	}
	return nil
}

// site starts nginx and both apps below $WORK/site.
func (s *stand) site(args []string) (err error) {
	flags := flag.NewFlagSet("site", flag.ContinueOnError)
	workers := flags.Int("workers", 2, "")
	asNobody := flags.Bool("nobody", false, "")
	tmpfs := flags.String("tmpfs", "", "")
	mount := flags.String("container", "", "") // how the live file comes into it
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder := filepath.Join(s.dir, "site")
	o := nginxtest.Options{Workers: *workers}
	if *asNobody && os.Geteuid() == 0 {
		o.User = &nobody
		err = layOut(folder)
	}
	if *tmpfs != "" {
		o.Launch = inMemory(filepath.Join(folder, "conf.d"), *tmpfs)
	}
	if err != nil {
		return err
	}
	if *mount == "" {
		s.main, err = nginxtest.StartSite(folder, o)
	} else {
		s.main, err = nginxtest.StartContainerSite(folder, nginxtest.ContainerOptions{Workers: *workers, Mount: *mount})
	}
	if err == nil {
		s.setenv()
	}
	return err
}

// layOut makes the folders and files of a site in advance, so that they are
// nobody's.
func layOut(folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, "conf.d"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{".", "conf.d", "conf.d/active_upstream.conf", "bgswitch.yaml"} {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err != nil {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
		}
		if err := os.Chown(path, int(nobody.Uid), int(nobody.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// inMemory starts nginx in mounts of its own, with its conf.d on a tmpfs.
func inMemory(confd, size string) []string {
	script := `confd=$1 size=$2; shift 2
		mount --make-rprivate / && mv "$confd" "$confd.disk" && mkdir "$confd" &&
		mount -t tmpfs -o size="$size",mode=755 tmpfs "$confd" && cp "$confd.disk"/* "$confd" && exec "$@"`
	return []string{"unshare", "-m", "sh", "-c", script, "sh", confd, size}
}

func (s *stand) setenv() {
	confd := filepath.Dir(s.main.Live)
	binary, _ := nginxtest.Binary()
	name := binary
	if folder := filepath.Dir(binary); folder == "/usr/sbin" || folder == "/usr/local/sbin" {
		name = filepath.Base(binary)
	}
	for variable, value := range map[string]string{
		"CONF": s.main.Settings, "BGSWITCH_CONFIG": s.main.Settings, "MAIN": s.main.Conf, "DIR": s.main.Dir,
		"LIVE": s.main.Live, "CONFD": confd, "URL": s.main.URL(), "ADDR": s.main.Addr,
		"BLUE": s.main.Blue.Addr, "GREEN": s.main.Green.Addr,
		"STATE": s.main.StateDir, "PIDFILE": s.main.PIDFile, "MASTER": strconv.Itoa(s.main.PID), "NGINX_BIN": binary, "NGINX_NAME": name,
	} {
		s.ts.Setenv(variable, value)
	}
}

// close ends whatever the script started and makes sure that it is gone.
func (s *stand) close() error {
	var err error
	for _, held := range s.held {
		_ = held.Close()
	}
	for _, b := range s.running {
		err = errors.Join(err, b.kill())
	}
	if s.main == nil {
		return err
	}
	group := s.main.PID
	err = errors.Join(err, s.main.Stop())
	return errors.Join(err, nginxtest.Eventually(patience, func() error {
		if err := syscall.Kill(-group, 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("nginx %d or a worker of it is still there: %v", group, err)
		}
		return nil
	}))
}

func (s *stand) appOf(color string) (*nginxtest.App, error) {
	switch color {
	case "blue":
		return s.main.Blue, nil
	case "green":
		return s.main.Green, nil
	}
	return nil, fmt.Errorf("%w: no color %q", errUse, color)
}

func (s *stand) app(args []string) error {
	app, err := s.appOf(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "sick":
		app.Sicken(true)
		app.Mute(false)
	case "well":
		app.Sicken(false)
		app.Mute(false)
	case "mute":
		app.Mute(true)
	case "stop":
		return app.Stop()
	default:
		return errUse
	}
	return nil
}

// asked waits until somebody has asked an app: by then the live file is read.
func (s *stand) asked(args []string) error {
	app, err := s.appOf(args[0])
	if err != nil {
		return err
	}
	return nginxtest.Eventually(patience, func() error {
		if app.Asked() == 0 {
			return fmt.Errorf("nobody has asked %s", args[0])
		}
		return nil
	})
}

// hold opens an answer that goes on until it is let go.
func (s *stand) hold(args []string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(s.main.URL() + "hold")
	if err != nil {
		return err
	}
	if s.held == nil {
		s.held = map[string]io.Closer{}
	}
	s.held[args[0]] = response.Body
	return nil
}

func (s *stand) letGo(args []string) error {
	held, is := s.held[args[0]]
	if !is {
		return fmt.Errorf("%w: %s is not held", errUse, args[0])
	}
	delete(s.held, args[0])
	return held.Close()
}

func (s *stand) answers(args []string) error {
	const asked = 20
	if got := nginxtest.Answers(s.main.URL(), asked); got[args[0]] != asked {
		return fmt.Errorf("%d fresh connections got %v, want all %s", asked, got, args[0])
	}
	return nil
}

// nginx reloads by hand and waits until the workers have changed, or ends it.
func (s *stand) nginx(args []string) error {
	switch args[0] {
	case "stop":
		return s.main.Nginx.Stop()
	case "pause":
		return s.main.Signal(syscall.SIGSTOP)
	case "go-on":
		return s.main.Signal(syscall.SIGCONT)
	case "reload":
		before := s.main.Workers()
		if err := s.main.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		return nginxtest.Eventually(patience, func() error {
			now := s.main.Workers()
			if len(now) != len(before) || slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) }) {
				return fmt.Errorf("the workers are %v, before they were %v", now, before)
			}
			return nil
		})
	}
	return errUse
}

func (s *stand) settings(args []string) error {
	whole := args[0] == "-whole"
	text := s.expanded(args[len(args)-1])
	if !whole {
		text = s.main.SettingsText(text)
	}
	return os.WriteFile(s.main.Settings, []byte(text), 0o600)
}

func (s *stand) live(args []string) error {
	return os.WriteFile(s.main.Live, []byte(s.expanded(args[0])), 0o644)
}

func (s *stand) expand(args []string) error {
	return os.WriteFile(s.ts.MkAbs(args[0]), []byte(s.expanded(args[0])), 0o644)
}

func (s *stand) expanded(file string) string {
	return os.Expand(s.ts.ReadFile(file), func(name string) string {
		if name == "$" {
			return "$"
		}
		return s.ts.Getenv(name)
	})
}

// noted is how things stood.
type noted struct {
	Bytes   string
	Inode   uint64
	Changed time.Time
	Mode    os.FileMode
	Beside  []string
	Workers []int
}

// confd is the folder of the live file as nginx sees it, which may have mounts
// of its own.
func (s *stand) confd() string {
	folder := filepath.Dir(s.main.Live)
	seen := fmt.Sprintf("/proc/%d/root%s", s.main.PID, folder)
	if _, err := os.Stat(seen); err == nil {
		return seen
	}
	return folder
}

func (s *stand) look() (*noted, error) {
	live := filepath.Join(s.confd(), filepath.Base(s.main.Live))
	info, err := os.Stat(live)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(live)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.confd())
	if err != nil {
		return nil, err
	}
	n := &noted{
		Bytes: string(content), Inode: info.Sys().(*syscall.Stat_t).Ino,
		Changed: info.ModTime(), Mode: info.Mode(), Workers: s.main.Workers(),
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(s.lockFile()) { // it is there while anybody is at work: see nothing-beside
			n.Beside = append(n.Beside, entry.Name())
		}
	}
	slices.Sort(n.Workers)
	return n, nil
}

func (s *stand) remember([]string) (err error) {
	s.noted, err = s.look()
	return err
}

func (s *stand) untouched([]string) error { return s.compare(func(*noted) {}) }

func (s *stand) restored([]string) error {
	return s.compare(func(now *noted) { now.Workers = s.noted.Workers })
}

func (s *stand) workersSame([]string) error {
	return s.compare(func(now *noted) {
		workers := now.Workers
		*now = *s.noted
		now.Workers = workers
	})
}

func (s *stand) compare(ignore func(*noted)) error {
	now, err := s.look()
	if err != nil {
		return err
	}
	ignore(now)
	if !reflect.DeepEqual(now, s.noted) {
		return fmt.Errorf("now  %+v\nwant %+v", *now, *s.noted)
	}
	return nil
}

func (s *stand) nothingBeside([]string) error {
	entries, err := os.ReadDir(s.confd())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			return fmt.Errorf("%s stands beside the live file", entry.Name())
		}
	}
	return nil
}
