package doctor

import (
	"fmt"
	"iter"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
)

func where(n *nginxconf.Said) string { return at(n.File, n.Line) }

// passes are the statements that pass requests to the site.
func (x *site) passes() (found []*nginxconf.Said) {
	for n := range x.tree.named(func(name string) bool { return strings.HasSuffix(name, "_pass") }) {
		if x.isMeant(nginxconf.HostIn(arg(n, 0))) {
			found = append(found, n)
		}
	}
	return found
}

// isMeant says whether what a statement passes to is the site's: its upstream, the
// variable that decides, or a color itself.
func (x *site) isMeant(host string) bool {
	for w := range x.words() {
		if w.Upstream != "" && strings.EqualFold(host, w.Upstream) || w.Variable != "" && holds(host, w.Variable) {
			return true
		}
		for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
			if text := w.Text(color); text != "" && host == text {
				return true
			}
		}
	}
	return false
}

func (x *site) words() iter.Seq[nginxconf.Word] {
	return func(yield func(nginxconf.Word) bool) {
		for _, f := range x.Seen {
			for _, w := range f.Words {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// holds says whether a text has a variable, given with its $.
func holds(text, variable string) bool {
	_, rest, is := strings.Cut(text, variable)
	name := strings.TrimPrefix(variable, "$")
	return is && (rest == "" || !isOfName(rest[0])) || strings.Contains(text, "${"+name+"}")
}

func isOfName(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// upstream is the block of a name; nil: there is none.
func (x *site) upstream(name string) *nginxconf.Said {
	for n := range x.tree.named(called("upstream")) {
		if strings.EqualFold(arg(n, 0), name) {
			return n
		}
	}
	return nil
}

// withoutResolver: what nginx meets in a variable it looks up while it serves; its
// test does not look there.
func (x *site) withoutResolver() (found []Finding) {
	for _, n := range x.passes() {
		if !strings.Contains(arg(n, 0), "$") || len(x.tree.inForce("resolver", n)) > 0 {
			continue
		}
		for _, host := range x.hostsOf(n) {
			if x.needsLookUp(host) {
				found = append(found, problem(x.resolver()+";   # in that location, in its server, or in http { }",
					"%s passes by a variable, and no `resolver` is set there: nginx would not find %s, and answers 502", where(n), host))
				break
			}
		}
	}
	if len(found) > 0 {
		return found
	}
	return x.refusals(ofNames, asProblem)
}

// hostsOf are where a statement with a variable passes to, in either color.
func (x *site) hostsOf(n *nginxconf.Said) (hosts []nginxconf.Address) {
	host := nginxconf.HostIn(arg(n, 0))
	texts := []string{host}
	for w := range x.words() {
		if w.Variable != "" && (host == w.Variable || host == "${"+strings.TrimPrefix(w.Variable, "$")+"}") {
			texts = append(texts, w.Text(switcher.Blue), w.Text(switcher.Green))
		}
	}
	for _, text := range texts {
		if address, err := nginxconf.ParseAddress(text); err == nil {
			hosts = append(hosts, address)
		}
	}
	return hosts
}

// needsLookUp: an upstream, an address, and what another statement passes to
// without a variable is found without a resolver (ngx_http_upstream_init_request in
// nginx's src/http/ngx_http_upstream.c).
func (x *site) needsLookUp(host nginxconf.Address) bool {
	name, bare := host.Name()
	if name == "" || bare && x.upstream(name) != nil {
		return false
	}
	for n := range x.tree.named(func(name string) bool { return strings.HasSuffix(name, "_pass") }) {
		if target := arg(n, 0); !strings.Contains(target, "$") && host.Is(nginxconf.HostIn(target)) {
			return false
		}
	}
	return true
}

// resolver is the statement that asks who knows the names here.
func (x *site) resolver() string {
	if x.Running.Container != nil {
		return "resolver 127.0.0.11 valid=10s" // Docker's own
	}
	text, _ := x.host.read("/etc/resolv.conf")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "nameserver" {
			return fmt.Sprintf("resolver %s valid=10s", bracketed(fields[1]))
		}
	}
	return "resolver ADDRESS valid=10s"
}

func bracketed(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

// neverEnds: workers from before a reload stay as long as anybody is connected.
func (x *site) neverEnds() []Finding {
	if x.Dump == nil {
		return nil
	}
	if set, err := x.Dump.Directive("worker_shutdown_timeout"); set != "" || err != nil {
		return nil
	}
	return []Finding{advice("worker_shutdown_timeout 1h;   # in "+x.Dump.Main()+", outside of all blocks",
		"no `worker_shutdown_timeout` is set: an old worker stays, and its color in use, until the last websocket or download ends")}
}

// keptSince is the version that has keepalive_min_timeout.
var keptSince = nginx.Version{1, 27, 4}

// cutsKept: a reload closes the connections that clients keep, sometimes under a
// request.
func (x *site) cutsKept() []Finding {
	if x.tree == nil || !x.Version.Has(keptSince) {
		return nil
	}
	for range x.tree.named(called("keepalive_min_timeout")) {
		return nil
	}
	return []Finding{advice("keepalive_min_timeout 1s;   # in http { } of "+x.tree.Files()[0],
		"no `keepalive_min_timeout` is set: a switch closes the connections that clients keep, and now and then under a request that is just sent")}
}

// keptByItself is the version from which on connections to upstreams are kept
// without being asked for.
var keptByItself = nginx.Version{1, 29, 7}

// keepsNothing: `keepalive` of an upstream does nothing where what passes to it
// speaks HTTP/1.0, or says that it closes.
func (x *site) keepsNothing() (found []Finding) {
	for _, n := range x.passes() {
		up := x.upstream(nginxconf.HostIn(arg(n, 0)))
		if up == nil || !x.tree.keeps(up) {
			continue
		}
		if lacks := x.lacks(n); lacks != "" {
			found = append(found, advice(lacks+"   # beside it", "%s passes to upstream %s, where `keepalive` has no effect: each request opens its own connection", where(n), arg(up, 0)))
		}
	}
	return found
}

func (c *configuration) keeps(upstream *nginxconf.Said) bool {
	for _, n := range c.below[upstream] {
		if n.Words[0] == "keepalive" {
			return arg(n, 0) != "0"
		}
	}
	return false
}

// lacks are the statements that are missing where connections are to be kept
// (ngx_http_upstream_module, "keepalive").
func (x *site) lacks(n *nginxconf.Said) string {
	var missing []string
	switch n.Words[0] {
	case "fastcgi_pass":
		if on := x.tree.inForce("fastcgi_keep_conn", n); len(on) == 0 || arg(on[0], 0) != "on" {
			missing = append(missing, "fastcgi_keep_conn on;")
		}
	case "proxy_pass":
		modern := x.Version.Has(keptByItself)
		if version := x.tree.inForce("proxy_http_version", n); len(version) == 0 && !modern || len(version) > 0 && arg(version[0], 0) == "1.0" {
			missing = append(missing, "proxy_http_version 1.1;")
		}
		if says := x.connection(n); says == "close" || says == "" && !modern {
			missing = append(missing, `proxy_set_header Connection "";`)
		}
	}
	return strings.Join(missing, " ")
}

// connection is what is sent as Connection: "close" or something else; empty where
// nothing says.
func (x *site) connection(n *nginxconf.Said) string {
	for _, header := range x.tree.inForce("proxy_set_header", n) {
		if !strings.EqualFold(arg(header, 0), "Connection") {
			continue
		}
		if value := strings.ToLower(arg(header, 1)); value == "close" {
			return value
		}
		return "else"
	}
	return ""
}

// reuseport gives each worker a queue of its own.
func (x *site) reuseport() []Finding {
	for n := range x.tree.named(called("listen")) {
		words := strings.Join(n.Words, " ") + " "
		if strings.Contains(words, " reuseport ") && !strings.Contains(words, " quic ") {
			return []Finding{advice(strings.Replace(strings.TrimSpace(words), " reuseport", "", 1)+";", "%s listens with `reuseport`: "+
				"where a reload leaves fewer workers, those who wait for one that goes are cut off, and the workers of an nginx that was killed go on answering", where(n))}
		}
	}
	return nil
}
