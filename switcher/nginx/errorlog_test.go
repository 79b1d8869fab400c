package nginx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever may write where the log is puts something else there at any moment:
// nothing but a regular file is opened.
func TestLogIsSwapped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, other := filepath.Join(dir, "log"), filepath.Join(dir, "other")
	conf := fmt.Sprintf("error_log %s;", log)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644), os.WriteFile(log, nil, 0o644), unix.Mkfifo(other, 0o644)); err != nil {
		t.Fatal(err)
	}
	var swapping sync.WaitGroup
	stop := make(chan struct{})
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, log, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
			}
		}
	})
	defer swapping.Wait()
	defer close(stop)
	open := (&Nginx{Conf: filepath.Join(dir, "conf")}).openLog(&Master{PID: os.Getpid()})
	opened := 0
	for range 20000 {
		file, err := open()
		if err != nil {
			continue
		}
		opened++
		info, err := file.Stat()
		_ = file.Close()
		if err != nil || !info.Mode().IsRegular() {
			t.Fatalf("%v was opened: %v", info.Mode(), err)
		}
	}
	if opened == 0 {
		t.Error("the log was never opened")
	}
}
