package nginx_test

import (
	"fmt"
	"net"
	"os"

	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// stranger is nobody whom nginx's workers could run as.
var stranger = &syscall.Credential{Uid: 64001, Gid: 64001}

// strangers runs a whole nginx of a stranger's, with his own configuration.
func strangers(t *testing.T, o nginxtest.Options, line string) *running {
	t.Helper()
	dir := rightstest.OpenFolder(t)
	if err := os.Chown(dir, int(stranger.Uid), int(stranger.Gid)); err != nil {
		t.Fatal(err)
	}
	o.User, o.Workers = stranger, 1
	return start(t, dir, o, line)
}

// A stranger's nginx is a real one, our own binary or a copy of it, and its
// command line names our configuration in a comment.
func TestAStrangersNginxIsNoSecondMaster(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1}, "")
	pretends := fmt.Sprintf(`%%s -p . -c nginx.conf -g '# -p %s -c %s'`, r.Dir, r.Conf)
	strangers(t, nginxtest.Options{}, fmt.Sprintf(pretends, binary(t)))
	r.isMaster()
	copied := filepath.Join(rightstest.OpenFolder(t), "nginx")
	copyTo(t, copied, binary(t))
	strangers(t, nginxtest.Options{}, fmt.Sprintf(pretends, copied))
	r.isMaster()
}

// His orphans on the same port of another address family are his.
func TestAStrangersOrphansStopNobody(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	if listener, err := net.Listen("tcp6", "[::]:0"); err != nil {
		rightstest.Without(t, "IPv6")
	} else {
		listener.Close()
	}
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1, Listen: "0.0.0.0:%d"}, "")
	_, port, _ := strings.Cut(r.Addr, ":")
	his := strangers(t, nginxtest.Options{Listen: "[::]:" + port}, "")
	his.kill()
	r.isMaster()
}

func TestNginxInAContainerIsNoSecondMaster(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	r := start(t, rightstest.OpenFolder(t), shared, "")
	r.inside()
	r.names(r.PID)
	r.isMaster()
	r.isMasterToNobody(binary(t))
}

// Another build finds another configuration without being told: to who may not
// see an executable the name nginx says nothing of it.
func TestAnotherBuildIsNoSecondMasterToNobody(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1}, "")
	built := filepath.Join(rightstest.OpenFolder(t), "nginx")
	r.write(built, fmt.Sprintf("#!/bin/sh\necho configure arguments: --prefix=%s --conf-path=%s\n", r.Dir, r.Conf))
	if err := os.Chmod(built, 0o755); err != nil {
		t.Fatal(err)
	}
	const title = "nginx: master process nginx"
	titled(t, beside(t, nil, "bash", "-c", `exec -a "$0" sleep 100`, title), title)
	r.isMasterToNobody(built)
}

// isMasterToNobody makes sure that nobody finds the nginx that runs, too.
func (r *running) isMasterToNobody(binary string) {
	r.t.Helper()
	if said := r.seenByNobody(binary); !strings.HasSuffix(said, ": <nil>") {
		r.t.Error(said)
	}
}
