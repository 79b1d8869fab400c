package switcher

import (
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/root"
)

// sibling is a file beside what a link on the way to the live file leads to. Where
// it holds a color, it is the link that decides, whatever the names are: to edit
// the live file would be to make both files say the same. One that holds the same
// color counts, too: else a switch would be possible, and the way back not.
type sibling struct {
	link livefile.Step
	own  string // what the link leads to
	path string // what it could lead to
	says Color
	like bool // it holds the same as what the link leads to, but for the color
}

// file is a file below that.
func (s sibling) file(path string) string { return filepath.Join(path, s.link.Rest) }

// enabled says that a link of its own leads to it, each under the name of what it
// leads to, as those in sites-enabled do.
func (s sibling) enabled() bool {
	if filepath.Base(s.link.At) != filepath.Base(s.own) {
		return false
	}
	beside := filepath.Join(filepath.Dir(s.link.At), filepath.Base(s.path))
	info, err := os.Lstat(beside)
	if err != nil || info.Mode().Type() != os.ModeSymlink {
		return false
	}
	led, err := livefile.Resolve(beside)
	to, unknown := livefile.Resolve(s.path)
	return err == nil && unknown == nil && led == to
}

// siblingsLimit is how many names of one folder are looked at.
const siblingsLimit = 1000

// siblings are all there are.
func siblings(live string) iter.Seq[sibling] {
	return func(yield func(sibling) bool) {
		for step := range livefile.Way(root.Root{}, live) {
			own := livefile.Step{At: step.At, To: step.To}.Leads()
			for other := range beside(filepath.Dir(step.At), own) {
				if !yield(sibling{link: step, own: own, path: other}) {
					return
				}
			}
		}
	}
}

// beside are the paths that differ from one that a link in a folder leads to in
// one name which the link itself brings in.
func beside(folder, leads string) iter.Seq[string] {
	return func(yield func(string) bool) {
		way, err := filepath.Rel(folder, leads)
		for rest := ""; err == nil && filepath.Base(way) != ".." && way != "."; way = filepath.Dir(way) {
			above := filepath.Dir(filepath.Join(folder, way))
			for _, name := range namesIn(above) {
				if !isBackup(name, filepath.Base(way)) && !yield(filepath.Join(above, name, rest)) {
					return
				}
			}
			rest = filepath.Join(filepath.Base(way), rest)
		}
	}
}

// backup is what people and packagers put behind a name.
var backup = regexp.MustCompile(`^([._~-]*(bak|backup|copy|old|orig|save|saved|dpkg-[a-z]+|rpm[a-z]+|[0-9]+))*~*$`)

// isBackup says whether a name is that of a backup, or of the file itself.
func isBackup(name, of string) bool {
	ext := filepath.Ext(of)
	for _, stem := range []string{of, strings.TrimSuffix(of, ext)} {
		if behind, is := strings.CutPrefix(strings.TrimSuffix(name, ext), stem); is && backup.MatchString(behind) {
			return true
		}
		if behind, is := strings.CutPrefix(name, stem); is && backup.MatchString(behind) {
			return true
		}
	}
	return false
}

// namesIn are the names in a folder but for hidden ones, which nginx includes by
// no pattern, and under which we keep what is ours.
func namesIn(folder string) (names []string) {
	opened, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer opened.Close()
	all, _ := opened.Readdirnames(siblingsLimit)
	for _, name := range all {
		if !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names
}

// selectedByLink refuses a live file that a link selects among others.
func (f LiveFile) selectedByLink(file *livefile.File, live Color) error {
	found := f.coloredSiblings(file, live)
	if len(found) == 0 {
		return nil
	}
	s := found[0] // one that says the other color comes first
	own, other := s.file(s.own), s.file(s.path)
	var hint string
	switch {
	case s.says == live:
		hint = fmt.Sprintf("if the link decides, one of the two has to say %s again: %s, or %s, which is live; otherwise move %s away", live.Other(), other, own, other)
	case len(found) > 1 && found[1].says == s.says:
		hint = fmt.Sprintf("both %s and %s say %s; move one of them away and retry", other, found[1].file(found[1].path), s.says)
	case !s.like:
		hint = fmt.Sprintf("if the link decides, make %s and %s the same except for the color, and retry; otherwise move %s away", own, other, other)
	default:
		hint = fmt.Sprintf("if the link decides, %s; otherwise move the other file away", f.linesToSet(s, live))
	}
	return refuse(NotAccepted, hint,
		refusal("%s is a link that selects the color: it leads to %s, which says %s, and %s beside it says %s; an edit would make both say the same",
			s.link.At, own, live, other, s.says))
}

// coloredSiblings are those that say a color in the very place where the live file
// does, each once, by the last link on the way to it. One that is enabled beside it
// is another site's.
func (f LiveFile) coloredSiblings(file *livefile.File, live Color) (list []sibling) {
	found := map[string]sibling{}
	own, err := nginxconf.Read(file.Bytes, f.Layout)
	if err != nil {
		return nil
	}
	for s := range siblings(f.Path) {
		other, err := livefile.Read(s.file(s.path))
		if err != nil || other.SameAs(file) || s.enabled() {
			continue
		}
		if read, err := nginxconf.Read(other.Bytes, f.Layout); err == nil && read.DecidesWhere(own) {
			s.says = read.Live()
			as, err := read.Edit(live)
			s.like = err == nil && nginxconf.RoutesOf(as).Alike(nginxconf.RoutesOf(file.Bytes))
			found[other.Path] = s
		}
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[path])
	}
	slices.SortStableFunc(list, func(a, b sibling) int {
		switch {
		case a.says == b.says:
			return 0
		case a.says == live:
			return 1
		}
		return -1
	})
	return list
}

// linesToSet are the very lines.
func (f LiveFile) linesToSet(s sibling, live Color) string {
	files := map[Color]string{live: s.own, live.Other(): s.path}
	return fmt.Sprintf("set `file: %s`, `blue_file: %s`, `green_file: %s` instead of `blue:` and `green:`, and below `check:` where to ask each: `%s`, `%s`",
		s.link.At, files[Blue], files[Green], f.urlLine(Blue), f.urlLine(Green))
}

// urlLine is the setting that says where to ask a color, as far as its value
// tells.
func (f LiveFile) urlLine(color Color) string {
	for _, value := range f.Layout.Values(color) {
		if address, is := value.(nginxconf.Address); is {
			if network, at := address.Dial(); network == "tcp" {
				return fmt.Sprintf("%s_url: http://%s", color, at)
			}
		}
	}
	return fmt.Sprintf("%s_url: …", color)
}
