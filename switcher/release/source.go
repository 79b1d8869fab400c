// Package release tells by its name what a color carries, from where the settings
// say that it is to be found. What cannot be told is an error, and never guessed.
package release

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/trust"
)

// Source is where the name of a release comes from: one of these. The zero value
// is none.
type Source struct {
	Link    string     // a link, which leads to the release
	Folder  string     // of all releases, for a link that leads to something in one; empty: it leads to the release itself
	Git     string     // a folder: what `git describe` calls what is checked out there
	URL     health.URL // it answers with a JSON object, or a header
	Field   string     // of the object; of one inside another: a.b
	Header  string
	File    string // its first line
	Command []string
}

// IsZero says that there is none.
func (s Source) IsZero() bool {
	return s.Link == "" && s.Git == "" && s.URL.IsZero() && s.File == "" && len(s.Command) == 0 && s.Field == "" && s.Header == ""
}

// Validate finds what cannot work, as health.Mistakes at their settings.
func (s Source) Validate() error {
	var m health.Mistakes
	var set []string
	for key, is := range map[string]bool{"link": s.Link != "", "git": s.Git != "", "url": !s.URL.IsZero(), "file": s.File != "", "command": len(s.Command) > 0} {
		if is {
			set = append(set, key)
		}
	}
	if len(set) != 1 {
		m.Add(errors.New("a release comes from one place; set one of link, git, url, file and command"))
	}
	switch fields := s.Field != "" || s.Header != ""; {
	case fields && s.URL.IsZero():
		m.Add(errors.New("field and header are of what a url answers, and there is none"))
	case !s.URL.IsZero() && (s.Field == "") == (s.Header == ""):
		m.Add(errors.New("one of field and header says where the name stands in the answer"), "url")
	}
	return m.Found()
}

// Read finds the name out, within limit: a file that takes longer is left to itself,
// a program is ended. The error is fit to be shown.
func (s Source) Read(ctx context.Context, asker health.Asker, limit time.Duration) (string, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	type answer struct {
		text string
		err  error
	}
	came := make(chan answer, 1)
	go func() {
		defer cancel()
		text, err := s.read(limited, asker, limit)
		came <- answer{text, err}
	}()
	var a answer
	select {
	case a = <-came:
	case <-limited.Done():
		select {
		case a = <-came:
		case <-time.After(s.patience()):
			a.err = limited.Err()
		}
	}
	switch {
	case a.err == nil:
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		a.err = errors.New("it had no more time")
	case ctx.Err() != nil:
		a.err = errors.New("interrupted")
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		a.err = fmt.Errorf("it took longer than %s", health.Short(limit))
	}
	return s.named(a.text, a.err)
}

// patience is how long is waited for one that has been ended: we may end next, and a
// program has to be gone by then.
func (s Source) patience() time.Duration {
	if len(s.Command) > 0 || s.Git != "" || s.File != "" {
		return 2 * leftBehind
	}
	return 0
}

func (s Source) named(text string, err error) (string, error) {
	if err == nil {
		text, err = Name(text)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %s", s, foreign.Line(err.Error()))
	}
	return text, nil
}

// String is where it comes from, as it may be shown.
func (s Source) String() string {
	switch {
	case s.Link != "":
		return s.Link
	case s.Git != "":
		return "git in " + s.Git
	case !s.URL.IsZero():
		return s.URL.String()
	case s.File != "":
		return s.File
	case len(s.Command) > 0:
		return s.Command[0]
	}
	return "nowhere"
}

func (s Source) read(ctx context.Context, asker health.Asker, limit time.Duration) (string, error) {
	switch {
	case s.Link != "":
		return s.led()
	case s.Git != "":
		return describe(ctx, s.Git)
	case !s.URL.IsZero():
		return s.asked(ctx, asker, limit)
	case s.File != "":
		return firstLine(ctx, s.File)
	}
	return printed(ctx, s.Command)
}

// led is the release that the link leads to.
func (s Source) led() (string, error) {
	folder, err := s.LeadsTo()
	return filepath.Base(folder), err
}

// LeadsTo is the folder of the release that the link leads to, without any link.
func (s Source) LeadsTo() (string, error) {
	info, err := os.Lstat(s.Link)
	switch {
	case err != nil:
		return "", withoutPath(err)
	case info.Mode().Type() != os.ModeSymlink:
		return "", errors.New("it is not a link")
	}
	leads, err := filepath.EvalSymlinks(s.Link)
	if err != nil {
		return "", fmt.Errorf("it leads nowhere: %w", err)
	}
	all, err := filepath.EvalSymlinks(s.Folder)
	if s.Folder == "" {
		return leads, nil
	}
	if err != nil {
		return "", err
	}
	below, is := strings.CutPrefix(leads, all+"/")
	if !is {
		return "", fmt.Errorf("it leads to %s, and not into %s", leads, all)
	}
	name, _, _ := strings.Cut(below, "/")
	return filepath.Join(all, name), nil
}

// withoutPath leaves out a path that stands beside it anyway.
func withoutPath(err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (s Source) asked(ctx context.Context, asker health.Asker, limit time.Duration) (string, error) {
	page, err := asker.Get(ctx, s.URL, "", limit)
	switch {
	case err != nil:
		return "", err
	case page.Status < 200 || page.Status > 299:
		return "", fmt.Errorf("status %d: %s", page.Status, page.Quoted())
	case s.Header == "":
		return field(page.Body, s.Field)
	}
	values := page.Header.Values(s.Header)
	if len(values) != 1 {
		return "", fmt.Errorf("it has the header %s %d times", http.CanonicalHeaderKey(s.Header), len(values))
	}
	return values[0], nil
}

// lineLimit is how much of a file, or of what a program prints, is read for its
// first line, in bytes.
const lineLimit = 4096

// firstLine is that of a file. Where others could lead its path elsewhere, to a
// file that they may not read, it is read with their rights.
func firstLine(ctx context.Context, path string) (string, error) {
	user, err := trust.Behind(path)
	if err != nil {
		return "", withoutPath(err)
	}
	if user != nil {
		return output(ctx, []string{"head", "-c", fmt.Sprint(lineLimit), "--", path}, nil, user)
	}
	file, err := ordinary.Open(path, os.O_RDONLY)
	if err != nil {
		return "", withoutPath(err)
	}
	defer file.Close()
	text := make([]byte, lineLimit)
	n, err := file.Read(text)
	if n == 0 {
		return "", err
	}
	return string(text[:n]), nil
}
