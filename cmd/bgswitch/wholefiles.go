package main

import (
	"errors"

	"bgswitch/switcher"
)

// wholeFiles is where the whole file of each color is set, or its folder.
type wholeFiles struct{ blue, green written }

func (f wholeFiles) isSet() bool { return f.blue.node != nil || f.green.node != nil }

// of is the live file of which they decide, as w sets it. What would find words
// in it cannot be set as well.
func (f wholeFiles) of(w written, path string, words ...written) switcher.LiveFile {
	file := switcher.LiveFile{Path: path, Whole: map[switcher.Color]string{}}
	for color, set := range map[switcher.Color]written{switcher.Blue: f.blue, switcher.Green: f.green} {
		var path string
		if set.node != nil {
			absolute(&path).take(set)
		}
		file.Whole[color] = path
	}
	for _, other := range words {
		if other.node != nil {
			other.wrong(errors.New(other.label() + ": set this, or blue_file and green_file, not both"))
		}
	}
	w.judge(file.Validate())
	return file
}
