package switcher

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/statedir"
)

// files are the live files of a site as they were read, in the site's order.
type files []*livefile.File

// errSameFile says that two names of a site lead to one file.
var errSameFile = errors.New("they are the same file")

// read reads the files of the site. Links are followed here, so that only now
// two names may turn out to be one file's.
func (s Site) read() (files, error) {
	var all files
	for _, f := range s.Files {
		file, err := f.read()
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if file.SameAs(other) {
				return nil, fmt.Errorf("%s and %s: %w", other.Named, file.Named, errSameFile)
			}
		}
		all = append(all, file)
	}
	return all, nil
}

// newest is the file that changed last, in any way.
func (f files) newest() *livefile.File {
	return slices.MaxFunc(f, func(a, b *livefile.File) int { return a.LastChanged().Compare(b.LastChanged()) })
}

// lastChanged is when that was.
func (f files) lastChanged() time.Time { return f.newest().LastChanged() }

// said is how something is said of the one file, or of several.
func (f files) said(one, several string) string { return worded(len(f), one, several) }

// noted is what a record says of each of them; nil where it is about others.
// One of a former version names no path, and has one file.
func (f files) noted(r *statedir.Record) []statedir.FileRecord {
	if r == nil || len(r.Files()) != len(f) {
		return nil
	}
	var found []statedir.FileRecord
	for _, file := range f {
		i := slices.IndexFunc(r.Files(), func(of statedir.FileRecord) bool { return string(of.Path) == file.Home || of.Path == "" })
		if i < 0 {
			return nil
		}
		found = append(found, r.Files()[i])
	}
	return found
}

// word is how something is said of the site's one file, or of its several.
func (s *Switcher) word(one, several string) string { return worded(len(s.Site.Files), one, several) }

func (s *Survey) word(one, several string) string { return worded(len(s.Changes), one, several) }

// called is what the file is called: its path where there are others.
func (s *Survey) called(file *livefile.File) string { return s.word("the file", file.Home) }

func worded(n int, one, several string) string {
	if n > 1 {
		return several
	}
	return one
}

// doubts are why the files are not safe from others.
func (s Site) doubts() (doubts []error) {
	for _, f := range s.Files {
		for _, doubt := range f.doubts() {
			if !slices.ContainsFunc(doubts, func(d error) bool { return d.Error() == doubt.Error() }) {
				doubts = append(doubts, doubt)
			}
		}
	}
	return doubts
}
