// Command package builds the packages of bgswitch: deb, rpm and apk, each for
// amd64 and arm64, with their checksums, and for each processor a list of what
// the program was built from (CycloneDX). The same source makes the same bytes.
//
//	go run ./cmd/package [-version 1.2.3] [-out .dist]
//
// It is run at the top of the checkout. Without -version, the version is the
// one that the commit is tagged with, or else made of the commit's date. Files
// carry $SOURCE_DATE_EPOCH, or else that date.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("out", ".dist", "the `folder` that the packages are put into; what is there is replaced")
	version := flag.String("version", "", "the `version`, as 1.2.3")
	maintainer := flag.String("maintainer", "bgswitch <bgswitch@packages.invalid>", "who answers for the packages, as `'Name <address>'`")
	flag.Parse()
	if err := build(*out, *version, *maintainer); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func build(out, version, maintainer string) error {
	s, err := sourceHere()
	if err != nil {
		return err
	}
	if version != "" {
		s.version = version
	}
	s.maintainer = maintainer
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if err := s.pack(out, arch, "deb", "rpm", "apk"); err != nil {
			return err
		}
	}
	return writeSums(out)
}
