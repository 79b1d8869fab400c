package main

import (
	"errors"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// problem is one mistake in the settings, in the operator's words.
type problem struct {
	line int
	text string
}

var (
	yamlLine     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (?s:(.*))$`)
	unknownField = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
	wrongKind    = regexp.MustCompile("^cannot unmarshal (\\S+)(?: `(.*)`)? into (\\S+)$")
	twice        = regexp.MustCompile(`^mapping key (".*") already defined at line (\d+)$`)
)

// yamlProblems puts the messages of the YAML library, which speak of Go types,
// into the operator's words.
func yamlProblems(err error) []problem {
	var several *yaml.TypeError
	if !errors.As(err, &several) {
		return []problem{yamlProblem(err.Error())}
	}
	var problems []problem
	for _, text := range several.Errors {
		problems = append(problems, yamlProblem(text))
	}
	return problems
}

func yamlProblem(text string) problem {
	p := problem{line: 1, text: text}
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		p.line, _ = strconv.Atoi(match[1])
		p.text = match[2]
	}
	switch {
	case unknownField.MatchString(p.text):
		p.text = "there is no setting " + strconv.Quote(unknownField.FindStringSubmatch(p.text)[1]) + " here"
	case twice.MatchString(p.text):
		match := twice.FindStringSubmatch(p.text)
		p.text = match[1] + " is set twice, first in line " + match[2]
	case wrongKind.MatchString(p.text):
		match := wrongKind.FindStringSubmatch(p.text)
		p.text = "expected " + kindWords(match[3]) + ", found " + foundWords(match[1], match[2])
	}
	return p
}

func kindWords(goType string) string {
	switch goType {
	case "int":
		return "a whole number"
	case "bool":
		return "true or false"
	case "string":
		return "a text"
	case "[]string":
		return "a list of texts"
	}
	return "settings below it"
}

func foundWords(tag, value string) string {
	switch tag {
	case "!!seq":
		return "a list"
	case "!!map":
		return "settings below it"
	}
	return strconv.Quote(value)
}

// checker finds what YAML cannot: each mistake with the line of its value.
type checker struct {
	root     *yaml.Node
	problems []problem
}

// wrong notes a mistake at a place of the settings.
func (c *checker) wrong(err error, path ...string) {
	if err != nil {
		c.problems = append(c.problems, problem{line: c.line(path), text: err.Error()})
	}
}

func (c *checker) sorted() []problem {
	slices.SortStableFunc(c.problems, func(a, b problem) int { return a.line - b.line })
	return c.problems
}

// line is where the deepest part of the path that is written stands.
func (c *checker) line(path []string) int {
	node, line := c.root, 1
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	for _, key := range path {
		found := false
		for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
			if node.Content[i].Value == key {
				line, node, found = node.Content[i].Line, node.Content[i+1], true
				break
			}
		}
		if !found {
			break
		}
	}
	return line
}
