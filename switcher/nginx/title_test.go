package nginx_test

import (
	"os"
	"path/filepath"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// nginx joins its arguments with blanks: where a path ends is told by what is
// there. A relative one hangs from the folder that nginx was started in.
func TestPathsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"blanks in both":               `-p "with a blank" -c "$PWD/with a blank/nginx.conf"`,
		"blanks, flags joined":         `-q"cwith a blank/nginx.conf" "-p$PWD"`,
		"blanks, globals between":      `-c "with a blank/nginx.conf" -g "env A; env B;" -p "$PWD/"`,
		"two blanks and a flag inside": `-p . -c "a  -t b/nginx.conf"`,
		"a shorter one is there, too":  `-p . -c "a  -t b/nginx.conf copy"`,
		"relative":                     `-p . -c nginx.conf`,
		"relative, by its parent":      `-p conf.d/.. -c nginx.conf`,
		"below the root by a link":     `-p "$PWD" -c link.conf`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, other := range []string{"with a blank", "a  -t b"} {
				if err := os.Symlink(".", filepath.Join(dir, other)); err != nil {
					t.Fatal(err)
				}
			}
			for _, other := range []string{"link.conf", "nginx.conf copy"} {
				if err := os.Symlink("nginx.conf", filepath.Join(dir, other)); err != nil {
					t.Fatal(err)
				}
			}
			start(t, dir, nginxtest.Options{Workers: 1}, binary(t)+" "+line).isMaster()
		})
	}
}
