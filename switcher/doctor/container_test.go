package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// contained is a site whose nginx is in a container.
func contained(t *testing.T, o nginxtest.ContainerOptions) *patient {
	t.Helper()
	rightstest.Needs(t, rightstest.Namespaces)
	o.Main, o.HTTP = "worker_shutdown_timeout 1h;", kept(t)
	o.Live = "upstream myapp { server app-blue:8080; }\n"
	site, err := nginxtest.StartContainerSite(t.TempDir(), o)
	must(t, err)
	t.Cleanup(func() { must(t, site.Stop()) })
	p := (&patient{Site: site, t: t}).prepared()
	p.s.Nginx = &nginx.Nginx{}
	return p
}

// Of an nginx in a container is found what is found of any, and names are looked
// for where it runs.
func TestContainer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mount string
		do    func(*patient)
		want  []string
	}{
		"well": {nginxtest.MountFolder, func(*patient) {}, nil},
		"mounted by itself": {nginxtest.MountFile, func(*patient) {},
			[]string{`advice mounted: nginx has \S+/active_upstream.conf mounted by itself, .* => - \S+/conf.d:/etc/nginx/conf.d:ro   # below .volumes:.`}},
		"a name that is gone": {nginxtest.MountFolder, func(p *patient) {
			p.s.Site.Files[0].Layout[0].Colors[switcher.Green] = []nginxconf.Value{address(p.t, "app-gone.onion:8080")}
		}, []string{
			`problem refused: a switch to green would be refused: .*host not found in upstream "app-gone.onion:8080"`,
			`problem names: app-gone.onion:8080, green, is not found where nginx runs: .* => start its container, .*.docker network connect NETWORK app-gone.onion.`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := contained(t, nginxtest.ContainerOptions{Mount: c.mount})
			p.t = t
			c.do(p)
			p.finds(c.want...)
		})
	}
}

// Who may not look says so, and calls nothing well.
func TestAsNobody(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideNobody(t) {
		return
	}
	p := newPatient(t, well(), upstream)
	if rightstest.Mounts.Had() {
		p.finds()
	} else {
		p.finds("unknown rights: whether a switch would be possible: cannot test without touching the live file: .* => run it as root: .sudo bgswitch")
	}
	hidden := filepath.Join(p.host.Root, "etc/sudoers")
	p.write(hidden, "")
	must(t, os.Chmod(hidden, 0))
	p.s.Nginx.Conf = "/nowhere/nginx.conf"
	p.finds("problem nginx: .*/nowhere/nginx.conf: no such file", `unknown sudo: .*permission denied`)
}
