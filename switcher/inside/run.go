package inside

import (
	"context"
	"errors"
	"io"
	"os"

	"bgswitch/switcher/aside"
	"bgswitch/switcher/command"
)

// Program is how the program of a process is run in its place.
type Program struct {
	Args   []string        // without its name
	Over   []aside.Content // what stands in for files, by paths as the process sees them
	Stdout *command.Output // where stdout goes; nil: to what Run returns, with stderr
}

// runRequest is a Program for the sealed copy. Its descriptors are the root
// folder, the working folder, the program, and the namespaces.
type runRequest struct {
	Argv   []string
	Over   []aside.Content
	Rights rights
	Spaces []int
}

// ErrPaused says that the kernel lets nothing run where the process is.
var ErrPaused = errors.New("cannot run anything inside: the container is paused")

// Run runs the program that the process runs, in its place and as it is, and
// returns what it printed. The process itself and its files are not touched:
// contents stand in for files in mounts that only the program sees. All that it
// started ends with it, and with ctx.
//
// The error is an exec.ExitError where the program ran and said no; it wraps
// aside.ErrMoved where a file was replaced meanwhile, and ctx's where that ended
// it. What the program prints is foreign text.
func (p *Process) Run(ctx context.Context, program Program) ([]byte, error) {
	if p.Paused() {
		return nil, ErrPaused
	}
	return p.run(ctx, program)
}

func (p *Process) run(ctx context.Context, program Program) ([]byte, error) {
	r := &runRequest{Argv: append([]string{"nginx"}, program.Args...), Over: program.Over, Rights: p.rights}
	files := []*os.File{p.root, p.cwd, p.exe}
	for _, s := range p.spaces {
		if !s.ours {
			r.Spaces, files = append(r.Spaces, s.flag), append(files, s.file)
		}
	}
	out := &command.Output{Limit: command.OutputLimit}
	var stdout io.Writer = out
	if program.Stdout != nil {
		stdout = program.Stdout
	}
	_, err := start(ctx, request{Run: r}, files, stdout, out)
	return out.Bytes, err
}
