package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"bgswitch/switcher/foreign"
)

// nameLimit is the longest name, in bytes: it stands in lines and labels.
const nameLimit = 128

// Name is the first line of a text, where that can be the name of a release.
func Name(text string) (string, error) {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.TrimSpace(line)
	switch {
	case line == "":
		return "", errors.New("there is no name in it")
	case len(line) > nameLimit || foreign.Line(line) != line || strings.ContainsFunc(line, unseen):
		return "", fmt.Errorf("%q is not the name of a release; use one line of at most %d bytes, without control or invisible characters", foreign.Excerpt(line), nameLimit)
	}
	return line, nil
}

// unseen are the characters that make two names of what looks like one: without a
// width, blanks other than the plain one, and what is left out where it is shown.
func unseen(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// field is a text, or a number, in a JSON object.
func field(document []byte, path string) (string, error) {
	var at any
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&at); err != nil {
		return "", errors.New("its answer is not JSON")
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := at.(map[string]any)
		below, is := object[name]
		if !is {
			return "", fmt.Errorf("its answer has no field %s", path)
		}
		at = below
	}
	switch value := at.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	}
	return "", fmt.Errorf("the field %s of its answer is neither text nor a number", path)
}
