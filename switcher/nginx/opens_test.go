package nginx

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Each of the files has to be opened, after what was there before is forgotten.
func TestEveryFileHasToBeOpened(t *testing.T) {
	t.Parallel()
	files := []*os.File{emptyFile(t), emptyFile(t)}
	o := watched(t, files, os.Getpid())
	for _, file := range files {
		open(t, file.Name())
	}
	o.forget()
	if o.all() {
		t.Error("what was forgotten counts")
	}
	open(t, files[0].Name())
	open(t, files[0].Name())
	if o.all() {
		t.Error("one file is taken for both")
	}
	open(t, files[1].Name())
	if !o.all() {
		t.Error("both were opened, and it does not say so")
	}
}

// Where the kernel names who opens a file, others are nobody.
func TestOnlyTheMastersOpeningsCount(t *testing.T) {
	t.Parallel()
	files := []*os.File{emptyFile(t)}
	o := watched(t, files, os.Getpid())
	if err := exec.Command("cat", files[0].Name()).Run(); err != nil {
		t.Fatal(err)
	}
	if got := o.all(); got != !o.named {
		t.Errorf("another's opening counts: %v, with names: %v", got, o.named)
	}
}

func watched(t *testing.T, files []*os.File, pid int) *opens {
	t.Helper()
	o, err := watchOpens(files, pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	return o
}

func emptyFile(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func open(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
}
