package nginx

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"bgswitch/switcher/root"
)

// commandLine is what a master's title tells of how it was started, each part
// as it was given there.
type commandLine struct{ binary, conf, prefix, globals string }

// flag is a word of nginx's command line that takes the next one, or its own
// rest, as its value; those that take none may stand before it
// (ngx_get_options in src/core/nginx.c).
var flag = regexp.MustCompile(`^-[?hvVtTq]*(?:([pcgse])(.*))?$`)

// parseTitle takes a title apart. nginx joins its arguments with blanks
// (ngx_master_process_cycle), so where one of them ends is told by what exists.
func (n *Nginx) parseTitle(title string, seen root.Root) commandLine {
	words := strings.Split(strings.TrimPrefix(strings.TrimPrefix(title, masterTitle), " "), " ")
	line := commandLine{
		binary:  untilFlag(words),
		prefix:  valueOf("p", words, func(path string) bool { return has(seen, path, os.ModeDir) }),
		globals: valueOf("g", words, func(string) bool { return false }),
	}
	line.conf = valueOf("c", words, func(path string) bool { return has(seen, n.below(line.prefix, path), 0) })
	return line
}

// valueOf is what stands behind the last such flag.
func valueOf(name string, words []string, exists func(string) bool) string {
	for i, word := range slices.Backward(words) {
		if match := flag.FindStringSubmatch(word); match != nil && match[1] == name {
			return longest(match[2], words[i+1:], exists)
		}
	}
	return ""
}

// mostBlanks is how many words a path may consist of; a title of a million is
// a stranger's, who wants us to try them all.
const mostBlanks = 64

// longest is the longest run of words that names something, else all of them
// up to the next flag. The first word may be a part of its flag's word.
func longest(attached string, words []string, exists func(string) bool) string {
	if attached != "" {
		words = slices.Concat([]string{attached}, words)
	}
	for n := min(len(words), mostBlanks); n > 0; n-- {
		if text := strings.Join(words[:n], " "); text != "" && exists(text) {
			return text
		}
	}
	if len(words) == 0 {
		return ""
	}
	return strings.TrimSuffix(words[0]+" "+untilFlag(words[1:]), " ")
}

func untilFlag(words []string) string {
	if i := slices.IndexFunc(words, flag.MatchString); i >= 0 {
		words = words[:i]
	}
	return strings.Join(words, " ")
}

// has says whether there is a file, or a folder, of that path.
func has(r root.Root, path string, kind os.FileMode) bool {
	info, err := r.Stat(path)
	return err == nil && info.Mode()&os.ModeDir == kind
}

func firstWords(title string) string {
	if title == "" {
		return "a process without a name"
	}
	return title[:min(len(title), 60)]
}
