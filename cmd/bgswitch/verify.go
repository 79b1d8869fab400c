package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/verify"

	"github.com/urfave/cli/v2"
)

const verifyName = "verify"

func verifyCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:     verifyName,
			Category: kindLook,
			Usage:    "one line for cron and monitoring: is the site well, is the way back open",
			Description: "Looks at every site as `bgswitch status` does, and at the way back as a dry switch\n" +
				"would; it changes nothing. Prints one line with performance data and exits as a\n" +
				"monitoring plugin, for what this look found. With --quiet it speaks when something\n" +
				"changed that lasts, again every `remind`, and once when it is over.\n" +
				"The page shows of each site who is live, what stands ready, and a picture of the\n" +
				"last 24 hours; it is one file, which needs nothing else.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "failover", Usage: "switch to the idle color when the live one is down (or set it in the settings)"},
				&cli.BoolFlag{Name: "ack", Usage: "acknowledge the last failover, so that the next one may come"},
				&cli.StringFlag{Name: "metrics-file", Usage: "write Prometheus metrics to this `FILE` (as root: only to the settings' metrics_file)"},
				&cli.StringFlag{Name: "page", Usage: "write a web page for people to this `FILE` (as root: only to the settings' page)"},
			},
			Action: verifySites,
		},
		several: true,
		examples: []example{
			{"one line, and the code of a monitoring plugin", "sudo bgswitch verify"},
			{"from cron, each minute: speak only of what is new", "sudo bgswitch verify --quiet"},
			{"let the next failover come", "sudo bgswitch verify --ack"},
		},
		exits: []exit{
			{int(verify.OK), "OK: live healthy, no drift, the way back is open", ""},
			{int(verify.Warning), "WARNING: live healthy, but no way back, or drift, or a failover not acknowledged", ""},
			{int(verify.Critical), "CRITICAL: the live color is unhealthy, or nginx does not run or answer", ""},
			{int(verify.Unknown), "UNKNOWN: it could not be found out, or wrong usage", ""},
		},
	}
}

func verifySites(c *cli.Context) error {
	t := terminalOf(c)
	t.plugin = true
	if c.Args().Len() != 0 {
		return usage("`"+typedOf(c).Command(verifyName)+"` takes only flags", "verify takes no argument")
	}
	s, err := setup(c, t)
	if err != nil {
		return err
	}
	sites, err := s.chosen(c.String("site"))
	if err != nil {
		return err
	}
	metrics, err := s.metrics().at(c.String("metrics-file"))
	if err != nil {
		return err
	}
	page, err := s.page().at(c.String("page"))
	if err != nil {
		return err
	}
	s.verify.Failover = s.verify.Failover || c.Bool("failover")
	verifiers := s.verifiers(sites, c.Bool("strict"), t)
	ctx, cancel := context.WithTimeout(c.Context, s.verify.Deadline)
	defer cancel()
	if c.Bool("ack") {
		return t.acknowledge(ctx, verifiers)
	}
	debug.SetGCPercent(smallGCPercent) // of many sites
	findings := verifyAll(ctx, verifiers)
	s.write(metrics, findings, func() ([]byte, error) { return verify.Metrics(findings, time.Now()), nil }, t)
	s.write(page, findings, func() ([]byte, error) { return pageOf(verifiers, findings, time.Now()) }, t)
	unread := t.showFindings(findings)
	code := int(verify.LevelOf(findings))
	s.tell(ctx, findings, code, t)
	return errors.Join(exitCode(code), unread)
}

func (s settings) verifiers(sites []switcher.Site, strict bool, t *terminal) []*verify.Verifier {
	tests := make(chan struct{}, max(2, runtime.NumCPU()))
	var list []*verify.Verifier
	for _, site := range sites {
		list = append(list, &verify.Verifier{Switcher: s.switcherFor(site, t), Options: s.verify, Strict: strict, Tests: tests})
	}
	return list
}

// siteLimit is how many sites are looked at at the same time: backends that do
// not answer take their time, and there is less than a minute for all.
const siteLimit = 64

// verifyAll looks at the sites at the same time. A quarter of the deadline is
// left for telling people: it is when nothing answers that they have to know.
func verifyAll(ctx context.Context, verifiers []*verify.Verifier) []verify.Finding {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
		defer cancel()
	}
	findings := make([]verify.Finding, len(verifiers))
	inParallel(siteLimit, len(verifiers), func(i int) { findings[i] = verifiers[i].Run(ctx) })
	return findings
}

// inParallel does n things, at most limit of them at the same time.
func inParallel(limit, n int, do func(i int)) {
	places := make(chan struct{}, limit)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			do(i)
		})
	}
	wait.Wait()
}

// tell tells of what is news, and pings the dead man's switch with the exit code
// of every run; all at the same time.
func (s settings) tell(ctx context.Context, findings []verify.Finding, code int, t *terminal) {
	teller := s.teller(t)
	inParallel(siteLimit, len(findings)+1, func(i int) {
		if i == 0 {
			teller.Verified(ctx, code)
		} else {
			teller.Found(ctx, findings[i-1])
		}
	})
}

func (t *terminal) acknowledge(ctx context.Context, verifiers []*verify.Verifier) error {
	o := ackObject{Schema: schema}
	for _, v := range verifiers {
		done, err := v.Ack(ctx)
		if errors.Is(err, fs.ErrPermission) {
			return &hinted{fmt.Errorf("cannot acknowledge: %w", err), v.Switcher.AsRoot()}
		} else if err != nil {
			return fmt.Errorf("cannot acknowledge: %w", err)
		}
		name := v.Switcher.Site.Name
		o.Sites = append(o.Sites, ackedObject{name, done})
		if done {
			t.result("%s: the failover is acknowledged", name)
		} else {
			t.result("%s: there is no failover to acknowledge", name)
		}
	}
	if t.json {
		return t.object(o)
	}
	return nil
}

// showFindings prints the line; with --quiet only where there is anything new.
func (t *terminal) showFindings(findings []verify.Finding) error {
	for _, f := range findings {
		for _, note := range f.Notes {
			t.say(f.Site + ": " + note)
		}
	}
	if t.quiet && !slices.ContainsFunc(findings, func(f verify.Finding) bool { return f.Event != "" }) {
		return nil
	}
	if t.json {
		return t.object(findingsObjectOf(findings))
	}
	fmt.Fprintln(t.stdout, verify.Line(findings))
	return nil
}
