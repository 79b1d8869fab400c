// Package nginx wraps the nginx of this host: its binary and built-in paths,
// its test, its master and workers, and the load of a configuration with the
// proof that the workers took it. It never believes an exit code for that.
package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/caller"
	"bgswitch/switcher/command"
	"bgswitch/switcher/inside"
	"bgswitch/switcher/root"
)

// Nginx is one nginx: a binary with a configuration. The zero value is the
// system's own: `nginx` from PATH or the usual folders, with the paths it was
// built with.
type Nginx struct {
	Binary string   // a name or a path; empty: nginx
	Conf   string   // the main configuration; empty: what `nginx -V` says
	Prefix string   // the -p of the running nginx; empty: what `nginx -V` says
	Test   []string // argv that replaces our own test, or empty
	Reload []string // argv that replaces our own signal, or empty

	MasterPID     int    // the master that is meant, or the first process of its container; 0: not said
	ContainerName string // what a runtime calls its container; empty: not said

	Within *Container      // where this one was found; nil: on this host
	inside *inside.Process // its master, where it is elsewhere
	files  root.Root       // where its paths begin

	buildOnce sync.Once
	built     build
	buildErr  error
}

// build is what `nginx -V` says of the paths compiled in.
type build struct {
	prefix, conf, pid, errorLog, user string
	version                           Version
}

// sbinFolders are searched after PATH: cron's PATH has no sbin folder.
var sbinFolders = []string{"/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/nginx/sbin", "/opt/nginx/sbin"}

// commandLimit bounds one run of nginx or of an operator's command: a mute
// resolver alone holds `nginx -t` for ten seconds per name.
const commandLimit = 60 * time.Second

// ErrNoBinary says that there is no nginx to run.
var ErrNoBinary = errors.New("no nginx binary found")

// findBinary resolves the name of the binary to a path.
func findBinary(name string) (string, error) {
	if name == "" {
		name = "nginx"
	}
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	if filepath.Base(name) == name {
		for _, folder := range sbinFolders {
			if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%w: %s is neither in PATH nor in %s", ErrNoBinary, name, sbinFolders[0])
}

// paths returns what is compiled into the binary; it asks the binary once.
func (n *Nginx) paths() (build, error) { return n.ask(context.Background()) }

func (n *Nginx) ask(ctx context.Context) (build, error) {
	n.buildOnce.Do(func() { n.built, n.buildErr = n.askBuild(ctx) })
	return n.built, n.buildErr
}

func (n *Nginx) askBuild(ctx context.Context) (build, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	if n.Within != nil {
		out, err := n.inside.Run(ctx, inside.Program{Args: []string{"-V"}})
		if err != nil {
			return build{}, fmt.Errorf("nginx -V in %s: %w", n.Within, err)
		}
		return parseBuild(out), nil
	}
	binary, err := findBinary(n.Binary)
	if err != nil {
		return build{}, err
	}
	out, err := command.Run(ctx, command.Command{Argv: []string{binary, "-V"}, Env: caller.NginxEnv()})
	if err != nil {
		return build{}, fmt.Errorf("%s -V: %w", binary, err)
	}
	return parseBuild(out), nil
}

var configureArgument = regexp.MustCompile(`--(prefix|conf-path|pid-path|error-log-path|user)=(\S+)`)

// parseBuild reads the configure arguments. The defaults are those of nginx's
// auto/options, auto/init and auto/unix.
func parseBuild(out []byte) build {
	b := build{prefix: "/usr/local/nginx", conf: "conf/nginx.conf", pid: "logs/nginx.pid", errorLog: "logs/error.log", user: "nobody"}
	into := map[string]*string{"prefix": &b.prefix, "conf-path": &b.conf, "pid-path": &b.pid, "error-log-path": &b.errorLog, "user": &b.user}
	b.version = parseVersion(out)
	for _, match := range configureArgument.FindAllSubmatch(out, -1) {
		*into[string(match[1])] = string(bytes.Trim(match[2], `'"`))
	}
	return b
}

// prefix is the folder that relative paths hang from (ngx_process_options in
// nginx's src/core/nginx.c).
func (n *Nginx) prefix() (string, error) {
	if n.Prefix != "" {
		return n.Prefix, nil
	}
	b, err := n.paths()
	return b.prefix, err
}

// ConfPath is the main configuration file, absolute.
func (n *Nginx) ConfPath() (string, error) {
	conf := n.Conf
	if conf == "" {
		b, err := n.paths()
		if err != nil {
			return "", err
		}
		conf = b.conf
	}
	return n.absolute(conf)
}

func (n *Nginx) absolute(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	prefix, err := n.prefix()
	return filepath.Join(prefix, path), err
}

// confLimit bounds what is read of a configuration or a pid file, in bytes.
const confLimit = 4 << 20

// directive is the first argument of a main-level directive of the main
// configuration file; empty when it is not there.
func (n *Nginx) directive(name string) (string, error) {
	conf, err := n.ConfPath()
	if err != nil {
		return "", err
	}
	src, err := n.files.Read(conf, confLimit)
	if err != nil {
		return "", err
	}
	args, err := nginxconf.Directive(src, name)
	if err != nil || len(args) == 0 {
		return "", err
	}
	return args[0], nil
}

// PIDPath is the file that the configuration names for the master's pid, or
// the one compiled in.
func (n *Nginx) PIDPath() (string, error) {
	pid, err := n.directive("pid")
	if err != nil {
		return "", err
	}
	if pid == "" {
		b, err := n.paths()
		if err != nil {
			return "", err
		}
		pid = b.pid
	}
	return n.absolute(pid)
}
