package main

import (
	"cmp"
	"embed"
	"os"
	"slices"
	"strings"

	"bgswitch/switcher/trust"

	"github.com/urfave/cli/v2"
)

// completionScripts are what shells load. Each of them asks us, with the words
// up to the cursor, and shows what we print.
//
//go:embed completion
var completionScripts embed.FS

func completionCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:      "completion",
			Category:  kindSetUp,
			Usage:     "what lets a shell complete commands, sites, colors and flags",
			ArgsUsage: "bash|zsh|fish",
			Description: "Prints a script for a shell. The packages install it; else it goes into the file that the\n" +
				"shell reads when it starts, in zsh after compinit.",
			Action: func(c *cli.Context) error {
				script, err := completionScripts.ReadFile("completion/" + c.Args().First())
				if err != nil || c.Args().Len() != 1 {
					return usage("`bgswitch completion bash` prints it for bash", "completion takes bash, zsh or fish, not %q", strings.Join(c.Args().Slice(), " "))
				}
				_, err = terminalOf(c).stdout.Write(script)
				return err
			},
		},
		examples: []example{
			{"in ~/.bashrc", `eval "$(bgswitch completion bash)"`},
			{"in ~/.zshrc", `eval "$(bgswitch completion zsh)"`},
			{"for fish, which reads ~/.config/fish/completions", "bgswitch completion fish >bgswitch.fish"},
		},
		exits:   exitsOf(exitDone, exitFailed),
		without: allCommon(),
	}
}

// completeCommand is what the scripts call, with the words up to the cursor. It
// reads the settings and nothing else, and never fails: who presses Tab has no
// use for an error.
func completeCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:        "complete",
			Hidden:      true,
			Usage:       "what may stand at the cursor",
			ArgsUsage:   "-- WORD...",
			Description: "Is called by the shells' completion, with the words up to the cursor.",
			Action: func(c *cli.Context) error {
				typingOf(c.App, c.Args().Slice()).offer(terminalOf(c))
				return nil
			},
		},
		examples: []example{{"what begins with st", "bgswitch complete -- st"}},
		exits:    exitsOf(exitDone),
		without:  allCommon(),
	}
}

// typing is a command line that is not complete.
type typing struct {
	line
	command *command // nil where none is typed yet
	args    int      // how many were typed for it
	flag    cli.Flag // whose value is being typed; nil for none
	word    string   // what there is of the word at the cursor
	kept    string   // what stands before that without a blank, and stays
}

type candidate struct{ word, about string }

// typingOf takes the words up to the cursor, the last of them being the one at
// it. bash makes three words of --flag=value, and wants the value alone.
func typingOf(app *cli.App, words []string) typing {
	word := ""
	if len(words) > 0 {
		word, words = words[len(words)-1], words[:len(words)-1]
	}
	words = slices.DeleteFunc(words, func(word string) bool { return word == "=" })
	l := arrange(app, append([]string{app.Name}, words...))
	c, name := commandOf(l.words)
	t := typing{line: l, command: c, args: len(l.words) - len(strings.Fields(name)), word: strings.TrimPrefix(word, "=")}
	switch name, value, attached := strings.Cut(word, "="); {
	case attached && name != "":
		if t.flag = t.valued(name); t.flag != nil {
			t.kept, t.word = name+"=", value
		}
	case len(words) > 0:
		t.flag = t.valued(words[len(words)-1])
	}
	if comma := strings.LastIndex(t.word, ","); t.flag != nil && comma >= 0 {
		t.kept, t.word = t.kept+t.word[:comma+1], t.word[comma+1:]
	}
	return t
}

// valued is the flag that a word names, if it takes a value.
func (t typing) valued(word string) cli.Flag {
	for _, flag := range t.flags() {
		_, isBool := flag.(*cli.BoolFlag)
		if !isBool && strings.HasPrefix(word, "-") && slices.Contains(flag.Names(), strings.TrimLeft(word, "-")) {
			return flag
		}
	}
	return nil
}

// flags are those that may stand in the line.
func (t typing) flags() []cli.Flag {
	help := &cli.BoolFlag{Name: "help", Usage: "show what there is to type"}
	if t.command == nil {
		return append(commonFlags(command{}), help, &cli.BoolFlag{Name: "version", Usage: "print the version"})
	}
	return slices.Concat(t.command.own, t.command.common, []cli.Flag{help})
}

// offer prints what may stand at the cursor, each with what it means.
func (t typing) offer(to *terminal) {
	if t.flag != nil && strings.Contains(usageOf(t.flag), "`FILE`") {
		to.result(":files") // which every shell finds better
		return
	}
	for _, c := range t.candidates() {
		if strings.HasPrefix(c.word, t.word) {
			to.result("%s\t%s", t.kept+c.word, c.about)
		}
	}
}

func usageOf(flag cli.Flag) string { return flag.(cli.DocGenerationFlag).GetUsage() }

func (t typing) candidates() []candidate {
	switch {
	case t.flag != nil && slices.Contains(t.flag.Names(), "site"):
		return t.sites()
	case t.flag != nil:
		return nil
	case strings.HasPrefix(t.word, "-"):
		return t.flagWords()
	case t.command == nil && t.args == 0:
		return commandWords(commands())
	case t.command != nil && t.args == 0:
		return t.argumentWords()
	}
	return nil
}

func (t typing) flagWords() (list []candidate) {
	for _, flag := range t.flags() {
		about, _, _ := strings.Cut(strings.ReplaceAll(usageOf(flag), "`", ""), ";")
		list = append(list, candidate{dashed(flag.Names()[0]), about})
	}
	return list
}

func commandWords(commands []*command) (list []candidate) {
	for _, c := range commands {
		if !c.Hidden {
			list = append(list, candidate{c.Name, c.Usage})
		}
	}
	return list
}

// argumentWords are what a command's own help says it takes first: blue|green,
// or [prune]. What stands there in capitals is not typed as it is.
func (t typing) argumentWords() (list []candidate) {
	switch {
	case len(t.command.under) > 0:
		return commandWords(t.command.under)
	case strings.Contains(t.command.ArgsUsage, "COMMAND"):
		return commandWords(commands())
	}
	first, _, _ := strings.Cut(t.command.ArgsUsage, " ")
	for word := range strings.SplitSeq(strings.Trim(first, "[]"), "|") {
		if word != "" && word == strings.ToLower(word) {
			list = append(list, candidate{word: word})
		}
	}
	return list
}

// sites are those of the settings that the line, or else the environment, names.
// Whoever may not read them is offered none.
func (t typing) sites() (list []candidate) {
	path := os.Getenv("BGSWITCH_CONFIG")
	for i, flag := range t.line.flags {
		if value, attached := strings.CutPrefix(flag, "--config="); attached {
			path = value
		} else if flag == "--config" && i+1 < len(t.line.flags) {
			path = t.line.flags[i+1]
		}
	}
	s, err := loadSettings(cmp.Or(path, defaultSettings), false, false, trust.Judge{})
	if err != nil {
		return nil
	}
	for _, site := range s.sites {
		list = append(list, candidate{word: site.Name})
	}
	return list
}
