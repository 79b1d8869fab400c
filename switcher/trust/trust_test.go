package trust_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/trust"
)

func TestDoubts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		folder, file os.FileMode
		says         string
	}{
		{"tight", 0o755, 0o644, ""},
		{"a file for the group", 0o755, 0o664, "others may write"},
		{"a file for all", 0o755, 0o666, "others may write"},
		{"a folder for all", 0o777, 0o644, "others may write"},
		{"a sticky folder for all", 0o777 | os.ModeSticky, 0o644, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "folder")
			file := filepath.Join(folder, "file")
			for _, err := range []error{
				os.Mkdir(folder, 0o700), os.WriteFile(file, nil, 0o600), os.Chmod(file, c.file), os.Chmod(folder, c.folder),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			doubts := strings.Join(trust.Doubts(file), "; ")
			if c.says == "" && doubts != "" || !strings.Contains(doubts, c.says) {
				t.Errorf("doubts %q, want %q", doubts, c.says)
			}
		})
	}
}

func TestDoubtsAboutOwners(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: nothing can be given away")
		return
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if doubts := trust.Doubts(file); len(doubts) != 1 || !strings.Contains(doubts[0], "belongs to user 65534") {
		t.Errorf("doubts %q", doubts)
	}
}
