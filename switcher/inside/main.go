package inside

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"bgswitch/switcher/caller"

	"golang.org/x/sys/unix"
)

// Main has to be the first thing that a main function calls. In a sealed copy of
// this program it does what that was started for, and does not return. Nobody
// else can make it: what is started by hand is no sealed copy, and whoever could
// make one has no more rights by it than he has himself.
func Main() {
	if len(os.Args) != 1 || os.Args[0] != name || !sealed() {
		return
	}
	a, code := serve()
	_ = json.NewEncoder(os.NewFile(answerFD, "answer")).Encode(a)
	os.Exit(code)
}

func serve() (answer, int) {
	if err := alone(); err != nil {
		return answer{Cannot: err.Error()}, 1
	}
	var r request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return answer{Cannot: "read the request: " + err.Error()}, 1
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	if r.Ask != nil {
		return r.Ask.serve(ctx), 0
	}
	return r.Run.serve(ctx)
}

// alone keeps what is ours from others: no process of theirs may look into this
// one (ptrace(2), PTRACE_MODE_ATTACH), none that it runs gets a descriptor, not
// even one that our own caller forgot, and where memory is short this one ends,
// and no nginx.
func alone() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return err
	}
	return caller.KeepDescriptors()
}
