package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
)

// site is a site, and all that was found of it.
type site struct {
	*switcher.Examination
	s    *switcher.Switcher
	host *host
	all  []*switcher.Switcher // of the settings, whose state folders are in use
	tree *configuration       // nil: unknown
}

// check is one thing that is looked at, and what was found of it.
type check[T any] struct {
	key string
	of  func(T) []Finding
}

// checks are all there are, the most important first. Each says what it finds.
var checks = []check[*site]{
	{"nginx", (*site).stopped},
	{"refused", (*site).refusedAsIs},
	{"file", (*site).notUnderstood},
	{"decides", (*site).decidesNothing},
	{"frozen", (*site).frozen},
	{"rights", (*site).rights},
	{"state", (*site).stateUnusable},
	{"switch", (*site).otherwiseRefused},
	{"drift", (*site).drifting},
	{"names", (*site).unresolved},
	{"resolver", (*site).withoutResolver},
	{"same", (*site).sameProcess},
	{"confirm", (*site).marks},
	{"redirect", (*site).redirects},
	{"schedule", (*site).unwatched},
	{"clock", (*site).clock},
	{"former", (*site).formerNames},
	{"mounted", (*site).mountedAlone},
	{"shutdown", (*site).neverEnds},
	{"kept", (*site).cutsKept},
	{"keepalive", (*site).keepsNothing},
	{"reuseport", (*site).reuseport},
	{"comment", (*site).comments},
}

// ofHost are those that are about no site.
var ofHost = []check[*host]{
	{"sudo", (*host).sudo},
	{"clock", (*host).unsteady},
}

// Checks is how many there are.
func Checks() int {
	keys := map[string]bool{}
	for _, c := range checks {
		keys[c.key] = true
	}
	for _, c := range ofHost {
		keys[c.key] = true
	}
	return len(keys)
}

// order is the place of a check. Who may switch comes with who verifies.
func order(key string) int {
	if key == "sudo" {
		key = "schedule"
	}
	return slices.IndexFunc(checks, func(c check[*site]) bool { return c.key == key })
}

// atOnce is how many sites are looked at at the same time: each runs nginx's test.
const atOnce = 2

// Look looks at sites and at the host; all are the sites of the settings. It
// changes nothing.
func Look(ctx context.Context, at Host, sites, all []*switcher.Switcher) []Finding {
	h := &host{Host: at, asRoot: sites[0].AsRoot()}
	h.findSchedules()
	var found []Finding
	for _, check := range ofHost {
		found = append(found, keyed(check.key, nil, check.of(h))...)
	}
	of := make([][]Finding, len(sites))
	places, wait := make(chan struct{}, atOnce), sync.WaitGroup{}
	for i, s := range sites {
		wait.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			of[i] = examine(ctx, h, s, all)
		})
	}
	wait.Wait()
	return together(append(found, slices.Concat(of...)...))
}

func examine(ctx context.Context, h *host, s *switcher.Switcher, all []*switcher.Switcher) (found []Finding) {
	x := &site{Examination: s.Examine(ctx), s: s, host: h, all: all}
	if x.Dump != nil {
		x.tree = newConfiguration(nginxconf.ReadTree(x.Dump.Sources()))
		for _, err := range x.tree.Unread {
			found = append(found, keyed("refused", []string{s.Site.Name}, []Finding{unknown("", "a file of nginx's is not understood, and was left out: %v", err)})...)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	for _, check := range checks {
		found = append(found, keyed(check.key, []string{s.Site.Name}, check.of(x))...)
	}
	return found
}

func keyed(key string, sites []string, found []Finding) []Finding {
	for i := range found {
		found[i].Key, found[i].Sites = key, slices.Clone(sites)
	}
	return found
}

// AllWell is what is said where nothing was found.
func AllWell() string { return fmt.Sprintf("all well, by %d checks", Checks()) }

// mayAll says whether nothing is hidden from us.
func mayAll() bool { return os.Geteuid() == 0 }
