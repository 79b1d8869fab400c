package switcher_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
)

func soaking() bool { return os.Getenv("BGSWITCH_SOAK") != "" }

// tree writes the files of many sites and returns what includes them.
func tree(t *testing.T, dir string, sites int) string {
	t.Helper()
	folder := filepath.Join(dir, "sites")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range sites {
		site := fmt.Sprintf("server { listen unix:%s/tree.sock; server_name site%d.test; location / { proxy_pass http://myapp; } }\n", dir, i)
		if err := os.WriteFile(fmt.Sprintf("%s/%d.conf", folder, i), []byte(site), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "server_names_hash_max_size 32768;\ninclude " + folder + "/*.conf;"
}

// A large tree is slow to load: the switch waits for all of it, loses nothing
// and is exact.
func TestLargeTrees(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sites, workers int }{{500, 2}, {500, 16}, {5000, 2}, {5000, 16}} {
		if c.sites > 500 && !soaking() {
			continue
		}
		t.Run(fmt.Sprintf("%d sites and %d workers", c.sites, c.workers), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := newStandIn(t, dir, nginxtest.Options{Workers: c.workers, HTTP: tree(t, dir, c.sites)})
			var last *switcher.Result
			s.underLoad(func() {
				for i := range 4 {
					result, err := s.to(bothColors[i%2])
					if err != nil {
						t.Fatal(err)
					}
					if got := len(result.Record.Generation.Workers); got != c.workers {
						t.Errorf("switch %d: the new generation has %d workers", i, got)
					}
					s.answers(bothColors[i%2], 20)
					last = &result
				}
			})
			t.Logf("the last switch took %.0f ms, cut over in %v", last.Record.TookMS, last.Record.Generation.CutOver.Round(time.Millisecond))
			s.sound(switcher.Blue, c.workers)
			s.logIsQuiet()
		})
	}
}
