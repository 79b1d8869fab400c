package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"bgswitch/switcher"

	"github.com/urfave/cli/v2"
)

// canAsk says whether somebody sits there who could answer.
func (t *terminal) canAsk() bool { return isTerminal(os.Stdin) && isTerminal(t.stderr) && !t.json }

// answer asks on the terminal. step is what is not done where Ctrl-C is the answer.
func (t *terminal) answer(c *cli.Context, step, question string) (string, error) {
	fmt.Fprint(t.stderr, inked("bgswitch: %s ", question))
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(os.Stdin, 1000)).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case said := <-answer:
		return said, nil
	case <-c.Context.Done():
		fmt.Fprintln(t.stderr)
		return "", &switcher.Error{Outcome: switcher.Interrupted, Step: step, Err: errors.New("interrupted before anything changed"), Hint: "type it again when you are ready"}
	}
}

// isYes reads the answer to a question that ends in [y/N].
func isYes(answer string) bool {
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}
