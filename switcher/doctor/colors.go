package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/sockets"
)

var colors = []switcher.Color{switcher.Blue, switcher.Green}

// unresolved are names that nginx does not find: with one it does not start, and
// loads nothing.
func (x *site) unresolved() (found []Finding) {
	for _, l := range x.Located {
		if l.Err == nil {
			continue
		}
		host, _, _ := strings.Cut(l.Name, ":")
		if !isNoName(l.Err) {
			found = append(found, unknown("getent hosts "+host, "whether %s, %s, is found where nginx runs: %v", l.Name, l.Color, l.Err))
			continue
		}
		remedy := fmt.Sprintf("give it a name there that lasts: `echo 'ADDRESS %s' >>/etc/hosts`", host)
		if x.Running.Container != nil {
			remedy = fmt.Sprintf("start its container, in a network that nginx's has, too: `docker network connect NETWORK %s`", host)
		}
		switch {
		case !x.byVariable():
			found = append(found, problem(remedy, "%s, %s, is not found where nginx runs: with such a server in its configuration nginx loads nothing, and does not start", l.Name, l.Color))
		case x.hasResolver():
			found = append(found, unknown("`dig "+host+"` at the name server of `resolver`", "whether %s, %s, is found by nginx's own `resolver`: where nginx runs it is not", l.Name, l.Color))
		default:
			found = append(found, problem(remedy, "%s, %s, is not found where nginx runs: requests to it are answered with 502", l.Name, l.Color))
		}
	}
	return found
}

// isNoName says that a name was looked for, and has no address.
func isNoName(err error) bool {
	var lookUp *net.DNSError
	var none *net.AddrError
	return errors.As(err, &lookUp) && lookUp.IsNotFound || errors.As(err, &none)
}

// byVariable says whether nginx meets the addresses in a variable.
func (x *site) byVariable() (all bool) {
	for w := range x.words() {
		if all = w.Variable != ""; !all {
			break
		}
	}
	return all
}

func (x *site) hasResolver() bool {
	for _, n := range x.passes() {
		if len(x.tree.inForce("resolver", n)) > 0 {
			return true
		}
	}
	return false
}

// sameProcess: a switch from one to the other changes nothing.
func (x *site) sameProcess() []Finding {
	if x.OwnAnswers[switcher.Blue].Is != x.OwnAnswers[switcher.Green].Is {
		return nil // one program may well be both
	}
	holders := map[switcher.Color][]int{}
	for _, l := range x.Located {
		for _, other := range x.Located {
			if l.Color == switcher.Blue && other.Color == switcher.Green && shared(l, other) {
				return []Finding{problem("give green an address of its own", "%s, blue, and %s, green, lead to the same address: a switch changes nothing", l.Name, other.Name)}
			}
		}
		for _, address := range l.Addresses {
			pids, _ := sockets.Holders(max(x.Master, 0), address)
			holders[l.Color] = append(holders[l.Color], pids...)
		}
	}
	for _, pid := range holders[switcher.Blue] {
		if name := nameOf(pid); slices.Contains(holders[switcher.Green], pid) && name != "systemd" { // which only holds sockets for others
			return []Finding{problem(fmt.Sprintf("start green as a process of its own; `tr '\\0' ' ' </proc/%d/cmdline` shows what runs", pid),
				"blue and green are the same process, %d (%s): a switch changes nothing, and both go down together", pid, name)}
		}
	}
	return nil
}

func shared(one, other switcher.Located) bool {
	for _, address := range one.Addresses {
		if slices.Contains(other.Addresses, address) {
			return true
		}
	}
	return false
}

func nameOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}

// marks: what confirm asks for has to tell the colors apart before the switch that
// depends on it.
func (x *site) marks() (found []Finding) {
	confirm := x.s.Site.Confirm
	if confirm == nil {
		return nil
	}
	look := "`curl -si " + confirm.URL.String() + "` shows what comes: set `confirm:` to a header, or a text, that only one color sends"
	switch {
	case x.Nobody && x.Master != 0:
		found = append(found, problem("set `confirm: {url: …}` to where nginx serves the site; `ss -ltnp` shows where it listens",
			"nobody answers at %s, where `confirm` asks, and so every switch is rolled back: %s", confirm.URL, x.Answered))
	case x.Answers == "" && x.Answered != "" && !x.Nobody:
		found = append(found, problem(look, "what answers at %s carries the mark of neither color, so every switch is rolled back: %s", confirm.URL, x.Answered))
	}
	live, idle := x.OwnAnswers[x.Live], x.OwnAnswers[x.Live.Other()]
	for _, color := range colors {
		if x.OwnAnswers[color].Is == color.Other() {
			return append(found, problem("exchange the addresses of `blue:` and `green:` in the settings, or the marks below `confirm:`",
				"%s, asked itself, says that it is %s: every switch is rolled back", color, color.Other()))
		}
	}
	if live.Is == x.Live && idle.Is == "" && idle.Status/100 == 2 {
		to := x.Live.Other()
		found = append(found, problem("let "+string(to)+" send what `confirm:` wants of it: "+string(confirm.Marks[to]),
			"%s answers where `confirm` asks, but without its mark (%s): a switch to it would be rolled back", to, idle.Said))
	}
	return found
}

// redirects: a health check that leads elsewhere tells of elsewhere.
func (x *site) redirects() (found []Finding) {
	for _, color := range colors {
		for _, verdict := range x.Colors[color] {
			page := lastPage(verdict)
			to := page.Header.Get("Location")
			if page.Status/100 != 3 || to == "" {
				continue
			}
			remedy := "set `check: {path: …}` to a page of the app's own that answers 200"
			if target, err := url.Parse(to); err == nil && target.Path != "" {
				remedy = fmt.Sprintf("check: {path: %s}   # in the settings, if that page is the app's own health", target.Path)
			}
			if verdict.Healthy {
				found = append(found, advice(remedy, "%s: the health check is answered with a redirect to %s, which counts as healthy whatever stands there", color, to))
			} else {
				found = append(found, problem(remedy, "%s: the health check is answered with a redirect to %s, which is not followed: %s is never healthy", color, to, color))
			}
			break
		}
	}
	return found
}

func lastPage(v health.Verdict) health.Page {
	if len(v.Exchanges) == 0 {
		return health.Page{}
	}
	return v.Exchanges[len(v.Exchanges)-1].Page()
}
