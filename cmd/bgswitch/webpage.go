package main

import (
	"time"

	"bgswitch/switcher/verify"
	"bgswitch/switcher/verify/webpage"
)

func (s settings) page() publication {
	return publication{"page", "the page", "page", "page", s.pageFile}
}

// pageOf reads the history of each site, which its finding does not hold.
func pageOf(verifiers []*verify.Verifier, findings []verify.Finding, now time.Time) ([]byte, error) {
	var host string
	var sites []webpage.Site
	for i, f := range findings {
		of := verifiers[i].Switcher
		host, sites = of.Host, append(sites, webpage.Site{Finding: f, Day: webpage.Read(of.State, f.Memory.Past, now)})
	}
	return webpage.HTML(host, now, sites)
}
