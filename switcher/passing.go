package switcher

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
)

// passing is where the file of a color passes requests to, or all that stand in
// its folder: none where nobody looks into it.
func (f LiveFile) passing(w *whole, color Color) (all nginxconf.Routes) {
	of := w.of[color]
	switch {
	case f.Released:
		return all
	case !of.IsFolder():
		return nginxconf.RoutesOf(of.Bytes)
	}
	err := filepath.WalkDir(of.Path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := livefile.Read(path)
		if err == nil {
			all = all.And(nginxconf.RoutesOf(file.Bytes))
		}
		return err
	})
	if err != nil {
		return nginxconf.Routes{} // it may pass anywhere
	}
	return all
}

// passesToOwn refuses a color's file that passes to where the other color is
// asked: one color's health would be shown, and the other one answer.
func (s Site) passesToOwn(f LiveFile, says meaning) error {
	w, is := says.(*whole)
	if !is {
		return nil
	}
	for _, color := range []Color{Blue, Green} {
		own, err := nginxconf.ParseAddress(s.URLs[color].Address())
		other, notOther := nginxconf.ParseAddress(s.URLs[color.Other()].Address())
		if err == nil && notOther == nil && f.passing(w, color).Miss(own, other) {
			return refuse(NotAccepted, fmt.Sprintf("make %s pass to %s, or set `blue_url:` and `green_url:` to where each color is", f.Whole[color], own),
				refusal("%s passes to %s, where %s is asked, and not to %s, where %s is", f.Whole[color], other, color.Other(), own, color))
		}
	}
	return nil
}
