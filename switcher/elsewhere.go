package switcher

import (
	"fmt"

	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// findElsewhere finds where nginx passes to a color besides: it may be a preview
// that is meant so, or a place that was forgotten.
func (p *part) findElsewhere() {
	dump := p.survey.accepted.dump
	if dump == nil {
		return
	}
	p.elsewhere = []statedir.Elsewhere{}
	deciding, seen := p.survey.deciding(), map[string]bool{}
	for _, color := range []Color{Blue, Green} {
		for _, value := range p.Site.values(color) {
			lines := dump.PassingTo(value, deciding)
			if len(lines) > 0 && !seen[value.String()] {
				p.elsewhere = append(p.elsewhere, statedir.Elsewhere{Color: color, Value: value.String(), Lines: lines})
			}
			seen[value.String()] = true
		}
	}
}

// deciding are the lines in which a word decides.
func (s *Survey) deciding() []nginx.Passing {
	var lines []nginx.Passing
	for _, c := range s.Changes {
		for _, w := range c.words {
			lines = append(lines, nginx.Passing{File: c.view.at, Line: w.Line})
		}
	}
	return lines
}

// noteElsewhere says so, once the outcome is known: a switch has left it as it is.
func (p *part) noteElsewhere(outcome Outcome) {
	for _, e := range p.elsewhere {
		if outcome == Done && e.Color == p.plan.From && p.plan.From != p.plan.To {
			p.note("nginx still passes to %s (%s) in %s; a switch does not change that", e.Color, e.Value, some(e.Lines))
			continue
		}
		p.note("%s; a switch does not change that", ElsewhereWords(e))
	}
}

// ElsewhereWords say where nginx passes to a color, too.
func ElsewhereWords(e statedir.Elsewhere) string {
	return fmt.Sprintf("nginx also passes to %s (%s) in %s", e.Color, e.Value, some(e.Lines))
}
