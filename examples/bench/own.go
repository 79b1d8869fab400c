package main

import (
	"context"
	"os"
	"strings"
	"time"

	"bgswitch/switcher/nginxtest"
)

// own is what bgswitch itself needs of the machine.
type own struct {
	peakMiB  []float64 // of `bgswitch to`
	statusMS []float64 // processor time of `bgswitch status`
}

const ownRounds = 10

// own measures without traffic, so that nothing else is in the figures.
func (b *bench) own(ctx context.Context) (o own, err error) {
	for round := range ownRounds {
		to := []*nginxtest.App{b.site.Green, b.site.Blue}[round%2]
		kib, err := peakMemory(b.program.Command(ctx, "to", to.Color))
		if err != nil {
			return o, err
		}
		o.peakMiB = append(o.peakMiB, float64(kib)/1024)
	}
	o.statusMS, err = b.statusTimes(ctx)
	return o, err
}

// statusTimes has the backends asked by opening a connection only, and the
// answers through nginx not at all.
func (b *bench) statusTimes(ctx context.Context) ([]float64, error) {
	text := strings.Replace(b.site.SettingsText(""), "check: {", "check: {type: tcp, ", 1)
	if err := os.WriteFile(b.site.Settings, []byte(text), 0o600); err != nil {
		return nil, err
	}
	var times []float64
	for range ownRounds {
		status := b.program.Command(ctx, "status")
		if _, err := output(status); err != nil {
			return nil, err
		}
		used := status.ProcessState.UserTime() + status.ProcessState.SystemTime()
		times = append(times, ms(max(used, time.Microsecond)))
	}
	return times, nil
}
