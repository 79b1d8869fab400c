package nginx_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// Where something happened that is not ours the old workers are nginx's to end:
// the new ones may have what the old ones had.
func TestADisturbedLoadIsLeftToNginx(t *testing.T) {
	t.Parallel()
	r := start(t, t.TempDir(), nginxtest.Options{Workers: 2}, "")
	m, err := only(r.ours)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	file, err := os.Open(r.Conf)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// Other workers served when they were last looked at: some have crashed.
	attempt, err := m.Load(t.Context(), r.ours, nginx.Load{
		Files: []*os.File{file}, Limit: time.Minute, Handover: nginx.HandoverFast, Asked: 2, Workers: []int{1, 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(r.ErrorLog)
	if err != nil {
		t.Fatal(err)
	}
	ended := strings.Count(string(said), fmt.Sprintf("(SIGQUIT) received from %d,", os.Getpid()))
	reloads := strings.Count(string(said), ": reconfiguring")
	if reloads < 2 || ended > 2 {
		t.Errorf("%d loads, and we have ended %d workers, %+v:\n%s", reloads, ended, attempt.Generation, said)
	}
}
