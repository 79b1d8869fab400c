// Package webpage shows what verify found as one HTML file that needs nothing else:
// it has no script, and gets nothing from anywhere.
package webpage

import (
	"bytes"
	_ "embed"
	"html/template"
	"sync"
	"time"

	"bgswitch/switcher/verify"
)

//go:embed page.html
var source string

var parsed = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Parse(source))
})

// Site is what a page shows of one site.
type Site struct {
	Finding verify.Finding
	Day     Day
}

// HTML is the page of a run that ended at now, in the zone of that time. What
// others wrote stands in it as text, however it is written.
func HTML(host string, now time.Time, sites []Site) ([]byte, error) {
	var b bytes.Buffer
	err := parsed().Execute(&b, viewOf(host, now, sites))
	return b.Bytes(), err
}
