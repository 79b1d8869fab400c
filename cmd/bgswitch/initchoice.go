package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/discovery"
	"bgswitch/switcher/livefile"
)

// chosen is what decides a site, and the nginx that reads it.
type chosen struct {
	look   *discovery.Look
	places []*discovery.Place
}

// choose finds the one site that is meant.
func (i *initiation) choose() (chosen, error) {
	all := i.candidates()
	if len(all) == 0 && i.given() == nil {
		all = i.neighbors()
	}
	switch {
	case len(all) == 0:
		return i.unknown()
	case len(all) == 1:
		return all[0], nil
	case i.t.canAsk() && !i.c.Bool("yes"):
		return i.pick(all)
	}
	i.list(all)
	return chosen{}, i.uncertain("several places decide something, and it is not clear which one you mean", fmt.Sprintf("name it: `%s`", i.naming(all[0])))
}

// uncertain is why nothing is written.
func (i *initiation) uncertain(what, hint string) error {
	return &hinted{errors.New("cannot be certain what decides the color: " + what), hint}
}

// given are the values that the flags say.
func (i *initiation) given() map[switcher.Color][]string {
	said := map[switcher.Color][]string{}
	for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
		if values := i.c.StringSlice(string(color)); len(values) > 0 {
			said[color] = values
		}
	}
	if len(said) == 0 {
		return nil
	}
	return said
}

// candidates are the sites of every nginx that fit the flags.
func (i *initiation) candidates() (all []chosen) {
	for _, l := range i.looks {
		places := l.Places
		if said := i.given(); said != nil {
			places = l.Given(said)
		}
		for _, site := range discovery.Sites(slices.DeleteFunc(slices.Clone(places), func(p *discovery.Place) bool { return !i.fits(l, p) })) {
			all = append(all, chosen{l, site})
		}
	}
	return all
}

// fits says whether --file and --selector, where they are given, mean a place.
func (i *initiation) fits(l *discovery.Look, p *discovery.Place) bool {
	file, selector := i.c.String("file"), i.c.String("selector")
	if selector != "" && strings.Join(strings.Fields(selector), " ") != p.Selector {
		return false
	}
	if file == "" || filepath.Clean(file) == p.File {
		return true
	}
	at, err := l.OnHost(p.File)
	return err == nil && at == filepath.Clean(file)
}

// neighbors are the guesses that answer.
func (i *initiation) neighbors() (all []chosen) {
	for _, l := range i.looks {
		found := l.Found
		found.Bare = slices.DeleteFunc(slices.Clone(found.Bare), func(p *discovery.Place) bool { return !i.fits(l, p) })
		for _, p := range found.Neighbors(i.c.Context, l.Asks(i.asker), l.Has) {
			all = append(all, chosen{l, []*discovery.Place{p}})
		}
	}
	return all
}

// naming is the command that means one of several.
func (i *initiation) naming(one chosen) string {
	p := one.places[0]
	flags := []string{"--file", p.File}
	if p.Selector != "" {
		flags = append(flags, "--selector", p.Selector)
	}
	return i.typed.Again(flags...)
}

func (i *initiation) list(all []chosen) {
	for n, one := range all {
		for _, p := range one.places {
			i.t.say(fmt.Sprintf("%d: %s: %s, and %s (%s)", n+1, p.At(), p.Says, strings.Join(p.Idle, ", "), p.Why))
		}
	}
}

func (i *initiation) pick(all []chosen) (chosen, error) {
	i.list(all)
	said, err := i.t.answer(i.c, "choose", fmt.Sprintf("Which of them? [1-%d]", len(all)))
	if err != nil {
		return chosen{}, err
	}
	if n, err := strconv.Atoi(said); err == nil && n >= 1 && n <= len(all) {
		return all[n-1], nil
	}
	return chosen{}, i.uncertain("none of them was chosen", fmt.Sprintf("name it: `%s`", i.naming(all[0])))
}

// listed is how many places are told of that decide nothing.
const listed = 8

// unknown describes what was found instead, and asks for what cannot be seen where
// that is one address.
func (i *initiation) unknown() (chosen, error) {
	var bare []chosen
	doubts := 0
	for _, l := range i.looks {
		i.t.say("looked at " + l.Where() + ", " + switcher.Counted(len(l.Tree.Files()), "file"))
		for _, err := range l.Unread {
			i.t.say("not understood, and left out: " + err.Error())
		}
		for _, d := range l.Doubts {
			doubts++
			i.t.say(d.String())
			if d.Mend != "" {
				i.t.say("  to switch it: " + d.Mend)
			}
		}
		for _, p := range l.Bare {
			if i.fits(l, p) {
				bare = append(bare, chosen{l, []*discovery.Place{p}})
			}
		}
	}
	for _, one := range bare[:min(len(bare), listed)] {
		p := one.places[0]
		i.t.say(fmt.Sprintf("%s: %s: nothing tells of a second copy", p.At(), p.Says))
	}
	if more := len(bare) - listed; more > 0 {
		i.t.say(fmt.Sprintf("and %d more", more))
	}
	switch {
	case len(bare) == 1 && i.t.canAsk() && !i.c.Bool("yes") && i.given() == nil:
		return i.askAddress(bare[0])
	case len(bare) > 0:
		return chosen{}, i.uncertain("no place names two copies", fmt.Sprintf("say where the other copy listens: `%s`", i.typed.Again("--file", bare[0].places[0].File, "--green", "ADDRESS")))
	case doubts > 0:
		return chosen{}, i.uncertain("what looks like a color cannot be switched as it stands", "change what is named above and retry; `bgswitch settings example` shows every layout that can be switched")
	}
	return chosen{}, i.uncertain("nginx passes no request to an app", "say which nginx is meant: --container NAME, or --conf FILE")
}

func (i *initiation) askAddress(one chosen) (chosen, error) {
	p := one.places[0]
	said, err := i.t.answer(i.c, "ask for the other copy", fmt.Sprintf("%s is one copy. Where does the other one listen? [as %s]", strings.Join(p.Live, ", "), p.Live[0]))
	if err != nil {
		return chosen{}, err
	}
	for _, place := range one.look.Given(map[switcher.Color][]string{switcher.Green: {said}}) {
		if place.At() == p.At() {
			return chosen{one.look, []*discovery.Place{place}}, nil
		}
	}
	return chosen{}, i.uncertain(strconv.Quote(said)+" is not the address of a second copy", fmt.Sprintf("`%s`", i.typed.Again("--green", "127.0.0.1:3002")))
}

// reach finds the files on this host.
func (i *initiation) reach(p *proposal) error {
	p.files = map[string]string{}
	for _, place := range p.places {
		names := []string{place.File}
		if place.Whole() {
			names = append(names, place.Live[0], place.Idle[0])
		}
		for n, name := range names {
			at, err := p.look.OnHost(name)
			if folder := filepath.Dir(name); n == 0 && place.Whole() { // a link itself
				at, err = p.look.OnHost(folder)
				at = filepath.Join(at, filepath.Base(name))
			}
			if errors.Is(err, livefile.ErrNotOnHost) {
				return &hinted{fmt.Errorf("cannot switch %s in %s: %w, and goes with it", name, p.look.Within, err), "keep its folder on this host and mount it into the container (`./conf.d:/etc/nginx/conf.d`), or run bgswitch inside the container"}
			}
			if err != nil {
				return fmt.Errorf("cannot find %s of %s on this host: %w", name, p.look.Within, err)
			}
			p.files[name] = at
		}
	}
	return nil
}

// askColors asks both colors, and looks for what tells them apart.
func (i *initiation) askColors(p *proposal) error {
	first := p.places[0]
	p.check = first.Check()
	ask := p.look.Asks(i.asker)
	var live, idle []string
	for _, place := range p.places {
		live, idle = append(live, place.AskOf(place.LiveColor())...), append(idle, place.AskOf(place.LiveColor().Other())...)
	}
	if path := i.c.String("path"); path != "" {
		p.check.Path = path
		if err := p.check.Validate(); err != nil {
			return usage("a path is written as /healthz", "--path: %v", err)
		}
	} else {
		p.check.Path = discovery.Path(i.c.Context, ask, p.check, live)
	}
	var both sync.WaitGroup
	both.Go(func() { p.live = discovery.Answers(i.c.Context, ask, p.check, live) })
	both.Go(func() { p.idle = discovery.Answers(i.c.Context, ask, p.check, idle) })
	both.Wait()
	if i.c.Context.Err() != nil {
		return &switcher.Error{Outcome: switcher.Interrupted, Step: "ask the colors", Err: errors.New("interrupted before anything changed"), Hint: "type it again when you are ready"}
	}
	return i.confirm(p)
}

// confirm finds the marks of both colors, and how they are seen through nginx.
func (i *initiation) confirm(p *proposal) error {
	marks, found := discovery.Apart(p.live, p.idle)
	switch {
	case !discovery.Well(p.live) || !discovery.Well(p.idle):
		p.unconfirmed = "at least one color was not healthy, so nothing could be found that tells them apart"
	case p.check.Type != health.TypeHTTP:
		p.unconfirmed = "this is not HTTP, and no header tells the colors apart"
	case !found:
		p.unconfirmed = "nothing in their answers tells the colors apart: let each send a header of its own, as `X-Color: blue` and `X-Color: green`"
	}
	if p.unconfirmed != "" {
		return nil
	}
	if err := p.named(marks.LiveIs, i); err != nil {
		return err
	}
	live := p.places[0].LiveColor()
	p.marks = map[switcher.Color]switcher.Mark{live: switcher.Mark(marks.Live), live.Other(): switcher.Mark(marks.Idle)}
	if p.passing = marks.Passing; p.passing {
		p.unconfirmed = "what tells the colors apart now goes with the next release: let each send a header that stays, as `X-Color: blue` and `X-Color: green`"
	}
	return i.throughNginx(p, live)
}

func (i *initiation) throughNginx(p *proposal, live switcher.Color) error {
	ways := discovery.WaysOf(p.look.Tree, p.places[0], p.look.Published)
	if said := i.c.String("url"); said != "" {
		if _, err := health.ParseURL(said); err != nil {
			return usage("a URL is written as http://127.0.0.1/", "--url: %v", err)
		}
		host := ""
		if len(ways) > 0 {
			host = ways[0].Host
		}
		ways = []discovery.Way{{URL: said}, {URL: said, Host: host}}
	}
	confirm := switcher.Confirm{Marks: p.marks}
	way, seen := discovery.Seen(i.c.Context, i.asker, ways, confirm.Tells, live)
	if p.way = way; !seen {
		var tried []string
		for _, w := range ways {
			tried = append(tried, w.URL)
		}
		p.unconfirmed = fmt.Sprintf("the mark %q was not seen through nginx (asked: %s): say where nginx answers, with --url", string(p.marks[live]), strings.Join(tried, ", "))
	}
	return nil
}

// named takes the colors that the answers name. Where the configuration has them the
// other way round, nobody knows which is meant.
func (p *proposal) named(live switcher.Color, i *initiation) error {
	for _, place := range p.places {
		switch {
		case live == "" || place.LiveIs == live:
		case place.LiveIs == "":
			place.LiveIs = live
		default:
			is, other := strings.Join(place.Live, ","), strings.Join(place.Idle, ",")
			return i.uncertain(fmt.Sprintf("%s is %s as it is named, and answers as %s", is, place.LiveIs, live),
				fmt.Sprintf("mend the name or the app, or go by the answers: `%s`", i.typed.Again("--"+string(live), is, "--"+string(live.Other()), other)))
		}
	}
	return nil
}

// sure makes sure that somebody has said so where the configuration does not.
func (i *initiation) sure(p *proposal) error {
	guess := slices.IndexFunc(p.places, func(place *discovery.Place) bool { return !place.Sure })
	well := discovery.Well(p.live) && discovery.Well(p.idle)
	if guess < 0 {
		return nil
	}
	place := p.places[guess]
	what := fmt.Sprintf("that %s is the other copy is a guess (%s)", strings.Join(place.Idle, ", "), place.Why)
	flags := p.flags()
	switch {
	case i.c.Bool("yes") && well:
		return nil
	case i.c.Bool("yes"):
		return i.uncertain(what+", and not both are healthy", fmt.Sprintf("if it is so, say it: `%s`", i.typed.Again(flags...)))
	case i.t.canAsk():
		said, err := i.t.answer(i.c, "ask whether that is so", what+". Is it so? [y/N]")
		if err != nil || isYes(said) {
			return err
		}
	}
	return i.uncertain(what, fmt.Sprintf("if it is so, say it: `%s`, or `%s`", i.typed.Again("--yes"), i.typed.Again(flags...)))
}

// flags say what was guessed.
func (p *proposal) flags() (flags []string) {
	place := p.places[0]
	for _, color := range []nginxconf.Color{nginxconf.Blue, nginxconf.Green} {
		for _, value := range place.Of(color) {
			flags = append(flags, "--"+string(color), value)
		}
	}
	return flags
}
