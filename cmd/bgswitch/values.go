package main

import (
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"bgswitch/health"

	"go.yaml.in/yaml/v3"
)

// scalar tells whether it is a single value.
func (w written) scalar() bool {
	if w.kind() == "a text" {
		return true
	}
	w.wrongf("expected a text, found %s", w.kind())
	return false
}

func (w written) text() string {
	if !w.scalar() {
		return ""
	}
	return w.node.Value
}

func plain(into *string) func(written) {
	return func(w written) { *into = w.text() }
}

func (w written) absolute() string {
	path := w.text()
	if !filepath.IsAbs(path) && !w.bad[w.node] {
		w.wrongf("%q: an absolute path is needed", path)
	}
	return path
}

// absolute is a path that is; an empty text sets nothing.
func absolute(into *string) func(written) {
	return func(w written) {
		if w.text() != "" {
			*into = w.absolute()
		}
	}
}

// address is a URL; an empty text sets nothing.
func address(into *health.URL) func(written) { return parsedURL(into, health.ParseURL) }

// backendURL is one that stands for a backend.
func backendURL(into *health.URL) func(written) { return parsedURL(into, health.ParseBackendURL) }

func parsedURL(into *health.URL, parse func(string) (health.URL, error)) func(written) {
	return func(w written) {
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
}

// number does not let YAML cut 1.5 down to 1.
func number(into *int) func(written) {
	return func(w written) {
		if w.node.ShortTag() != "!!int" || w.node.Decode(into) != nil {
			w.wrongf("expected a whole number, found %s", w.shown())
		}
	}
}

func yes(into *bool) func(written) {
	return func(w written) {
		if w.node.Decode(into) != nil {
			w.wrongf("expected true or false, found %s", w.shown())
		}
	}
}

func (w written) shown() string {
	if w.node.Kind == yaml.ScalarNode {
		return strconv.Quote(w.node.Value)
	}
	return w.kind()
}

func duration(into *time.Duration) func(written) {
	return func(w written) {
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
}

// words is a list of texts.
func words(into *[]string) func(written) {
	return func(w written) {
		for _, item := range w.items() {
			*into = append(*into, item.text())
		}
	}
}

// program is a name or an absolute path: another one would mean a file of
// whoever types the command, in the folder where he stands.
func (w written) program() string {
	if name := w.text(); name == filepath.Base(name) {
		return name
	}
	return w.absolute()
}

func binary(into *string) func(written) {
	return func(w written) {
		if w.text() != "" {
			*into = w.program()
		}
	}
}

// argv is a command that nginx's own is replaced by.
func argv(into *[]string) func(written) {
	return func(w written) {
		words(into)(w)
		if len(*into) > 0 {
			_ = w.items()[0].program()
		}
	}
}

var plainContainer = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// container is what a runtime calls one, or its id; an empty text sets nothing.
func container(into *string) func(written) {
	return func(w written) {
		if *into = w.text(); *into != "" && !plainContainer.MatchString(*into) {
			w.wrongf("%q is no name of a container: letters, digits, dot, dash and underscore", *into)
		}
	}
}

// named are texts by names that the operator gives.
func named(into *map[string]string) func(written) {
	return func(w written) {
		*into = map[string]string{}
		w.each(func(name string, below written) {
			if below.key = w.key; below.node != nil {
				(*into)[name] = below.text()
			}
		})
	}
}

// keep is for what needs more than its own value.
func keep(into *written) func(written) {
	return func(w written) { *into = w }
}
