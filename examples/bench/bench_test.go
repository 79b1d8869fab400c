package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"github.com/google/go-cmp/cmp"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out bytes.Buffer
	if err := run(t.Context(), options{rounds: 2, sites: []int{3, 5}, workers: []int{3}}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	verified := `(?m)^  one site +\d+\.\d(?s:.*)^  50 sites +\d+\.\d`
	if !nginxtest.MayMount() {
		verified = "is not measured: without the right to make a mount namespace"
	}
	inContainer := `(?m)^nginx in a container, 2 workers, 1 site, 2 rounds(?s:.*)^  failed requests +0 +0 `
	if !nginxtest.MayContain() {
		inContainer = "nginx in a container is not measured: "
	}
	for _, line := range []string{
		inContainer,
		"(?m)^`bgswitch back`, proved by identity, 2 workers, 1 site, 2 rounds",
		`(?m)^2 workers, 1 site, 2 rounds`, `(?m)^3 workers, 1 site, 2 rounds`, `(?m)^  to exit +\d+\.\d`, `(?m)^  last old answer +\d+\.\d`,
		`(?m)^  exit too early +\d +0 `, `(?m)^  failed requests +0 +0 `, `(?m)^  peak memory +\d+\.\d MiB`, `(?m)^  status +\d+\.\d`,
		`(?m)^  3 +2 .* x 1\.0 .*0, 0`, `(?m)^  5 +2 .*0, 0`,
		verified,
	} {
		if !regexp.MustCompile(line).MatchString(out.String()) {
			t.Errorf("no line matches %s", line)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Fifty sites in one run are looked at in less than 40 MiB.
func TestVerifyMemory(t *testing.T) {
	rightstest.Needs(t, rightstest.Mounts)
	t.Setenv("TMPDIR", t.TempDir())
	err := with(t.Context(), 1, 0, func(b *bench) error {
		if err := b.settings(50); err != nil {
			return err
		}
		kib, err := peakMemory(b.program.Command(t.Context(), "verify"))
		if err == nil && (kib < 5<<10 || kib > 40<<10) {
			t.Errorf("50 sites took %d KiB", kib)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithCancel(t.Context())
	err := with(ctx, 1, 0, func(b *bench) error {
		cancel()
		_, err := b.compare(ctx, 1, b.to)
		return err
	})
	if err == nil || err.Error() != "interrupted" {
		t.Errorf("%v, want interrupted", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse([]string{"-rounds", "3", "-sites", "", "-workers", "2,16"})
	want := options{rounds: 3, workers: []int{2, 16}}
	if err != nil || cmp.Diff(want, got, cmp.AllowUnexported(options{})) != "" {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values      []float64
		median, p90 float64
	}{
		{[]float64{7}, 7, 7},
		{[]float64{3, 1}, 2, 3},
		{[]float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 5.5, 9},
		{[]float64{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 6, 10},
	} {
		if m, p := median(c.values), p90(c.values); m != c.median || p != c.p90 {
			t.Errorf("%v: %v, %v, want %v, %v", c.values, m, p, c.median, c.p90)
		}
	}
}

func TestNginxSteps(t *testing.T) {
	t.Parallel()
	got, err := nginxSteps([]byte(`{"steps": [{"step": "find nginx", "took_ms": 9}, {"step": "test the new file", "took_ms": 2.5}, {"step": "reload nginx", "took_ms": 4},
		{"step": "test the new file in place", "took_ms": 1}]}`))
	if err != nil || ms(got) != 7.5 {
		t.Errorf("%v, %v, want 7.5ms", got, err)
	}
	if _, err := nginxSteps([]byte(`{"steps": [{"step": "reload nginx", "took_ms": 4}]}`)); err == nil {
		t.Error("a load without a test is no error")
	}
}

// The memory of whoever starts a program is not counted as the program's, nor
// is that of its own children.
func TestPeakMemory(t *testing.T) {
	ballast := bytes.Repeat([]byte{1}, 200<<20)
	small, err := peakMemory(exec.Command("sh", "-c", "head -c 100m /dev/zero | tail -c 100m | wc -c"))
	runtime.KeepAlive(ballast)
	if err != nil || small < 100 || small > 20<<10 {
		t.Errorf("a shell held %d KiB, %v", small, err)
	}
	large, err := peakMemory(exec.Command("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", "status=none"))
	if err != nil || large < 64<<10 || large > 96<<10 {
		t.Errorf("dd held %d KiB, %v, want 64 MiB and a little", large, err)
	}
	if _, err := peakMemory(exec.Command("false")); err == nil {
		t.Error("a program that fails is no error")
	}
}
