package trust

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder is as safe as what stands in it, and what that leads to.
func TestDoubtsAboutAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "blue", "below"), 0o755), os.Mkdir(filepath.Join(dir, "other"), 0o755),
		os.WriteFile(filepath.Join(dir, "blue", "app.conf"), nil, 0o644), os.WriteFile(filepath.Join(dir, "blue", "below", "set.inc"), nil, 0o644),
		os.WriteFile(filepath.Join(dir, "common.conf"), nil, 0o644), os.WriteFile(filepath.Join(dir, "other", "none.conf"), nil, 0o644),
		os.Symlink("../common.conf", filepath.Join(dir, "blue", "common.conf")), os.Symlink("../other", filepath.Join(dir, "blue", "too")),
		os.Symlink(".", filepath.Join(dir, "blue", "round")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if doubts := Doubts(filepath.Join(dir, "blue")); len(doubts) > 0 {
		t.Fatalf("doubts about what is safe: %v", doubts)
	}
	for name, doubted := range map[string]bool{
		"blue": true, "blue/app.conf": true, "blue/below": true, "blue/below/set.inc": true, "common.conf": true, "other": true, "other/none.conf": false,
	} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err := errors.Join(err, os.Chmod(path, 0o777)); err != nil {
			t.Fatal(err)
		}
		doubts := errors.Join(Doubts(filepath.Join(dir, "blue"))...)
		if (doubts != nil) != doubted || doubted && !strings.Contains(doubts.Error(), "others may write "+path+" ") {
			t.Errorf("%s: %v", name, doubts)
		}
		if err := os.Chmod(path, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
}
