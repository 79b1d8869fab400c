package main

import (
	"cmp"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"bgswitch/health"

	"go.yaml.in/yaml/v3"
)

// scalar tells whether it is a single value.
func (w written) scalar() bool {
	if w.kind() == "text" {
		return true
	}
	w.wrongf("expected text, found %s", w.kind())
	return false
}

func (w written) text() string {
	if !w.scalar() {
		return ""
	}
	return w.node.Value
}

func plain(into *string) value {
	return shownAs(into, func(w written) { *into = w.text() })
}

// shownAs is a value whose text is shown as it is.
func shownAs[T any](into *T, take func(written)) value {
	return value{take: take, show: func() any { return *into }}
}

// requestPath may hold a key in its query.
func requestPath(into *string) value {
	return value{take: plain(into).take, show: func() any { return health.ShownPath(*into) }}
}

func (w written) absolute() string {
	path := w.text()
	if !filepath.IsAbs(path) && !w.bad[w.node] {
		w.wrongf("%q is not an absolute path", path)
	}
	return path
}

// absolute is a path that is; an empty text sets nothing.
func absolute(into *string) value {
	return shownAs(into, func(w written) {
		if w.text() != "" {
			*into = w.absolute()
		}
	})
}

// address is a URL; an empty text sets nothing.
func address(into *health.URL) value { return parsedURL(into, health.ParseURL) }

// backendURL is one that stands for a backend.
func backendURL(into *health.URL) value { return parsedURL(into, health.ParseBackendURL) }

// keyURL is one whose path may be a key, too.
func keyURL(into *health.URL) value {
	return value{take: address(into).take, show: func() any { return into.Place() }}
}

func parsedURL(into *health.URL, parse func(string) (health.URL, error)) value {
	take := func(w written) {
		text := w.text()
		if text == "" {
			return
		}
		url, err := parse(text)
		if err != nil {
			w.wrongf("%w", err)
		}
		*into = url
	}
	return value{take: take, show: func() any { return into.String() }}
}

// number does not let YAML cut 1.5 down to 1.
func number(into *int) value {
	return shownAs(into, func(w written) {
		if w.node.ShortTag() != "!!int" || w.node.Decode(into) != nil {
			w.wrongf("expected a whole number, found %s", w.shown())
		}
	})
}

func yes(into *bool) value {
	return shownAs(into, func(w written) {
		if w.node.Decode(into) != nil {
			w.wrongf("expected true or false, found %s", w.shown())
		}
	})
}

func (w written) shown() string {
	if w.node.Kind == yaml.ScalarNode {
		return strconv.Quote(w.node.Value)
	}
	return w.kind()
}

func duration(into *time.Duration) value {
	take := func(w written) {
		if !w.scalar() {
			return
		}
		d, err := parseDuration(w.node.Value)
		if err != nil {
			w.wrongf("%w", err)
			return
		}
		*into = d
	}
	return value{take: take, show: func() any { return durationText(*into) }}
}

// words is a list of texts.
func words(into *[]string) value {
	take := func(w written) {
		for _, item := range w.items() {
			*into = append(*into, item.text())
		}
	}
	return value{take: take, show: func() any { return shownWords(*into) }}
}

// shownWords are those of a command, without what may be a key in a URL.
func shownWords(argv []string) []string {
	var shown []string
	for _, word := range argv {
		if url, err := health.ParseURL(word); err == nil {
			word = url.String()
		}
		shown = append(shown, word)
	}
	return shown
}

// program is a name or an absolute path: another one would mean a file of
// whoever types the command, in the folder where he stands.
func (w written) program() string {
	if name := w.text(); name == filepath.Base(name) {
		return name
	}
	return w.absolute()
}

// binary is nginx's; an empty text sets nothing.
func binary(into *string) value {
	take := func(w written) {
		if w.text() != "" {
			*into = w.program()
		}
	}
	return value{take: take, show: func() any { return cmp.Or(*into, "nginx") }}
}

// argv is a command that nginx's own is replaced by.
func argv(into *[]string) value {
	v := words(into)
	v.take = func(w written) {
		if w.node.Kind != yaml.SequenceNode {
			_ = w.isCommand()
		} else if words(into).take(w); len(*into) > 0 {
			_ = w.items()[0].program()
		}
	}
	return v
}

var plainContainer = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// container is what a runtime calls one, or its id; an empty text sets nothing.
func container(into *string) value {
	return shownAs(into, func(w written) {
		if *into = w.text(); *into != "" && !plainContainer.MatchString(*into) {
			w.wrongf("%q is not the name of a container; use letters, digits, dots, dashes and underscores", *into)
		}
	})
}

// headers are texts by names that the operator gives, and are never shown.
func headers(into *map[string]string) value {
	take := func(w written) {
		*into = map[string]string{}
		w.each(func(name string, below written) {
			if below.key = w.key; below.node != nil {
				(*into)[name] = below.text()
			}
		})
	}
	show := func() any {
		shown := map[string]string{}
		for name := range *into {
			shown[name] = health.Hidden
		}
		return shown
	}
	return value{take: take, show: show}
}
