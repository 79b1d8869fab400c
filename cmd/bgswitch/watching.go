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
func (w written) verify(s *settings) {
	o := &s.verify
	w.has(takes{
		"metrics_file": absolute(&s.metricsFile),
		"rise":         number(&o.Rise),
		"fall":         number(&o.Fall),
		"remind":       duration(&o.Remind),
		"deadline":     duration(&o.Deadline),
		"failover":     yes(&o.Failover),
		"cooldown":     duration(&o.Cooldown),
	})
	w.judge(o.Validate())
}

// notify reads the channels.
func (w written) notify(c *notify.Channels) {
	w.has(takes{
		"webhooks": func(w written) {
			for _, item := range w.items() {
				c.Webhooks = append(c.Webhooks, item.webhook())
			}
		},
		"commands": func(w written) {
			for _, item := range w.items() {
				c.Commands = append(c.Commands, item.command())
			}
		},
		"ping": address(&c.Ping),
	})
}

func (w written) webhook() notify.Webhook {
	var hook notify.Webhook
	var file written
	w.has(takes{"url": address(&hook.URL), "headers": named(&hook.Headers), "headers_file": keep(&file)})
	var found health.Mistakes
	if hook.URL.IsZero() {
		found.Add(errors.New("none given, want one such as https://chat.example.com/hook"), "url")
	}
	found.Add(health.ValidateHeaders(hook.Headers), "headers")
	w.judge(found.Found())
	file.headersOf(&hook)
	return hook
}

// headersOf reads a file of headers, once: a mistake in it would else be told
// only when the switch is over. Whoever may not read it may still run what tells
// nobody.
func (w written) headersOf(hook *notify.Webhook) {
	var path string
	if w.node != nil {
		absolute(&path)(w)
	}
	if path == "" || w.bad[w.node] || w.read == nil {
		return
	}
	text, err := w.read(path, notify.HeadersLimit)
	switch {
	case errors.Is(err, fs.ErrPermission):
		hook.Unread = err
	case errors.Is(err, trust.ErrUnsafe):
		w.wrongf("%w; mend it: %s", err, trust.Mend(err))
	case err != nil:
		w.wrongf("%w", err)
	}
	for _, line := range hook.Take(text) {
		w.wrongf("%s:%d: a header is written `Name: value`", path, line)
	}
}

// hooks is one command, or a list of them.
func hooks(into *[][]string) func(written) {
	return func(w written) {
		list := w.items()
		if len(list) > 0 && list[0].node.Kind != yaml.SequenceNode {
			list = []written{w}
		}
		for _, item := range list {
			*into = append(*into, item.command())
		}
	}
}

// command reads an argv. Which program runs must not depend on somebody's PATH.
func (w written) command() []string {
	if w.node.Kind != yaml.SequenceNode || len(w.node.Content) == 0 {
		w.wrongf("a command is a list: [/path/of/program, argument]")
		return nil
	}
	var argv []string
	words(&argv)(w)
	_ = w.items()[0].absolute()
	return argv
}
