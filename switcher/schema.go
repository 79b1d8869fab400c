package switcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/release"
)

// Schema says where it stands which version the database's schema has, and which
// ones the release of each color can live with.
type Schema struct {
	Database release.Source
	Needs    map[Color]Need
	Timeout  time.Duration // of finding out one of them
}

// Need is where the versions stand that a release can live with: in one line, the
// least and then the most, where there is one; or in fields of what a URL answers.
type Need struct {
	release.Source
	AtLeast, AtMost string // the fields; empty: there is no such bound
}

// DefaultSchemaTimeout is that where none is set.
const DefaultSchemaTimeout = 5 * time.Second

// IsZero says that nothing is set: then nobody is asked.
func (s Schema) IsZero() bool { return len(s.Needs) == 0 }

// Validate finds what cannot work, as health.Mistakes at their settings.
func (s Schema) Validate() error {
	var m health.Mistakes
	m.Add(cmp.Or(onePlace(s.Database), s.Database.Validate()), "database")
	for _, color := range []Color{Blue, Green} {
		m.Add(s.Needs[color].validate(), string(color))
	}
	if s.Timeout <= 0 || s.Timeout > releaseTimeoutLimit {
		m.Add(fmt.Errorf("%s is not allowed; use more than 0 and at most %s", health.Short(s.Timeout), health.Short(releaseTimeoutLimit)), "timeout")
	}
	return m.Found()
}

// validate: a color of which nothing is known could not be gone to.
func (n Need) validate() error {
	fields, ofURL := n.AtLeast != "" || n.AtMost != "", !n.URL.IsZero()
	switch {
	case fields && !ofURL:
		return errors.New("at_least and at_most are fields in the answer of a url, and no url is set")
	case ofURL && !fields:
		return errors.New("set at_least, at_most or both to the fields of the url's answer that hold the versions")
	}
	return onePlace(n.Source)
}

func onePlace(s release.Source) error {
	places := 0
	for _, is := range []bool{!s.URL.IsZero(), s.File != "", len(s.Command) > 0} {
		if is {
			places++
		}
	}
	if places != 1 {
		return errors.New("a version comes from one place; set one of url, file and command")
	}
	return nil
}

// versions are what a release can live with; empty: there is no such bound.
type versions struct{ least, most string }

func (v versions) String() string {
	switch {
	case v.most == "":
		return v.least + " or later"
	case v.least == "":
		return v.most + " or earlier"
	}
	return v.least + " to " + v.most
}

// hold says whether a version is one of them.
func (v versions) hold(version string) (bool, error) {
	atLeast, err := compareVersions(version, cmp.Or(v.least, version))
	atMost, errMost := compareVersions(version, cmp.Or(v.most, version))
	return atLeast >= 0 && atMost <= 0, cmp.Or(err, errMost)
}

var plainVersion = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

// compareVersions compares numbers, of any length, and numbers with dots, part by
// part: 20241130093000 is a number, 1.10 is later than 1.9, and 2 is 2.0.
func compareVersions(a, b string) (int, error) {
	for _, version := range []string{a, b} {
		if !plainVersion.MatchString(version) {
			return 0, fmt.Errorf("%q cannot be compared; use a number such as 42 or 20241130093000, or numbers with dots", version)
		}
	}
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if c := compareNumbers(part0(as, i), part0(bs, i)); c != 0 {
			return c, nil
		}
	}
	return 0, nil
}

// part0 is one of the numbers, and 0 where it is left out.
func part0(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return "0"
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// How often a version is asked for until there is one, and the pause between.
const (
	schemaAttempts = 3
	schemaPause    = 200 * time.Millisecond
)

// answer is what was found out, or why it was not.
type answer struct {
	text string
	err  error
}

// readVersion finds a version out. What fails is tried again: one lost packet keeps
// nobody from going back.
func (s *Switcher) readVersion(ctx context.Context, from release.Source) (a answer) {
	until := time.Now().Add(s.Site.Schema.Timeout)
	for attempt := 1; ; attempt++ {
		a.text, a.err = from.Read(ctx, s.Asker, time.Until(until))
		if a.err == nil || attempt == schemaAttempts || time.Until(until) <= schemaPause {
			return a
		}
		select {
		case <-ctx.Done():
			return a
		case <-time.After(schemaPause):
		}
	}
}

// needs are the versions that a color's release can live with.
func (s *Switcher) needs(ctx context.Context, color Color) (versions, error) {
	need := s.Site.Schema.Needs[color]
	if need.URL.IsZero() {
		return need.inLine(s.readVersion(ctx, need.Source))
	}
	field := func(name string) answer {
		of := need.Source
		if of.Field = name; name == "" {
			return answer{}
		}
		return s.readVersion(ctx, of)
	}
	most := begun(func() answer { return field(need.AtMost) })
	least := field(need.AtLeast)
	return versions{least.text, most().text}, cmp.Or(least.err, most().err)
}

// inLine reads both versions from one line.
func (n Need) inLine(a answer) (versions, error) {
	switch words := strings.Fields(a.text); {
	case a.err != nil:
		return versions{}, a.err
	case len(words) == 1:
		return versions{least: words[0]}, nil
	case len(words) == 2:
		return versions{words[0], words[1]}, nil
	}
	return versions{}, fmt.Errorf("%s: %q is neither one version nor two (the lowest and the highest)", n.Source, a.text)
}

// misfit is why nobody is to go to a color as the database is, or as far as that
// is known; empty: its release can live with it.
func (s *Switcher) misfit(ctx context.Context, to Color) string {
	schema := s.Site.Schema
	database := begun(func() answer { return s.readVersion(ctx, schema.Database) })
	needs, err := s.needs(ctx, to)
	has, fits := database(), false
	if err = cmp.Or(err, has.err); err == nil {
		fits, err = needs.hold(has.text)
	}
	switch {
	case err != nil:
		return fmt.Sprintf("it is unknown whether %s can live with the database: %v", to, err)
	case !fits:
		return fmt.Sprintf("%s can live with schema %s (%s), but the database has %s (%s)", to, needs, schema.Needs[to].Source, has.text, schema.Database)
	}
	return ""
}

// endMisfit waits for what nobody waits for any more, and that has been ended.
func (p *part) endMisfit() {
	if p.unfit != nil {
		p.unfit()
	}
}

// beginMisfit begins to find out what the database allows, where there is
// something to switch. A file that names the color already may need no answer.
func (p *part) beginMisfit(ctx context.Context) {
	find := func() string { return p.Switcher.misfit(ctx, p.plan.To) }
	switch {
	case p.Site.Schema.IsZero():
		p.unfit = func() string { return "" }
	case p.plan.Changes():
		p.unfit = begun(find)
	default:
		p.unfit = sync.OnceValue(find)
	}
}
