package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
func (n *Nginx) parseTitle(title string, seen reach) commandLine {
	words := strings.Split(strings.TrimPrefix(strings.TrimPrefix(title, masterTitle), " "), " ")
	line := commandLine{
		binary:  untilFlag(words),
		prefix:  valueOf("p", words, func(path string) bool { return seen.has(path, os.ModeDir) }),
		globals: valueOf("g", words, func(string) bool { return false }),
	}
	line.conf = valueOf("c", words, func(path string) bool { return seen.has(n.below(line.prefix, path), 0) })
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

// reach is how a process reaches files: below its root folder and from its
// working folder, as links in /proc that lead there whatever is mounted where.
type reach struct{ root, cwd string }

// reachOf takes the root folder for ours where it may not be followed.
func reachOf(pid int) reach {
	r := reach{root: fmt.Sprintf("/proc/%d/root", pid), cwd: fmt.Sprintf("/proc/%d/cwd", pid)}
	if _, err := os.Stat(r.root); err != nil {
		r.root = ""
	}
	return r
}

// at is where we reach what the process means. It is not cleaned: `..` behind
// a link is not what stands before it.
func (r reach) at(path string) string {
	if filepath.IsAbs(path) {
		return r.root + path
	}
	return r.cwd + "/" + path
}

// has says whether there is a file, or a folder, of that path.
func (r reach) has(path string, kind os.FileMode) bool {
	info, err := os.Stat(r.at(path))
	return err == nil && info.Mode()&os.ModeDir == kind
}

func firstWords(title string) string {
	if title == "" {
		return "a process without a name"
	}
	return title[:min(len(title), 60)]
}
