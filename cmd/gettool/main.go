// Command gettool prints the path of a program that the tests and the demo
// need, and makes it available where it is missing.
//
//	gettool [-private] nginx|sudo|docker|chromium|debootstrap
//
// An installed program is taken where there is one: what BGSWITCH_TEST_NGINX
// (BGSWITCH_TEST_SUDO, ...) names, else what PATH or the sbin folders hold, else
// what an earlier run unpacked. Otherwise root gets it through apt, and
// everyone else gets the same packages unpacked in a private folder: bgswitch
// in the user's cache folder. With -private only that folder counts: sudo, with
// doas beside it, must not come into the system for a test.
//
// The path goes to standard output, everything said on the way to standard
// error. Exit code 1: it cannot be had, and the last line on standard error
// says what to type.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	private := flag.Bool("private", false, "look, and get it, only in the private folder")
	flag.Usage = usage
	flag.Parse()
	t, known := tools[flag.Arg(0)]
	if flag.NArg() != 1 || !known {
		usage()
		os.Exit(1)
	}
	path, err := get(t, *private)
	if err != nil {
		say("%v", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: gettool [-private] nginx|sudo|docker|chromium|debootstrap")
	flag.PrintDefaults()
}

// say reports progress and failure.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "gettool: "+format+"\n", args...)
}
