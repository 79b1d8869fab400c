// Package caller keeps what comes from the process that called us, its
// environment and its limits, from deciding anything where we are root: behind
// sudo, doas, pkexec or su that process may be anybody's.
package caller

import (
	"math"
	"os"
	"os/user"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// Path is the only $PATH that root has, and that nginx is run with.
const Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// believed is all that root takes from its caller's environment, each with what
// it has to look like. Neither a terminal nor a zone is a path of somebody's.
var believed = map[string]*regexp.Regexp{
	"BGSWITCH_CONFIG":  regexp.MustCompile(`(?s).`), // whose the file is decides what it is worth
	"BGSWITCH_RELEASE": regexp.MustCompile(`.`),     // for the history
	"BGSWITCH_REASON":  regexp.MustCompile(`(?s).`),
	"BGSWITCH_WAIT":    regexp.MustCompile(`(?s).`), // it is bounded where it is read
	"SUDO_USER":        regexp.MustCompile(`.`),
	"SUDO_UID":         regexp.MustCompile(`(?s).`), // with the next two: see ByRule
	"SUDO_COMMAND":     regexp.MustCompile(`(?s).`),
	"PKEXEC_UID":       regexp.MustCompile(`(?s).`),
	"DOAS_USER":        regexp.MustCompile(`.`),
	"NO_COLOR":         regexp.MustCompile(`.`),
	"TERM":             regexp.MustCompile(`^[A-Za-z0-9+.-]+$`),
	"TZ":               regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`),
}

// ForgetEnvironment leaves root with what it believes, and nobody else
// otherwise. What Go reads for itself goes, too: SSL_CERT_FILE would let the
// caller's authority vouch for a backend, TMPDIR, HTTP_PROXY and GODEBUG steer
// us. What the runtime has read already (GOMEMLIMIT, GOTRACEBACK) is set back.
func ForgetEnvironment() {
	if os.Geteuid() != 0 {
		return
	}
	kept := map[string]string{"PATH": Path, "HOME": rootsHome()}
	for name, plain := range believed {
		if value := os.Getenv(name); plain.MatchString(value) {
			kept[name] = value
		}
	}
	os.Clearenv()
	for name, value := range kept {
		_ = os.Setenv(name, value) // it came from an environment
	}
	debug.SetMemoryLimit(math.MaxInt64)
	debug.SetTraceback("single")
}

func rootsHome() string {
	root, err := user.LookupId("0")
	if err != nil {
		return "/"
	}
	return root.HomeDir
}

// NginxEnv is the environment that nginx runs with. An ordinary user's nginx
// may need libraries of his.
func NginxEnv() []string {
	env := []string{"PATH=" + Path}
	if libraries, ok := os.LookupEnv("LD_LIBRARY_PATH"); ok && os.Geteuid() != 0 {
		env = append(env, "LD_LIBRARY_PATH="+libraries)
	}
	return env
}

// OperatorEnv is the environment of a program from the settings: root's own, or
// the ordinary user's. $NGINX would hand nginx somebody's sockets
// (ngx_add_inherited_sockets).
func OperatorEnv() []string {
	if os.Geteuid() == 0 {
		return []string{"PATH=" + Path, "HOME=" + rootsHome()}
	}
	return slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "NGINX=") })
}
