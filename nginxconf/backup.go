package nginxconf

import "strings"

// backupFinder finds the flag `backup` in an upstream where the servers of both
// colors stand: those of the idle color carry it, and it moves.
type backupFinder struct{ upstream string }

const backupFlag = "backup"

func (backupFinder) parse(words []string) finder {
	if name, ok := inUpstream(backupFlag, words); ok {
		return backupFinder{name}
	}
	return nil
}

func (f backupFinder) String() string { return "backup in upstream " + f.upstream }

func (f backupFinder) decides(name string) bool { return name == "upstream" }

func (f backupFinder) find(r reading, colors Colors) ([]Word, error) {
	p, err := r.pool(f.upstream)
	if err != nil {
		return nil, err
	}
	if err := p.checkContent(r, colors); err != nil {
		return nil, err
	}
	var words []Word
	seen := map[string]bool{}
	for _, server := range p.servers() {
		w, err := p.readBackup(r, server, colors)
		if err != nil {
			return nil, err
		}
		if seen[w.what] {
			return nil, refuseAt(r.src, w.Start, "%s is there twice, expected once", w.what)
		}
		seen[w.what] = true
		words = append(words, w)
	}
	if want := len(colors[Blue]) + len(colors[Green]); want != len(words) {
		return nil, p.refuse(r, "%s has %s, expected the %d of both colors", p.title(), servers(len(words)), want)
	}
	return words, nil
}

// readBackup reads the flag of one server line. Its word is the flag and the
// blanks before it, or nothing, behind the last argument.
func (p pool) readBackup(r reading, server placed, colors Colors) (Word, error) {
	_, color, i, err := server.ofColor(r, colors, "down")
	if err != nil {
		return Word{}, err
	}
	w := Word{
		Color: color, Upstream: p.name, place: p.title(), in: server.in,
		what:  "server " + colors[color][i].String(),
		texts: map[Color]string{color: "", color.Other(): " " + backupFlag},
	}
	flag, marked := server.marked(backupFlag)
	last := server.words[len(server.words)-1]
	switch {
	case !marked:
		w.Span = Span{last.outer.End, last.outer.End}
	case flag != last:
		return Word{}, refuseAt(r.src, flag.Start, "%s comes before %s, expected it last", backupFlag, quote(last.value))
	default:
		w.Span, w.Color = Span{server.words[len(server.words)-2].outer.End, last.outer.End}, color.Other()
	}
	w.Value = string(r.src[w.Start:w.End])
	w.Line = lineAt(r.src, w.Start)
	if strings.Trim(w.Value, " \t\"'"+backupFlag) != "" {
		return Word{}, refuseAt(r.src, flag.Start, "there is more than blanks before %s, expected it on one line right after %s", backupFlag, quote(server.words[len(server.words)-2].value))
	}
	return w, nil
}

// candidates are the upstreams that hold both colors.
func (backupFinder) candidates(r reading, colors Colors) []finder {
	var found []finder
	for _, p := range r.pools() {
		if p.block != nil && len(p.held(colors)) == 2 {
			found = append(found, backupFinder{p.name})
		}
	}
	return found
}
