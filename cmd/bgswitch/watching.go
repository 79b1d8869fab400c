package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"bgswitch/health"
	"bgswitch/switcher/notify"
	"bgswitch/switcher/verify"
)

// verify lays what is written over the defaults.
func (c *checker) verify(written verifyYAML) verify.Options {
	options := verify.Defaults()
	options.Failover = written.Failover
	before := len(c.problems)
	set(&options.Rise, (*int)(written.Rise))
	set(&options.Fall, (*int)(written.Fall))
	c.duration(&options.Remind, written.Remind, []string{"verify", "remind"})
	c.duration(&options.Deadline, written.Deadline, []string{"verify", "deadline"})
	c.duration(&options.Cooldown, written.Cooldown, []string{"verify", "cooldown"})
	if len(c.problems) == before {
		c.wrong(options.Validate(), "verify")
	}
	return options
}

// notify takes the channels.
func (c *checker) notify(written notifyYAML) notify.Channels {
	channels := notify.Channels{Commands: written.Commands, Ping: c.url(written.Ping, "notify", "ping")}
	for i, hook := range written.Webhooks {
		at := []string{"notify", "webhooks", strconv.Itoa(i)}
		url, err := health.ParseURL(hook.URL)
		c.wrong(err, append(at, "url")...)
		c.absolute(hook.HeadersFile, append(at, "headers_file")...)
		channels.Webhooks = append(channels.Webhooks, notify.Webhook{URL: url, Headers: hook.Headers, HeadersFile: hook.HeadersFile})
	}
	for i, argv := range written.Commands {
		c.wrong(runnable(argv), "notify", "commands", strconv.Itoa(i))
	}
	return channels
}

// runnable: which program runs must not depend on somebody's PATH.
func runnable(argv []string) error {
	if len(argv) == 0 {
		return errors.New("a command is a list: [/path/of/program, argument]")
	}
	if !filepath.IsAbs(argv[0]) {
		return fmt.Errorf("%q: an absolute path is needed", argv[0])
	}
	return nil
}
