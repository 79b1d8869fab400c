package inside

import (
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// BenchmarkRun is nginx's test in a container, beside what of it is ours.
func BenchmarkRun(b *testing.B) {
	rightstest.Needs(b, rightstest.Namespaces)
	site, err := nginxtest.StartContainerSite(b.TempDir(), nginxtest.ContainerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer site.Stop()
	p, err := Open(site.PID)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for _, c := range []struct{ name, arg string }{{"nginx -t", "-t"}, {"nginx -v", "-v"}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if out, err := p.Run(b.Context(), Program{Args: []string{c.arg}}); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
	b.Run("the copy", func(b *testing.B) {
		for b.Loop() {
			made, err := makeCopy()
			if err != nil {
				b.Fatal(err)
			}
			made.Close()
		}
	})
}
