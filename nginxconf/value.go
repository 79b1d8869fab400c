package nginxconf

import (
	"errors"
	"fmt"
	"strings"
)

// Value is what a deciding word is in one color.
type Value interface {
	// String is the word as it is written to the file.
	String() string
	// Is tells whether a word of the file, decoded, means the same.
	Is(word string) bool
}

// Is tells whether the word is an address, and the same one.
func (a Address) Is(word string) bool {
	b, err := ParseAddress(word)
	return err == nil && a.Equal(b)
}

// Name is a value that is compared letter by letter: the name of an upstream
// in a variable, or a file that is included.
type Name string

// maxName is more than any name that people write, and shorter than nginx's
// words may be.
const maxName = 1024

// ParseName accepts what stands in a file as one plain word.
func ParseName(s string) (Name, error) {
	plain := func(r rune) bool { return r < 128 && isAlnum(byte(r)) || strings.ContainsRune("_-.:/@%+,=~", r) }
	switch {
	case s == "":
		return "", errors.New("cannot read value: it is empty")
	case len(s) > maxName:
		return "", fmt.Errorf("cannot read value: it has %d bytes, at most %d are allowed", len(s), maxName)
	case strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }):
		return "", fmt.Errorf("cannot read value: %s: it may contain only letters, digits and _-.:/@%%+,=~", quote(s))
	}
	return Name(s), nil
}

func (n Name) String() string { return string(n) }

// Is compares letter by letter.
func (n Name) Is(word string) bool { return word == string(n) }

// complete tells an address that cannot be a mere name.
func (a Address) complete() bool { return a.port != 0 || a.path != "" }

// Value reads a value as the selector's words have it: an address, where the
// word is one, else a plain word. Where it is left open which words decide, it
// is an address if it can be one that is complete.
func (s Selector) Value(text string) (Value, error) {
	if s.finder != nil && addressesOnly(s.finder) {
		return ParseAddress(text)
	}
	a, err := ParseAddress(text)
	isPath := strings.Contains(text, "/") && !strings.Contains(text, ":")
	if err == nil && (s.finder == nil || a.complete()) {
		return a, nil
	}
	if s.finder == nil && !isPath {
		return nil, err
	}
	return ParseName(text)
}

// Dials tells whether a value says where a backend listens. Where the words
// may be names, an address without a port may be one, too.
func (s Selector) Dials(v Value) bool {
	a, is := v.(Address)
	_, passes := s.finder.(passFinder)
	return is && (a.complete() || s.finder == nil || addressesOnly(s.finder) && !passes)
}

func addressesOnly(f finder) bool {
	switch f.(type) {
	case serverFinder, backupFinder, passFinder:
		return true
	}
	return false
}

// exactly compares an address that is complete as nginx does, and a bare name
// letter by letter: in a variable, another spelling is another name.
func exactly(v Value, word string) bool {
	if a, is := v.(Address); is && a.complete() {
		return a.Is(word)
	}
	return v.String() == word
}

// Name is the host where it is a name that has to be looked up; empty for an IP
// address and a socket. bare says that no port is written.
func (a Address) Name() (host string, bare bool) {
	if a.path != "" || strings.HasPrefix(a.host, "[") || endsInNumber(a.host) {
		return "", false
	}
	return a.host, a.port == 0
}
