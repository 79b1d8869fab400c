package statedir

import (
	"fmt"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
)

// Proved is what the live files of a site were when nginx was last proved to serve
// a color by them.
type Proved struct {
	Schema int             `json:"schema"`
	Time   time.Time       `json:"time"` // when that switch began
	Color  nginxconf.Color `json:"color"`
	Files  []ProvedFile    `json:"files"`
}

// ProvedFile is one of them, to the last byte.
type ProvedFile struct {
	Path  string `json:"path"`
	Hash  string `json:"hash"` // SHA-256, in hex
	Bytes []byte `json:"bytes"`
}

const (
	provedSchema = 1
	provedLimit  = 64 << 20 // of what is read, in bytes: a live file has at most 1 MiB
)

func provedFile(color nginxconf.Color) string { return "proved-" + string(color) + ".json" }

// KeepProved puts it in the place of what was kept of that color. It returns when
// that is on the disk. Only the holder of the lock may call it.
func (f Folder) KeepProved(p Proved) error {
	p.Schema = provedSchema
	for i := range p.Files {
		p.Files[i].Hash = livefile.Hash(p.Files[i].Bytes)
	}
	return f.Store(provedFile(p.Color), p)
}

// Proved is what is kept of a color; nil where nothing is. What is damaged, or
// others could change, is an error.
func (f Folder) Proved(color nginxconf.Color) (*Proved, error) {
	var p Proved
	name := provedFile(color)
	found, err := f.load(name, provedLimit, &p)
	if err != nil || !found {
		return nil, err
	}
	if p.Schema != provedSchema || p.Color != color {
		return nil, fmt.Errorf("%s: version %d of %q is unknown", name, p.Schema, p.Color)
	}
	for _, file := range p.Files {
		if file.Hash != livefile.Hash(file.Bytes) {
			return nil, fmt.Errorf("%s is damaged: the hash of its bytes is wrong", name)
		}
	}
	return &p, nil
}
