package main

import (
	"errors"
	"io/fs"

	"bgswitch/health"
	"bgswitch/switcher/notify"
	"bgswitch/switcher/trust"

	"go.yaml.in/yaml/v3"
)

// verify lays what is written over the defaults.
func (w written) verify(s *settings) func() *yaml.Node {
	o := &s.verify
	inForce := w.has(
		setting{"metrics_file", absolute(&s.metricsFile)},
		setting{"page", absolute(&s.pageFile)},
		setting{"rise", number(&o.Rise)},
		setting{"fall", number(&o.Fall)},
		setting{"remind", duration(&o.Remind)},
		setting{"deadline", duration(&o.Deadline)},
		setting{"failover", yes(&o.Failover)},
		setting{"cooldown", duration(&o.Cooldown)},
	)
	w.judge(o.Validate())
	return inForce
}

// notify reads the channels.
func (w written) notify(c *notify.Channels) func() *yaml.Node {
	return w.has(
		setting{"webhooks", webhooks(&c.Webhooks)},
		setting{"commands", value{
			take: func(w written) {
				for _, item := range w.items() {
					c.Commands = append(c.Commands, item.command())
				}
			},
			show: func() any { return shownCommands(c.Commands) },
		}},
		setting{"ping", keyURL(&c.Ping)},
	)
}

func webhooks(into *[]notify.Webhook) value {
	var shown []func() *yaml.Node
	return value{
		take: func(w written) {
			for _, item := range w.items() {
				hook, inForce := item.webhook()
				*into, shown = append(*into, hook), append(shown, inForce)
			}
		},
		show: func() any {
			list := &yaml.Node{Kind: yaml.SequenceNode}
			for _, inForce := range shown {
				list.Content = append(list.Content, inForce())
			}
			return list
		},
	}
}

func (w written) webhook() (notify.Webhook, func() *yaml.Node) {
	var hook notify.Webhook
	var file written
	inForce := w.has(setting{"url", keyURL(&hook.URL)}, setting{"headers", headers(&hook.Headers)}, setting{"headers_file", keep(&file)})
	var found health.Mistakes
	if hook.URL.IsZero() {
		found.Add(errors.New("none given; use one such as https://chat.example.com/hook"), "url")
	}
	found.Add(health.ValidateHeaders(hook.Headers), "headers")
	w.judge(found.Found())
	file.headersOf(&hook)
	return hook, inForce
}

// headersOf reads a file of headers, once: a mistake in it would else be told
// only when the switch is over. Whoever may not read it may still run what tells
// nobody.
func (w written) headersOf(hook *notify.Webhook) {
	var path string
	if w.node != nil {
		absolute(&path).take(w)
	}
	if path == "" || w.bad[w.node] || w.read == nil {
		return
	}
	text, err := w.read(path, notify.HeadersLimit)
	switch {
	case errors.Is(err, fs.ErrPermission):
		hook.Unread = err
	case errors.Is(err, trust.ErrUnsafe):
		w.wrongf("%w; to fix it: %s", err, trust.Mend(err))
	case err != nil:
		w.wrongf("%w", err)
	}
	for _, line := range hook.Take(text) {
		w.wrongf("%s:%d: a header is written `Name: value`", path, line)
	}
}

// hooks is one command, or a list of them.
func hooks(into *[][]string) value {
	take := func(w written) {
		if w.node.Kind != yaml.SequenceNode {
			_ = w.isCommand()
			return
		}
		list := w.items()
		if len(list) > 0 && list[0].node.Kind != yaml.SequenceNode {
			list = []written{w}
		}
		for _, item := range list {
			*into = append(*into, item.command())
		}
	}
	return value{take: take, show: func() any { return shownCommands(*into) }}
}

func shownCommands(commands [][]string) (shown [][]string) {
	for _, argv := range commands {
		shown = append(shown, shownWords(argv))
	}
	return shown
}

func program(into *[]string) value {
	return value{take: func(w written) { *into = w.command() }, show: func() any { return shownWords(*into) }}
}

func (w written) isCommand() bool {
	if w.node.Kind != yaml.SequenceNode || len(w.node.Content) == 0 {
		w.wrongf("a command is a list: [/path/of/program, argument]")
		return false
	}
	return true
}

// command reads an argv. Which program runs must not depend on somebody's PATH.
func (w written) command() []string {
	if !w.isCommand() {
		return nil
	}
	var argv []string
	words(&argv).take(w)
	_ = w.items()[0].absolute()
	return argv
}
