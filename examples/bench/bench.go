package main

import (
	"context"
	"errors"
	"os"

	"bgswitch/switcher/nginxtest"
)

// bench is one private nginx, and bgswitch set up for it.
type bench struct {
	dir     string
	site    *nginxtest.Site
	program nginxtest.Program
}

// with sets a bench up, in a temporary folder and on this host, for as long as
// use runs.
func with(ctx context.Context, workers, sites int, use func(*bench) error) error {
	return set(ctx, func(dir string) (*nginxtest.Site, error) {
		include, err := writeTree(dir, sites)
		if err != nil {
			return nil, err
		}
		return nginxtest.StartSite(dir, nginxtest.Options{Workers: workers, HTTP: include})
	}, use)
}

// inContainer is with, for an nginx in a container.
func inContainer(ctx context.Context, workers int, use func(*bench) error) error {
	return set(ctx, func(dir string) (*nginxtest.Site, error) {
		return nginxtest.StartContainerSite(dir, nginxtest.ContainerOptions{Workers: workers})
	}, use)
}

func set(ctx context.Context, start func(dir string) (*nginxtest.Site, error), use func(*bench) error) (err error) {
	if _, err := nginxtest.Binary(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bgswitch-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{dir: dir}
	if b.site, err = start(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.site.Stop()) }()
	if b.program, err = nginxtest.Build(ctx, dir, b.site.Settings); err != nil {
		return interrupted(ctx, err)
	}
	return interrupted(ctx, use(b))
}

// interrupted puts the reason in place of what it brought about.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
