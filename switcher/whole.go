package switcher

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/root"
)

// whole is a live file that is one of two as a whole: a copy of blue's file or
// of green's, or a link that leads to one of them, or to a folder of theirs.
// Nothing is ever written there.
type whole struct {
	live Color
	of   map[Color]*livefile.File
	link *livefile.File // that decides; nil: the live file is a copy
	text map[Color]string
}

// readWhole finds out whose the live file is.
func (f LiveFile) readWhole(file *livefile.File) (*whole, error) {
	w := &whole{of: map[Color]*livefile.File{}}
	for color, path := range f.Whole {
		var err error
		if w.of[color], err = f.readAt(path); err != nil {
			return nil, refuse(NotAccepted, fmt.Sprintf("make it the file that nginx gets when %s is live, or set `%s_file:` to that file", color, color),
				fmt.Errorf("%s_file: %w", color, err))
		}
	}
	if err := cmp.Or(f.alike(w, file), f.tellsApart(w)); err != nil {
		return nil, err
	}
	step, linked := f.selecting()
	if !linked {
		return w, f.copied(w, file)
	}
	return w, f.linked(w, file, step)
}

// alike: a file stands in for files, and a folder for folders.
func (f LiveFile) alike(w *whole, file *livefile.File) error {
	for _, color := range []Color{Blue, Green} {
		if w.of[color].IsFolder() != file.IsFolder() {
			return refuse(NotAccepted, "set all three to files, or all three to folders",
				refusal("%s is %s, but %s is %s", f.Path, kind(file), f.Whole[color], kind(w.of[color])))
		}
	}
	return nil
}

func kind(file *livefile.File) string {
	if file.IsFolder() {
		return "a folder"
	}
	return "a file"
}

// tellsApart: two that are the same say nothing of which is live, and to go from
// one to the other would change nothing.
func (f LiveFile) tellsApart(w *whole) error {
	how := "are identical"
	switch {
	case w.of[Blue].SameAs(w.of[Green]):
		how = "are the same file"
	case w.of[Blue].Hash() == w.of[Green].Hash():
	case f.passAlike(w):
		how = "pass every request to the same servers"
	default:
		return nil
	}
	return refuse(NotAccepted, "make each the file that nginx gets when its color is live; they may have been edited through a link",
		refusal("%s and %s %s, so they cannot tell the colors apart", f.Whole[Blue], f.Whole[Green], how))
}

// passAlike says that the two differ in nothing that tells where requests go: one
// may have been edited through a link, and its comments not.
func (f LiveFile) passAlike(w *whole) bool {
	blue, green := f.passing(w, Blue), f.passing(w, Green)
	return blue.Pass() && blue.Alike(green)
}

func refusal(format string, args ...any) *nginxconf.Refusal {
	return &nginxconf.Refusal{Msg: fmt.Sprintf(format, args...)}
}

// selecting is the link that decides by where it leads: the last one on the way
// that leads to the whole, before the file of a color, which may be a link itself.
func (f LiveFile) selecting() (found livefile.Step, ok bool) {
	for step := range livefile.Way(root.Root{}, f.Path) {
		if step.Rest == "" {
			found, ok = step, true
		}
		if leads := entry(step.Leads()); leads == entry(f.Whole[Blue]) || leads == entry(f.Whole[Green]) {
			break
		}
	}
	return found, ok
}

// entry is a path without a link in its folders.
func entry(path string) string {
	folder, err := livefile.Resolve(filepath.Dir(path))
	if err != nil {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, filepath.Base(path))
}

// copied finds out whose copy the live file is.
func (f LiveFile) copied(w *whole, file *livefile.File) error {
	for _, color := range []Color{Blue, Green} {
		if w.of[color].SameAs(file) {
			return f.itself(color, file)
		}
	}
	if file.IsFolder() {
		return refuse(NotAccepted, "set `file:` to a link that leads to one of them", refusal("%s is a folder, not a link to one", f.Path))
	}
	for _, color := range []Color{Blue, Green} {
		if w.of[color].Hash() == file.Hash() {
			w.live = color
			return nil
		}
	}
	nearer, diff := nearest(file, w.of)
	return &Error{
		Outcome: NotAccepted, Diff: diff,
		Hint: fmt.Sprintf("if it is meant for %s, write it to the file of that color, too; otherwise put that file back: `%s`", nearer, foreign.Shell("cp", f.Whole[nearer], f.Path)),
		Err:  refusal("%s is a copy of neither %s nor %s; it is closest to %s's, but differs from it", f.Path, f.Whole[Blue], f.Whole[Green], nearer),
	}
}

// itself refuses a live path that is a color's own file: to switch would be to
// write that. A link in one of the folders on the way may be what decides.
func (f LiveFile) itself(color Color, file *livefile.File) error {
	hint := "set `file:` to what nginx includes: a copy of one of them, or a link to it"
	for step := range livefile.Way(root.Root{}, f.Path) {
		blue, isBlue := strings.CutSuffix(f.Whole[Blue], "/"+step.Rest)
		green, isGreen := strings.CutSuffix(f.Whole[Green], "/"+step.Rest)
		if isBlue && isGreen {
			hint = fmt.Sprintf("the link of a folder decides: set `file: %s`, `blue_file: %s`, `green_file: %s`", step.At, blue, green)
		}
	}
	return refuse(NotAccepted, hint, refusal("%s is %s's own file, %s, and a switch would overwrite it", f.Path, color, file.Path))
}

// linked finds out whose file the link leads to, and what it has to say to lead
// to the other one.
func (f LiveFile) linked(w *whole, file *livefile.File, step livefile.Step) (err error) {
	for color, of := range w.of {
		if of.SameAs(file) {
			w.live = color
		}
	}
	if w.live == "" {
		hint := "make the link lead to one of them, or set `blue_file:` and `green_file:` to what it leads to"
		for color, of := range w.of {
			if of.Hash() == file.Hash() && !file.IsFolder() {
				hint = fmt.Sprintf("that is a copy of %s's file: set `file: %s` to keep using copies, or make the link lead to one of them", color, file.Path)
			}
		}
		return refuse(NotAccepted, hint,
			refusal("%s leads to %s, which is neither %s nor %s", step.At, file.Path, f.Whole[Blue], f.Whole[Green]))
	}
	if w.link, err = livefile.ReadLink(step.At); err != nil {
		return err
	}
	other := w.live.Other()
	w.text = map[Color]string{w.live: step.To, other: f.textFor(other, w, step)}
	led, err := livefile.Resolve(livefile.Step{At: step.At, To: w.text[other]}.Leads())
	if err == nil && led != w.of[other].Path {
		err = fmt.Errorf("it would lead to %s", led)
	}
	if err != nil {
		return fmt.Errorf("cannot make the link %s lead to %s (%q): %w", step.At, w.of[other].Path, w.text[other], err)
	}
	return nil
}

// textFor is what the link says to lead to a color, in the style of what it says
// now: relative or not; and where that is the name which the settings have for a
// color, and not what this leads to in turn, by the name of the other one.
func (f LiveFile) textFor(color Color, w *whole, now livefile.Step) string {
	to := w.of[color].Path
	if entry(now.Leads()) == entry(f.Whole[w.live]) {
		to = f.Whole[color]
	}
	if !filepath.IsAbs(now.To) {
		if relative, err := filepath.Rel(filepath.Dir(now.At), entry(to)); err == nil {
			to = relative
		}
		if strings.HasPrefix(now.To, "./") {
			to = "./" + to
		}
	}
	if strings.HasSuffix(now.To, "/") {
		to += "/"
	}
	return to
}

// Live is the color whose the file is.
func (w *whole) Live() Color { return w.live }

// Layout is empty: no word decides.
func (w *whole) Layout() nginxconf.Layout { return nil }

// Words are none.
func (w *whole) Words() []nginxconf.Word { return nil }

// Edit is what the live path leads to when a color is live.
func (w *whole) Edit(to Color) ([]byte, error) { return w.of[to].Bytes, nil }

// relinked is what becomes of the link that decides; nil where there is none.
func relinked(says meaning, to Color) *Relink {
	w, is := says.(*whole)
	if !is || w.link == nil {
		return nil
	}
	return &Relink{Link: w.link, Text: w.text[to], To: w.of[to]}
}
