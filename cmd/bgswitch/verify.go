package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/verify"

	"github.com/urfave/cli/v2"
)

const verifyName = "verify"

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      verifyName,
		Usage:     "one line for cron and monitoring: is the site well, is the way back open",
		ArgsUsage: "[FLAGS]",
		Description: "Looks at every site as `bgswitch status` does, and at the way back as a dry switch\n" +
			"would; it changes nothing. Prints one line with performance data and exits as a\n" +
			"monitoring plugin. With --quiet it speaks when something changed, again every\n" +
			"`remind`, and once when it is over.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "failover", Usage: "switch to the idle color when the live one is down (or set it in the settings)"},
			&cli.BoolFlag{Name: "ack", Usage: "acknowledge the last failover, so that the next one may come"},
			&cli.StringFlag{Name: "metrics-file", Usage: "write Prometheus metrics to this `FILE`"},
		},
		Action:             verifySites,
		CustomHelpTemplate: verifyHelp,
	}
}

const verifyHelp = commandHelpHead + `EXIT STATUS
   0  OK        live healthy, no drift, the way back is open
   1  WARNING   live healthy, but no way back, or drift, or a failover not acknowledged
   2  CRITICAL  the live color is unhealthy
   3  UNKNOWN   it could not be found out, or wrong usage
`

// siteLimit is how many sites are looked at at the same time.
const siteLimit = 8

func verifySites(c *cli.Context) error {
	t := terminalOf(c)
	t.plugin = true
	if c.Args().Len() != 0 {
		return usage("`bgswitch verify --site NAME` verifies one site", "verify takes no argument")
	}
	s, err := setup(c, t)
	if err != nil {
		return err
	}
	sites, err := s.chosen(c.String("site"))
	if err != nil {
		return err
	}
	options := s.verify
	options.Failover = options.Failover || c.Bool("failover")
	if c.Bool("ack") {
		return t.acknowledge(s, sites, options)
	}
	ctx, cancel := context.WithTimeout(c.Context, options.Deadline)
	defer cancel()
	findings := s.verifyAll(ctx, sites, options, t)
	if err := t.showFindings(findings); err != nil {
		return err
	}
	if path := c.String("metrics-file"); path != "" {
		if err := writeMetrics(path, findings); err != nil {
			return &hinted{fmt.Errorf("cannot write the metrics: %w", err), "name a file in the node exporter's text file folder"}
		}
	}
	code := int(levelOf(findings))
	s.tellFindings(ctx, findings, code, t)
	if code == 0 {
		return nil
	}
	return exitCode(code)
}

// writeMetrics writes the file whole and renames it into place: the node
// exporter reads whenever it wants. Names that begin with a dot it skips.
func writeMetrics(path string, findings []verify.Finding) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(verify.Metrics(findings, time.Now()))
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// verifyAll looks at the sites, several at a time, in their order.
func (s settings) verifyAll(ctx context.Context, sites []switcher.Site, options verify.Options, t *terminal) []verify.Finding {
	findings := make([]verify.Finding, len(sites))
	places := make(chan struct{}, siteLimit)
	var wait sync.WaitGroup
	for i, site := range sites {
		wait.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			v := verify.Verifier{Switcher: s.switcherFor(site, t), Options: options}
			findings[i] = v.Run(ctx)
		})
	}
	wait.Wait()
	return findings
}

func (t *terminal) acknowledge(s settings, sites []switcher.Site, options verify.Options) error {
	for _, site := range sites {
		v := verify.Verifier{Switcher: s.switcherFor(site, t), Options: options}
		done, err := v.Ack()
		if err != nil {
			return &hinted{fmt.Errorf("cannot acknowledge: %w", err), "run it as root: `sudo bgswitch verify --ack`"}
		}
		if done {
			t.result("%s: the failover is acknowledged", site.Name)
		} else {
			t.result("%s: there is no failover to acknowledge", site.Name)
		}
	}
	return nil
}

func levelOf(findings []verify.Finding) verify.Level {
	worst := verify.OK
	for _, f := range findings {
		worst = verify.Worst(worst, f.Level)
	}
	return worst
}

// showFindings prints the line; with --quiet only where there is anything new.
func (t *terminal) showFindings(findings []verify.Finding) error {
	for _, f := range findings {
		for _, note := range f.Notes {
			t.say(f.Site + ": " + note)
		}
	}
	if t.quiet && !anyEvent(findings) {
		return nil
	}
	if t.json {
		return t.object(findingsObjectOf(findings))
	}
	fmt.Fprintln(t.stdout, pluginLine(findings))
	return nil
}

func anyEvent(findings []verify.Finding) bool {
	for _, f := range findings {
		if f.Event != "" {
			return true
		}
	}
	return false
}

// pluginLine is the one line of a monitoring plugin: level, text, performance
// data. A bar in a text would begin the data too early.
func pluginLine(findings []verify.Finding) string {
	var texts, data []string
	for _, f := range findings {
		texts = append(texts, strings.ReplaceAll(f.Site+": "+f.Text, "|", "/"))
		data = append(data, performance(f, len(findings) > 1)...)
	}
	return fmt.Sprintf("BGSWITCH %s - %s | %s", levelOf(findings), strings.Join(texts, "; "), strings.Join(data, " "))
}

// performance is the slowest answer of each color in seconds, or U where it is
// not healthy.
func performance(f verify.Finding, several bool) []string {
	var data []string
	for _, c := range []switcher.Color{switcher.Blue, switcher.Green} {
		name := string(c)
		if several {
			name = f.Site + "." + name
		}
		data = append(data, name+"="+latency(f, c))
	}
	return data
}

func latency(f verify.Finding, c switcher.Color) string {
	var slowest time.Duration
	for _, v := range f.Status.Colors[c] {
		if !v.Healthy {
			return "U"
		}
		slowest = max(slowest, v.Latency)
	}
	if len(f.Status.Colors[c]) == 0 {
		return "U"
	}
	return fmt.Sprintf("%.4fs", slowest.Seconds())
}
