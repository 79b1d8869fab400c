package main

import (
	"context"
	"slices"
	"time"

	"bgswitch/switcher/nginxtest"
)

// comparison is what came of several rounds: both ways, turn by turn.
type comparison struct {
	recipe, bgswitch []switched
}

// compare measures rounds pairs. The recipe goes to green and bgswitch to blue, by
// one of its commands; one switch is done before, which warms the caches.
func (b *bench) compare(ctx context.Context, rounds int, by command) (comparison, error) {
	load := &nginxtest.Load{URL: b.site.URL(), Clients: 4, Pause: time.Millisecond}
	load.Start()
	defer load.Stop()
	var c comparison
	for round := range rounds + 1 {
		recipe, err := b.measure(ctx, load, b.recipe, b.site.Blue, b.site.Green)
		if err != nil {
			return c, err
		}
		bgswitch, err := b.measure(ctx, load, by, b.site.Green, b.site.Blue)
		if err != nil {
			return c, err
		}
		if round > 0 {
			c.recipe, c.bgswitch = append(c.recipe, recipe), append(c.bgswitch, bgswitch)
		}
	}
	return c, nil
}

// The figures that are taken of a switch.
func exit(s switched) float64    { return ms(s.exit) }
func lastOld(s switched) float64 { return ms(s.lastOld) }
func nginx(s switched) float64   { return ms(s.nginx) }
func added(s switched) float64   { return ms(s.exit - s.nginx) }
func share(s switched) float64   { return 100 * added(s) / nginx(s) }

// early says that the command had exited before the switch had happened.
func early(s switched) bool { return s.lastOld > s.exit }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func each(list []switched, figure func(switched) float64) []float64 {
	var values []float64
	for _, s := range list {
		values = append(values, figure(s))
	}
	return values
}

func count(list []switched, is func(switched) bool) int {
	n := 0
	for _, s := range list {
		if is(s) {
			n++
		}
	}
	return n
}

// ratio is the median of bgswitch's figure over the recipe's, pair by pair.
func (c comparison) ratio(figure func(switched) float64) float64 {
	var ratios []float64
	for i := range c.recipe {
		ratios = append(ratios, figure(c.bgswitch[i])/figure(c.recipe[i]))
	}
	return median(ratios)
}

func requests(list []switched) (sent, failed int) {
	for _, s := range list {
		sent, failed = sent+s.requests, failed+s.failed
	}
	return sent, failed
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[half-1] + sorted[half]) / 2
	}
	return sorted[half]
}

// p90 is the smallest value that at least nine in ten do not exceed.
func p90(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(9*len(sorted)+9)/10-1]
}
