package discovery

import (
	"cmp"
	"errors"
	"slices"

	"bgswitch/nginxconf"
)

// found is what was found, each place as nginxconf understands it: what that refuses
// cannot be switched, and is a doubt.
func (f *finder) found() Found {
	all := Found{Doubts: f.doubts, Unread: f.tree.Unread}
	for _, p := range f.order {
		switch {
		case !p.Whole() && f.taken[p.File]:
		case !p.Known():
			all.Bare = append(all.Bare, p)
		case !p.asked():
			all.Doubts = append(all.Doubts, Doubt{p.File, p.Line, "it does not say where " + p.Live[0] + " and " + p.Idle[0] + " listen", "give each an upstream with a server"})
		case f.contradicted(p):
			all.Doubts = append(all.Doubts, Doubt{p.File, p.Line, "nginx passes to " + p.Live[0] + " here and to " + p.Idle[0] + " elsewhere", "let one `set`, or the default of one `map`, name the color for both"})
		default:
			if doubt := p.misfit(f.tree.Text(p.File)); doubt != nil {
				all.Doubts = append(all.Doubts, *doubt)
				continue
			}
			all.Places = append(all.Places, p)
		}
	}
	slices.SortStableFunc(all.Places, func(a, b *Place) int { return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line) })
	return all
}

// asked says whether it is known where to ask each color.
func (p *Place) asked() bool {
	for _, color := range []nginxconf.Color{nginxconf.Blue, nginxconf.Green} {
		if at := p.AskOf(color); len(at) == 0 || slices.ContainsFunc(at, func(a string) bool { return !listens(a) && !p.bare(a) }) {
			return false
		}
	}
	return true
}

// bare is a server without a port, which is that of HTTP.
func (p *Place) bare(address string) bool {
	_, err := nginxconf.ParseAddress(address)
	return err == nil && p.Upstream != ""
}

// contradicted says that another place has the same two values the other way round.
func (f *finder) contradicted(p *Place) bool {
	return slices.ContainsFunc(f.order, func(other *Place) bool {
		return slices.Equal(p.Live, other.Idle) && slices.Equal(p.Idle, other.Live) && p.File != "" && !f.taken[other.File]
	})
}

// Layout is how bgswitch would be told of the place.
func (p *Place) Layout() (nginxconf.Layout, error) {
	selector, err := nginxconf.ParseSelector(p.Selector)
	if err != nil {
		return nil, err
	}
	colors := nginxconf.Colors{}
	for _, color := range []nginxconf.Color{nginxconf.Blue, nginxconf.Green} {
		for _, text := range p.Of(color) {
			value, err := selector.Value(text)
			if err != nil {
				return nil, err
			}
			colors[color] = append(colors[color], value)
		}
	}
	return nginxconf.Layout{{Selector: selector, Colors: colors}}, nil
}

// misfit is why a place of words cannot be switched as it is; nil: it can be.
func (p *Place) misfit(text []byte) *Doubt {
	if p.Whole() {
		return nil
	}
	layout, err := p.Layout()
	var read *nginxconf.File
	if err == nil {
		read, err = nginxconf.Read(text, layout)
	}
	if err == nil && read.Live() == p.LiveColor() {
		return nil
	}
	d := &Doubt{File: p.File, Line: p.Line, What: "what decides there is not what nginx passes to now"}
	if err != nil {
		d.What = err.Error()
	}
	if refused := (*nginxconf.Refusal)(nil); errors.As(err, &refused) {
		d.What, d.Mend = refused.Msg, refused.Advice
		if refused.Line > 0 {
			d.Line = refused.Line
		}
	}
	return d
}

// Sites are places as they switch together: those of one pair of values, and the
// upstreams of one file. That these do is a guess.
func Sites(places []*Place) (sites [][]*Place) {
	for _, p := range places {
		i := slices.IndexFunc(sites, func(site []*Place) bool { return together(site[0], p) })
		if i < 0 {
			sites = append(sites, []*Place{p})
			continue
		}
		if !alike(sites[i][0], p) {
			p.Sure, sites[i][0].Sure = false, false
		}
		sites[i] = append(sites[i], p)
	}
	return sites
}

func alike(a, b *Place) bool { return slices.Equal(a.Live, b.Live) && slices.Equal(a.Idle, b.Idle) }

func together(a, b *Place) bool {
	if a.Whole() || b.Whole() || a.LiveColor() != b.LiveColor() {
		return false
	}
	return alike(a, b) || a.File == b.File && a.Upstream != "" && b.Upstream != ""
}
