package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"github.com/rogpeppe/go-internal/testscript"
)

// Every script runs the program itself against an nginx of its own. Besides
// testscript's commands they have:
//
//	needs root|mounts|own-mounts   skip the script where it may not have that
//	site [-workers N] [-nobody] [-tmpfs SIZE]   start nginx and both apps
//	exits CODE PROGRAM ARG...      run it; this and no other exit code
//	remedy CODE WORD...            paste the command that was just named, with these words in it
//	start NAME PROGRAM ARG...      run it in the background; $NAME is its pid
//	queue NAME PROGRAM ARG...      the same, and wait until it has met the lock
//	locked NAME                    wait until it holds the site's lock
//	signal PID|NAME SIGNAL         send a signal
//	ended CODE NAME                wait for its end; its output is stdout, stderr
//	titled NAME TITLE              wait until its command line begins so
//	alive NAME                     it lives
//	there FILE                     wait until it is there
//	gone FILE                      wait until the process whose pid it holds is gone
//	app sick|mute|well|stop COLOR  what becomes of a color's app
//	asked COLOR                    wait until its app was asked, since it last changed
//	told NAME REGEXP               wait until it has said so on standard error
//	grabbed NAME                   wait until it has locked what it could
//	hold NAME                      open an answer through nginx that does not end
//	let-go NAME                    close it
//	answers COLOR                  20 fresh connections through nginx get it
//	nginx reload|stop|pause|go-on  what becomes of nginx
//	settings FILE                  add FILE to the settings of the site
//	settings -whole FILE           FILE becomes the settings
//	expand FILE                    replace the variables in FILE
//	live FILE                      write FILE over the live file, by hand
//	remember                       note the live file, its folder, the workers
//	untouched                      all of it is as noted
//	restored                       file and folder are as noted, the workers may differ
//	workers-same                   the workers are as noted
//	nothing-beside                 no file of ours stands beside the live one
//	json PATH VALUE                what stands at PATH (a.b.0.c) of the JSON on stdout
//
// Variables in FILE are replaced. `site` sets $CONF (the settings), $MAIN
// (nginx.conf), $LIVE, $CONFD, $URL, $BLUE, $GREEN, $STATE, $PIDFILE, $MASTER,
// $NGINX_BIN, $NGINX_NAME (a bare name, where a folder of the system's has it)
// and $BGSWITCH, the program's path.
func TestScripts(t *testing.T) {
	if _, err := nginxtest.Binary(); err != nil {
		t.Fatal(err)
	}
	t.Run("run", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                "testdata/script",
			Setup:              setupScript,
			Cmds:               scriptCommands,
			Condition:          scriptCondition,
			RequireUniqueNames: true,
		})
	})
}

var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"needs":          onStand((*stand).needs),
	"site":           onStand((*stand).site),
	"exits":          onStand((*stand).exits),
	"remedy":         onStand((*stand).remedy),
	"start":          onStand((*stand).start),
	"locked":         onStand((*stand).locked),
	"queue":          onStand((*stand).queue),
	"signal":         onStand((*stand).signal),
	"ended":          onStand((*stand).ended),
	"titled":         onStand((*stand).titled),
	"alive":          onStand((*stand).alive),
	"there":          onStand((*stand).there),
	"gone":           onStand((*stand).gone),
	"app":            onStand((*stand).app),
	"asked":          onStand((*stand).asked),
	"told":           onStand((*stand).told),
	"grabbed":        onStand((*stand).grabbed),
	"hold":           onStand((*stand).hold),
	"let-go":         onStand((*stand).letGo),
	"answers":        onStand((*stand).answers),
	"nginx":          onStand((*stand).nginx),
	"settings":       onStand((*stand).settings),
	"expand":         onStand((*stand).expand),
	"live":           onStand((*stand).live),
	"remember":       onStand((*stand).remember),
	"untouched":      onStand((*stand).untouched),
	"restored":       onStand((*stand).restored),
	"workers-same":   onStand((*stand).workersSame),
	"nothing-beside": onStand((*stand).nothingBeside),
	"json":           onStand((*stand).json),
}

// onStand makes a command of the scripts from what the stand does; with a `!`
// before it, it has to fail.
func onStand(do func(*stand, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		s := ts.Value(standKey{}).(*stand)
		s.ts = ts
		err := do(s, args)
		switch {
		case err != nil && !neg:
			ts.Fatalf("%v", err)
		case err == nil && neg:
			ts.Fatalf("it unexpectedly holds")
		}
	}
}

type standKey struct{}

// setupScript gives a script its stand. The folders that testscript makes are
// its own user's alone; those that run as nobody have to get through.
func setupScript(env *testscript.Env) error {
	program, err := exec.LookPath("bgswitch")
	if err != nil {
		return err
	}
	for _, folder := range []string{filepath.Dir(env.WorkDir), env.WorkDir, filepath.Dir(filepath.Dir(program)), filepath.Dir(program)} {
		if err := os.Chmod(folder, 0o755); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{"BGSWITCH": program, "TERM": "dumb", "TZ": "UTC", "LC_ALL": "C"} {
		env.Setenv(name, value)
	}
	s := &stand{env: env, dir: env.WorkDir, running: map[string]*background{}}
	env.Values[standKey{}] = s
	tb := env.T().(testing.TB)
	env.Defer(func() {
		if err := s.close(); err != nil {
			tb.Error(err)
		}
	})
	return nil
}

// scriptRights are what a machine may permit or not.
var scriptRights = map[string]rightstest.Right{"root": rightstest.Root, "mounts": rightstest.Mounts, "own-mounts": rightstest.OwnMounts, "limits": rightstest.Limits, "namespaces": rightstest.Namespaces}

func scriptCondition(name string) (bool, error) {
	right, known := scriptRights[name]
	if !known {
		return false, fmt.Errorf("no such condition: %s", name)
	}
	return right.Had(), nil
}
