package main

import (
	"errors"
	"io/fs"
	"os"

	"bgswitch/switcher"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/statedir"
)

// stateOf is where what is kept of a site lies. A site without settings is called
// after its file: one that got a name since, and of which nothing is kept by that
// name, goes on where it was. Nothing ever makes the other folder then.
func (s settings) stateOf(site switcher.Site) statedir.Folder {
	own := statedir.Of(s.stateDir, site.Name)
	if _, err := os.Lstat(own.Path); len(site.Files) != 1 || !errors.Is(err, fs.ErrNotExist) {
		return own
	}
	former := statedir.Of(s.stateDir, siteOfFile(site.Files[0].Path))
	if newest, err := former.Newest(); err != nil || newest == nil || !isOf(*newest, site) || len(s.sharing(site)) > 0 {
		return own
	}
	return former
}

// isOf says whether a record is about the live file of a site, and no other: many
// files have the same name.
func isOf(r statedir.Record, site switcher.Site) bool {
	at, err := livefile.Resolve(site.Files[0].Path)
	return err == nil && len(r.Others) == 0 && string(r.Path) == at
}

// stateOfNamed is stateOf for one of the sites, by its name.
func (s settings) stateOfNamed(name string) statedir.Folder {
	for _, site := range s.sites {
		if site.Name == name {
			return s.stateOf(site)
		}
	}
	return statedir.Of(s.stateDir, name)
}
