package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"bgswitch/switcher/nginxtest"
)

const manySites = 50

// verified measures `bgswitch verify` over one site beside what asks the same
// backends and nothing else, and over many sites.
func verified(ctx context.Context, o options, stdout io.Writer) error {
	if !nginxtest.MayMount() {
		fmt.Fprintln(stdout, "\n`bgswitch verify` is not measured: without the right to make a mount namespace it cannot test the way back")
		return nil
	}
	return with(ctx, 2, 0, func(b *bench) error {
		t := newTable(stdout, "\n`bgswitch verify`, all healthy, %d rounds, times in ms of whole processes", o.rounds)
		t.row("\tverify\tp90\tcurl\tp90\tpeak memory")
		if err := b.verifyRow(ctx, t, o.rounds, "one site", b.curl); err != nil {
			return err
		}
		if err := b.settings(manySites); err != nil {
			return err
		}
		if err := b.verifyRow(ctx, t, max(1, o.rounds/4), fmt.Sprintf("%d sites", manySites), nil); err != nil {
			return err
		}
		t.row("curl: one after the other, to both backends; nginx's test of the way back is in verify's time")
		return t.Flush()
	})
}

// warmUp is how many runs it takes until verify has nothing new to remember,
// as under cron.
const warmUp = 4

// verifyRow measures verify and, turn by turn, what stands beside it.
func (b *bench) verifyRow(ctx context.Context, t table, rounds int, name string, beside func(context.Context) error) error {
	var own, others []float64
	for round := range rounds + warmUp {
		took, err := timed(func() error {
			_, err := output(b.program.Command(ctx, "verify"))
			return err
		})
		if err != nil {
			return err
		}
		if round < warmUp {
			continue
		}
		own = append(own, took)
		if beside == nil {
			continue
		}
		if took, err = timed(func() error { return beside(ctx) }); err != nil {
			return err
		}
		others = append(others, took)
	}
	kib, err := peakMemory(b.program.Command(ctx, "verify"))
	if err != nil {
		return err
	}
	other := "\t"
	if len(others) > 0 {
		other = fmt.Sprintf("%.1f\t%.1f", median(others), p90(others))
	}
	t.row("%s\t%.1f\t%.1f\t%s\t%.1f MiB", name, median(own), p90(own), other, float64(kib)/1024)
	return nil
}

func timed(do func() error) (float64, error) {
	began := time.Now()
	err := do()
	return ms(time.Since(began)), err
}

// curl asks both backends; a machine without it has nothing to compare.
func (b *bench) curl(ctx context.Context) error {
	path, err := exec.LookPath("curl")
	if err != nil {
		return nil
	}
	for _, app := range []string{b.site.Blue.Addr, b.site.Green.Addr} {
		if _, err := output(exec.CommandContext(ctx, path, "-sf", "http://"+app+"/")); err != nil {
			return err
		}
	}
	return nil
}

// settings names n sites, all with the one live file.
func (b *bench) settings(n int) error {
	var text strings.Builder
	text.WriteString(b.site.SettingsText(""))
	for i := range n - 1 {
		fmt.Fprintf(&text, "  site%d: {file: %s, blue: %s, green: %s}\n", i, b.site.Live, b.site.Blue.Addr, b.site.Green.Addr)
	}
	return os.WriteFile(b.site.Settings, []byte(text.String()), 0o600)
}
