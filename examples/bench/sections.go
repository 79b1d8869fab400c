package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"bgswitch/switcher/nginxtest"
)

// table writes aligned columns.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer, format string, args ...any) table {
	fmt.Fprintf(w, format+"\n", args...)
	return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

func (t table) row(format string, args ...any) { fmt.Fprintf(t, "  "+format+"\n", args...) }

// usual is the set-up of most machines: few workers, few sites.
func usual(ctx context.Context, o options, stdout io.Writer) error {
	return with(ctx, 2, 0, func(b *bench) error {
		c, err := b.compare(ctx, o.rounds, b.to)
		if err != nil {
			return err
		}
		own, err := b.own(ctx)
		if err != nil {
			return err
		}
		t := newTable(stdout, "\n2 workers, 1 site, %d rounds, times in ms", o.rounds)
		t.header()
		t.compared(c)
		t.row("peak memory\t\t\t%.1f MiB\t%.1f MiB\t\tof `bgswitch to`, its own at its end (VmHWM)", median(own.peakMiB), p90(own.peakMiB))
		t.row("status\t\t\t%.1f\t%.1f\t\tprocessor time of `bgswitch status`, with checks that only connect", median(own.statusMS), p90(own.statusMS))
		return t.Flush()
	})
}

// goingBack is the way back, from Enter to the proved answers of the old color.
func goingBack(ctx context.Context, o options, stdout io.Writer) error {
	return with(ctx, 2, 0, func(b *bench) error {
		if err := os.WriteFile(b.site.Settings, []byte(b.site.SettingsText(b.site.ConfirmText())), 0o600); err != nil {
			return err
		}
		c, err := b.compare(ctx, o.rounds, b.back)
		if err != nil {
			return err
		}
		t := newTable(stdout, "\n`bgswitch back`, proved by identity, 2 workers, 1 site, %d rounds, times in ms", o.rounds)
		t.header()
		t.compared(c)
		return t.Flush()
	})
}

func withWorkers(ctx context.Context, o options, workers int, stdout io.Writer) error {
	return with(ctx, workers, 0, func(b *bench) error {
		c, err := b.compare(ctx, o.rounds, b.to)
		if err != nil {
			return err
		}
		t := newTable(stdout, "\n%d workers, 1 site, %d rounds, times in ms", workers, o.rounds)
		t.header()
		t.compared(c)
		return t.Flush()
	})
}

// contained is the set-up of most machines where nginx runs in a container.
func contained(ctx context.Context, o options, stdout io.Writer) error {
	if !nginxtest.MayContain() {
		fmt.Fprintf(stdout, "\nnginx in a container is not measured: that takes root, and the right to make namespaces\n")
		return nil
	}
	return inContainer(ctx, 2, func(b *bench) error {
		c, err := b.compare(ctx, o.rounds, b.to)
		if err != nil {
			return err
		}
		t := newTable(stdout, "\nnginx in a container, 2 workers, 1 site, %d rounds, times in ms; the recipe enters it by nsenter, without a daemon's share", o.rounds)
		t.header()
		t.compared(c)
		return t.Flush()
	})
}

func (t table) header() { t.row("\trecipe\tp90\tbgswitch\tp90\tB/A\t") }

// compared writes both ways side by side; B/A is the median of the pairs.
func (t table) compared(c comparison) {
	for _, line := range []struct {
		name   string
		figure func(switched) float64
		says   string
	}{
		{"to exit", exit, "from the start of the first command until the last has exited; the recipe does not wait for nginx"},
		{"last old answer", lastOld, "from that start to the last fresh connection that the old color answered"},
	} {
		a, b := each(c.recipe, line.figure), each(c.bgswitch, line.figure)
		t.row("%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.2f\t%s", line.name, median(a), p90(a), median(b), p90(b), c.ratio(line.figure), line.says)
	}
	sentA, failedA := requests(c.recipe)
	sentB, failedB := requests(c.bgswitch)
	t.row("exit too early\t%d\t\t%d\t\t\tswitches after whose exit the old color still answered, of %d each", count(c.recipe, early), count(c.bgswitch, early), len(c.recipe))
	t.row("failed requests\t%d\t\t%d\t\t\tof %d and %d, each on a fresh connection", failedA, failedB, sentA, sentB)
	t.row("nginx's own\t\t\t%.1f\t%.1f\t\tin bgswitch: the steps that only wait for nginx, its test and its load", median(each(c.bgswitch, nginx)), p90(each(c.bgswitch, nginx)))
	t.row("added\t\t\t%.1f\t%.1f\t%.0f %%\tin bgswitch: all the rest, and its share of nginx's own", median(each(c.bgswitch, added)), p90(each(c.bgswitch, added)), median(each(c.bgswitch, share)))
}

// growth shows how both ways grow with the configuration.
func growth(ctx context.Context, o options, stdout io.Writer) error {
	if len(o.sites) == 0 {
		return nil
	}
	t := newTable(stdout, "\ntrees of server blocks, 2 workers, medians, times in ms")
	t.row("\t\tto exit\t\t\t\t\tlast old answer\t\t\tfailed\tin `to`\t\t\t")
	t.row("sites\trounds\trecipe\tgrown\tbgswitch\tgrown\tB/A\trecipe\tbgswitch\tB/A\trequests\tnginx's own\tadded\tshare\t")
	var first comparison
	for i, sites := range o.sites {
		err := with(ctx, 2, sites, func(b *bench) error {
			c, err := b.compare(ctx, o.roundsFor(sites), b.to)
			if err != nil {
				return err
			}
			if i == 0 {
				first = c
			}
			t.grown(sites, first, c)
			return nil
		})
		if err != nil {
			return err
		}
	}
	t.row("grown: as many times the first line; the other words are explained above")
	return t.Flush()
}

// roundsFor keeps large trees, whose switches take seconds, from taking minutes.
func (o options) roundsFor(sites int) int {
	switch {
	case sites >= 2000:
		return max(1, o.rounds/5)
	case sites >= 200:
		return max(1, o.rounds/2)
	}
	return o.rounds
}

func (t table) grown(sites int, first, c comparison) {
	a, b := each(c.recipe, exit), each(c.bgswitch, exit)
	_, failedA := requests(c.recipe)
	_, failedB := requests(c.bgswitch)
	t.row("%d\t%d\t%.1f\tx %.1f\t%.1f\tx %.1f\t%.2f\t%.1f\t%.1f\t%.2f\t%d, %d\t%.1f\t%.1f\t%.0f %%\t",
		sites, len(a), median(a), median(a)/median(each(first.recipe, exit)),
		median(b), median(b)/median(each(first.bgswitch, exit)), c.ratio(exit),
		median(each(c.recipe, lastOld)), median(each(c.bgswitch, lastOld)), c.ratio(lastOld), failedA, failedB,
		median(each(c.bgswitch, nginx)), median(each(c.bgswitch, added)), median(each(c.bgswitch, share)))
}
