package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/discovery"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/urfave/cli/v2"
)

func initCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:     "init",
			Category: kindSetUp,
			Usage:    "find nginx and what decides the color, and write the settings",
			Description: "Finds nginx, on this host or in a container, reads its configuration as nginx itself does, and looks for the word that decides where the requests go. " +
				"Shows what it found and which word a switch would change; asks both colors how they are, and looks for a header or a text that tells them apart and is seen through nginx, which becomes `confirm`. " +
				"Writes the settings, and ends with a dry run of the first switch.\n\n" +
				"What stands in the configuration needs no answer. The rest is a guess: that the next port is the other copy, say, because it answers alike. " +
				"It asks then, on a terminal; --yes takes a guess where there is but one, and both colors are healthy; flags say what is so. " +
				"Where something cannot be switched as it stands, it says what would have to change.\n\n" +
				"Settings that are there are never written over without --force: the difference is shown. " +
				"--sudoers, --cron and --timer also work later on, and then leave the settings alone.",
			Flags:  initFlags(),
			Action: initialize,
		},
		examples: []example{
			{"look, and write /etc/bgswitch/bgswitch.yaml", "sudo bgswitch init"},
			{"only look, and show what would be written", "sudo bgswitch init --dry-run"},
			{"nothing tells where the other copy is: say it", "sudo bgswitch init --blue 10.0.0.5:8080 --green 10.0.0.6:8080"},
			{"several places decide something: say which is meant", "sudo bgswitch init --file /etc/nginx/conf.d/shop.conf --site shop"},
			{"let cron verify each minute, and the user deploy switch", "sudo bgswitch init --cron --sudoers deploy"},
		},
		exits:   saying(exitsOf(exitDone, exitFailed, exitUnhealthy, exitNotAccepted, exitBusy, exitBlocked, exitInterrupted), exitFailed, "it is not certain what decides, and nothing was written; or what is there already was left as it is"),
		without: []string{"strict"},
	}
}

func initFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "yes", Usage: "take the only guess, where both colors are healthy; do not ask"},
		&cli.BoolFlag{Name: "force", Usage: "write over what is there already"},
		&cli.BoolFlag{Name: "dry-run", Usage: "only look, and show what would be written"},
		&cli.StringFlag{Name: "url", Usage: "the `URL` of this host that nginx answers, for confirm"},
		&cli.StringFlag{Name: "path", Usage: "the `PATH` that says how a color is; else / or the first usual one that both answer"},
		&cli.StringFlag{Name: "container", Usage: "look only at the nginx in the container of this `NAME`"},
		&cli.IntFlag{Name: "pid", Usage: "look only at the nginx elsewhere whose master has this `NUMBER` now; it is not written"},
		&cli.StringFlag{Name: "conf", Usage: "look only at the nginx of this host whose main configuration is `FILE`"},
		&cli.StringFlag{Name: "prefix", Usage: "its -p, a `FOLDER`"},
		&cli.StringFlag{Name: "nginx", Usage: "its `BINARY`"},
		&cli.StringFlag{Name: "state-dir", Usage: "keep the history in this `FOLDER`; else in " + defaultStateDir + ", or beside the settings where you are not root"},
		&cli.StringFlag{Name: "sudoers", Usage: "write the rule for sudo that lets this `USER` switch"},
		&cli.BoolFlag{Name: "cron", Usage: "write the line for cron that verifies each minute"},
		&cli.BoolFlag{Name: "timer", Usage: "write the systemd timer that does, in place of cron"},
	}
}

// initiation is one run of `init`.
type initiation struct {
	c     *cli.Context
	t     *terminal
	typed switcher.Typed
	path  string // of the settings
	looks []*discovery.Look
	asker health.Asker
}

func initialize(c *cli.Context) error {
	t := terminalOf(c)
	i := &initiation{c: c, t: t, typed: typedOf(c), path: settingsPath(c), asker: health.Asker{Log: t.log()}}
	if c.Args().Len() != 0 {
		return usage("`"+i.typed.Command("init")+"` finds the colors by itself, or takes --blue and --green", "init takes no argument")
	}
	if err := cmp.Or(raiseLimits(), initByRule(c)); err != nil {
		return err
	}
	offers, err := offersOf(c, i.path)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(i.path)
	if err == nil && len(offers) > 0 { // the settings are there: this is later on
		return t.takeUp(c.Context, offers, i.typed.Again("--force"), initObject{Schema: schema, Settings: statedir.Text(i.path)}, c.Bool("dry-run"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &hinted{fmt.Errorf("cannot read the settings: %w", err), i.typed.AsRoot()}
	}
	defer i.close()
	p, err := i.propose()
	if err != nil {
		return err
	}
	s, err := i.parsed(p)
	if err != nil {
		return err
	}
	o := p.object(i.path)
	if err := i.write(p, before, &o); err != nil {
		return err
	}
	return i.end(p, s, offers, o)
}

// initByRule: which program runs as root, on which configuration, is for who has all
// of root's rights to say. --file only chooses among what nginx reads.
func initByRule(c *cli.Context) error {
	for _, flag := range []string{"nginx", "conf", "prefix", "state-dir"} {
		if c.IsSet(flag) {
			if err := notByRule(c, flag, "leave the flag out"); err != nil {
				return err
			}
		}
	}
	return configByRule(c)
}

func (i *initiation) close() {
	for _, l := range i.looks {
		l.Master.Close()
	}
}

// propose finds all that the settings need.
func (i *initiation) propose() (*proposal, error) {
	if err := i.look(); err != nil {
		return nil, err
	}
	found, err := i.choose()
	if err != nil {
		return nil, err
	}
	p := &proposal{chosen: found, stateDir: i.stateDir()}
	if err := i.reach(p); err != nil {
		return nil, err
	}
	if err := i.askColors(p); err != nil {
		return nil, err
	}
	p.show(i.t)
	return p, i.sure(p)
}

// stateDir is where the history will be; empty: where it is by default.
func (i *initiation) stateDir() string {
	folder := i.c.String("state-dir")
	if folder == "" && os.Geteuid() != 0 {
		folder = filepath.Join(filepath.Dir(i.path), "state")
	}
	if path, err := filepath.Abs(folder); folder != "" && err == nil {
		return path
	}
	return ""
}

// look looks at each nginx that runs.
func (i *initiation) look() error {
	census, err := nginx.Census()
	if err != nil {
		return err
	}
	n := &nginx.Nginx{Binary: i.c.String("nginx"), Conf: i.c.String("conf"), Prefix: i.c.String("prefix"), ContainerName: i.c.String("container"), MasterPID: i.c.Int("pid")}
	found, errs := n.Everywhere(i.c.Context, census)
	for _, r := range found {
		l, err := discovery.LookAt(i.c.Context, r)
		if err != nil {
			r.Master.Close()
			errs = append(errs, err)
			continue
		}
		i.looks = append(i.looks, l)
	}
	switch err := errors.Join(errs...); {
	case len(i.looks) == 0 && os.Geteuid() != 0:
		return &hinted{fmt.Errorf("cannot find nginx: %w", err), i.typed.AsRoot()}
	case len(i.looks) == 0 && errors.Is(err, nginx.ErrRefused):
		return &hinted{fmt.Errorf("cannot read nginx's configuration: %w", err), "mend the configuration until `nginx -t` passes, then type it again"}
	case len(i.looks) == 0 && i.c.Int("pid") > 0:
		return &hinted{fmt.Errorf("cannot find nginx: %w", err), "see what runs: `ps -C nginx -o pid,ppid,args`"}
	case len(i.looks) == 0:
		return &hinted{fmt.Errorf("cannot find nginx: %w", err), "start it (`systemctl start nginx`), or say which is meant: --container NAME, or --conf FILE"}
	}
	for _, err := range errs {
		i.t.say("left out: " + err.Error())
	}
	return nil
}

// parsed makes sure that what will be written can be read.
func (i *initiation) parsed(p *proposal) (settings, error) {
	p.name = i.nameOf(p)
	p.text = p.settingsText()
	s, err := newReader().parse(i.path, []byte(p.text))
	if err != nil {
		return s, fmt.Errorf("cannot write settings that could be read: %w", err)
	}
	s.typed = i.typed
	s.typed.Site = slices.Concat(settingsFlags(i.c), nil)
	return s, nil
}

// settingsFlags lead to the settings that were written: what init was told besides
// stands in them.
func settingsFlags(c *cli.Context) []string {
	if path := c.String("config"); path != "" {
		return []string{"--config", path}
	}
	return nil
}

// write writes the settings, unless others are there.
func (i *initiation) write(p *proposal, before []byte, o *initObject) error {
	same := string(before) == p.text
	o.Text = statedir.Text(p.text)
	switch {
	case i.c.Bool("dry-run"):
		if !i.t.json {
			i.t.result("")
			for line := range strings.Lines(p.text) {
				i.t.result("%s", strings.TrimSuffix(line, "\n"))
			}
		}
		return nil
	case before != nil && !same && !i.c.Bool("force"):
		i.t.showDiff(i.difference(before, []byte(p.text)))
		return &hinted{fmt.Errorf("cannot write the settings: %s is there already, and was left as it is", i.path), fmt.Sprintf("`%s` writes over it; `%s` shows what is in force", i.typed.Again("--force"), i.typed.Command("settings", "show"))}
	case same:
		i.t.line("settings", i.path+" says so already")
		return nil
	}
	if before != nil {
		if err := i.t.keepOld(i.path, before); err != nil {
			return err
		}
	}
	mode := p.mode()
	if err := putFile(i.path, []byte(p.text), mode, nil); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return &hinted{fmt.Errorf("cannot write the settings: %w", err), i.typed.AsRoot()}
		}
		return fmt.Errorf("cannot write the settings: %w", err)
	}
	o.Written = append(o.Written, statedir.Text(i.path))
	i.t.line("settings", fmt.Sprintf("%s is written (mode %04o)", i.path, mode))
	return nil
}

// difference is that of what both come to, for what is secret is shown nowhere.
func (i *initiation) difference(before, after []byte) string {
	shown := func(text []byte) []byte {
		s, err := newReader().parse(i.path, text)
		if err != nil {
			return nil
		}
		all, _ := textOf(s.inForce())
		return []byte(all)
	}
	return string(diff.Diff(i.path, shown(before), "found now", shown(after)))
}

// end writes what else was asked for, and looks what a first switch would do.
func (i *initiation) end(p *proposal, s settings, offers []offer, o initObject) error {
	if !i.c.Bool("dry-run") {
		if err := i.t.install(i.c.Context, offers, i.typed.Again("--force"), &o); err != nil {
			return err
		}
	}
	sw := s.switcherFor(s.sites[0], i.t)
	idle := p.places[0].LiveColor().Other()
	request := switcher.Request{To: idle, DryRun: true, Command: "to", Who: who(), Handover: nginx.HandoverFast}
	results, err := dryRun(i.c.Context, sw, request)
	o.DryRun = switchObjectOf(results[0], err, aftermath{})
	o.Next = statedir.Text(i.next(s, idle, err))
	if i.t.json {
		i.t.showObject(o)
	} else {
		i.t.result("")
		i.t.showSwitches(results, err)
	}
	code := codeOf(results[0].Outcome)
	if err != nil {
		code = i.t.exit(err)
	}
	if !i.t.json {
		i.offer(offers)
		i.t.result("next: %s", string(o.Next))
	}
	return exitCode(code)
}

func dryRun(ctx context.Context, sw *switcher.Switcher, request switcher.Request) ([]switcher.Result, error) {
	return switcher.Together(ctx, sw.Typed, []*switcher.Switcher{sw}, request)
}

// next is the command that follows.
func (i *initiation) next(s settings, idle switcher.Color, err error) string {
	t := s.typedFor(s.sites[0])
	if err != nil {
		return "`" + t.Command("to", string(idle), "--dry-run") + "`, once that is mended"
	}
	if i.c.Bool("dry-run") {
		return "`" + t.Command("init") + "` writes it"
	}
	return "`" + t.Command("to", string(idle)) + "`"
}

// offer names what else there is to be had.
func (i *initiation) offer(taken []offer) {
	if i.c.Bool("dry-run") {
		return
	}
	has := func(flag string) bool {
		return slices.ContainsFunc(taken, func(o offer) bool { return o.flag == flag })
	}
	t := switcher.Typed{As: i.typed.As, Site: settingsFlags(i.c)}
	if !has("cron") && !has("timer") {
		i.t.result("to verify each minute: `%s`, or `%s`", t.Command("init", "--timer"), t.Command("init", "--cron"))
	}
	if !has("sudoers") && i.path == defaultSettings {
		i.t.result("to let another user switch: `%s`", t.Command("init", "--sudoers", "USER"))
	}
}
