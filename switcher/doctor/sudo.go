package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// sudo finds rules by which somebody may run more as root than was meant.
func (h *host) sudo() (found []Finding) {
	h.sudoers("/etc/sudoers", 0, &found)
	return found
}

// sudoersDepth is how deep the files may include each other (sudoers(5) has 128).
const sudoersDepth = 8

func (h *host) sudoers(name string, depth int, found *[]Finding) {
	text, err := h.read(name)
	switch {
	case isMissing(err) || depth > sudoersDepth:
		return
	case err != nil:
		*found = append(*found, unknown(h.asRoot, "whether sudo lets somebody do more than was meant: %v", err))
		return
	}
	for _, line := range logicalLines(text) {
		if included, is := sudoInclude(line.text, path.Dir(name)); is {
			for _, file := range h.sudoersIn(included) {
				h.sudoers(file, depth+1, found)
			}
			continue
		}
		if f, is := h.rule(line, at(name, line.number)); is {
			f.Remedy += fmt.Sprintf("   # `visudo -f %s`", name)
			*found = append(*found, f)
		}
	}
}

// sudoersIn are the files that an include means: of a folder, those without a dot
// or a final tilde in their names.
func (h *host) sudoersIn(name string) []string {
	names, err := h.names(name)
	if err != nil {
		return []string{name}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.Contains(n, ".") || strings.HasSuffix(n, "~") })
	for i, n := range names {
		names[i] = path.Join(name, n)
	}
	return names
}

var includeLine = regexp.MustCompile(`^[@#]include(?:dir)?\s+"?([^"]+?)"?$`)

func sudoInclude(line, beside string) (name string, is bool) {
	match := includeLine.FindStringSubmatch(line)
	if match == nil {
		return "", false
	}
	if name = match[1]; !path.IsAbs(name) {
		name = path.Join(beside, name)
	}
	return name, true
}

// numbered is a line as it is meant: joined with those that follow a backslash.
type numbered struct {
	number int
	text   string
}

func logicalLines(text []byte) (lines []numbered) {
	var before string
	for i, line := range strings.Split(string(text), "\n") {
		line = before + line
		if rest, goesOn := strings.CutSuffix(line, `\`); goesOn {
			before = rest + " "
			continue
		}
		before = ""
		if line = strings.TrimSpace(line); line != "" && (line[0] != '#' || includeLine.MatchString(line)) {
			lines = append(lines, numbered{i + 1, line})
		}
	}
	return lines
}

// rule is about what one rule, or one alias of commands, permits.
func (h *host) rule(line numbered, at string) (Finding, bool) {
	if strings.HasPrefix(line.text, "Defaults") {
		if strings.Contains(line.text, "env_keep") && regexp.MustCompile(`BGSWITCH_(\*|CONFIG)`).MatchString(line.text) {
			return problem(`Defaults!`+h.Program+` env_keep += "BGSWITCH_RELEASE BGSWITCH_REASON BGSWITCH_WAIT"`,
				"%s lets who uses sudo name other settings by $BGSWITCH_CONFIG", at), true
		}
		return Finding{}, false
	}
	_, commands, is := strings.Cut(line.text, "=")
	if !is {
		return Finding{}, false
	}
	for _, command := range splitCommands(commands) {
		if why := h.tooMuch(command); why != "" {
			return problem("write out what may be typed: "+h.instead(command), "%s: `%s` %s", at, command, why), true
		}
	}
	return Finding{}, false
}

// plainWord is a command of ours in a rule.
var plainWord = regexp.MustCompile(`^[a-z]+$`)

// instead names what may have been meant: the same command of ours, alone.
func (h *host) instead(command string) string {
	fields := strings.Fields(command)
	if len(fields) > 1 && fields[1] != "to" && plainWord.MatchString(fields[1]) {
		return fmt.Sprintf("`%s %s`", h.Program, fields[1])
	}
	return fmt.Sprintf("`%s to blue, %s to green`", h.Program, h.Program)
}

// What stands before a command: who it is run as, tags, and digests.
var beforeCommand = regexp.MustCompile(`^(?:\([^)]*\)\s*|[A-Z_]+:\s*|sha(?:224|256|384|512)\s*:\s*\S+\s+)*`)

func splitCommands(text string) (commands []string) {
	text = strings.ReplaceAll(text, `\,`, "\x00")
	for command := range strings.SplitSeq(text, ",") {
		command = beforeCommand.ReplaceAllString(strings.TrimSpace(command), "")
		if command != "" && !strings.HasPrefix(command, "!") {
			commands = append(commands, strings.ReplaceAll(command, "\x00", ","))
		}
	}
	return commands
}

var (
	wildcard = regexp.MustCompile(`(?:^|[^\\])[*?\[]`)
	// what takes a blank, too
	anyOfARegular = regexp.MustCompile(`\.[*+{]|\[\^|\[[^\]]*(?: |\[:)[^\]]*\]`)
	// flags may be joined: -tc FILE, -cFILE
	configOfNginx = regexp.MustCompile(`^-[tTqVvh]*c`)
)

// tooMuch says why a command of a rule permits more than it says; empty where it
// is about another program, or says it all. A command without arguments may be
// typed with any (sudoers(5), "Cmnd_List").
func (h *host) tooMuch(command string) string {
	fields := strings.Fields(command)
	program, args := fields[0], strings.Join(fields[1:], " ")
	ours := h.permits(program, h.Program)
	isNginx := path.IsAbs(program) && path.Base(program) == "nginx"
	switch {
	case !ours && !isNginx:
		return ""
	case program != h.Program && wildcard.MatchString(program) || strings.HasSuffix(program, "/"):
		return "permits every program of that name, with any arguments"
	case args == "" && isNginx:
		return "permits nginx with any arguments: with a configuration of his own (-c) anybody becomes root"
	case args == "":
		return "permits any arguments, other settings among them"
	case isNginx && slices.ContainsFunc(fields[1:], configOfNginx.MatchString):
		return "permits nginx with a configuration that is named: who may write that becomes root"
	case strings.HasPrefix(args, "^") && anyOfARegular.MatchString(args), !strings.HasPrefix(args, "^") && wildcard.MatchString(args):
		return "has a wildcard, which stands for blanks and further flags, too"
	}
	return ""
}

// permits says whether a command of a rule means the program.
func (h *host) permits(pattern, program string) bool {
	switch {
	case strings.HasPrefix(pattern, "^"):
		regular, err := regexp.Compile(pattern)
		return err == nil && regular.MatchString(program)
	case !strings.HasPrefix(pattern, "/"): // an alias, or a user
		return false
	case strings.HasSuffix(pattern, "/"):
		return path.Dir(program) == path.Clean(pattern)
	}
	if matched, _ := filepath.Match(pattern, program); matched {
		return true
	}
	return path.Base(pattern) == path.Base(program)
}

func isMissing(err error) bool { return err != nil && isAny(err, fs.ErrNotExist) }
