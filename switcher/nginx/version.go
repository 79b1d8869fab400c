package nginx

import (
	"context"
	"regexp"
	"slices"
	"strconv"
)

// Version is that of nginx: major, minor, patch. The zero value is not known.
type Version [3]int

// Has says whether what came with another version is there; not where nothing is
// known.
func (v Version) Has(since Version) bool { return slices.Compare(v[:], since[:]) >= 0 }

// Version asks the binary. What others build from nginx has versions of its own,
// but for OpenResty, whose first three numbers are nginx's.
func (n *Nginx) Version(ctx context.Context) Version {
	built, err := n.ask(ctx)
	if err != nil {
		return Version{}
	}
	return built.version
}

var versionLine = regexp.MustCompile(`(?m)^nginx version: (?:nginx|openresty)/(\d+)\.(\d+)\.(\d+)`)

func parseVersion(out []byte) (v Version) {
	match := versionLine.FindSubmatch(out)
	for i := range v {
		if match != nil {
			v[i], _ = strconv.Atoi(string(match[i+1]))
		}
	}
	return v
}
