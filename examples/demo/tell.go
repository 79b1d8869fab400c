package main

import "fmt"

func (d *demo) tell(format string, args ...any) { fmt.Fprintf(d.stdout, format+"\n", args...) }
