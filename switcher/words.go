package switcher

import "fmt"

// How a site is spoken of that no nginx serves.

func (s Site) worded(ofNginx, ofApp string) string {
	if len(s.Restart) > 0 {
		return ofApp
	}
	return ofNginx
}

// Server is what serves the site.
func (s Site) Server() string { return s.worded("nginx", "the app") }

// Through is where it is asked who answers.
func (s Site) Through() string {
	if s.Confirm == nil {
		return "through nginx"
	}
	return s.worded("through nginx", fmt.Sprintf("at %s", s.Confirm.URL))
}

// NoURL is why a color is not asked that runs only once it is live.
func NoURL(color Color) string { return fmt.Sprintf("the check has no %s_url", color) }

// The steps that are called after what they change.
func (p *Prepared) stepPut() string {
	for _, c := range p.Changes {
		if c.Relink == nil {
			return "replace the file"
		}
	}
	return "re-point the link"
}

func (p *Prepared) stepLoad() string { return p.Site.worded("reload nginx", "restart the app") }

// failed is the step that failed, in a few words.
func (p *Prepared) failed() string {
	switch step := p.cause.Step; step {
	case p.stepLoad():
		return p.Site.worded("reload failed", "restart failed")
	case p.stepConfirm():
		return "confirm failed"
	default:
		return "cannot " + step
	}
}

func (p *Prepared) stepConfirm() string {
	return p.Site.worded("confirm through nginx", "confirm the answers")
}
