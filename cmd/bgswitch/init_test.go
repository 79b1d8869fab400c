package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// initiates is a run of init that looks at the victim's nginx alone, and writes beside it.
func (v *victim) initiates(more ...string) []string {
	args := append([]string{"init", "--config", filepath.Join(v.Dir, "new.yaml"), "--state-dir", filepath.Join(v.Dir, "state")}, more...)
	if v.Container != nil {
		return append(args, "--pid", fmt.Sprint(v.PID))
	}
	binary, _ := nginxtest.Binary()
	return append(args, "--nginx", binary, "--conf", v.Conf, "--prefix", v.Dir)
}

// laidOut is a victim whose files are as they are given: DIR, BLUE and GREEN are its
// folder and its apps. A file that begins with -> is a link.
func laidOut(t *testing.T, o nginxtest.Options, files map[string]string) *victim {
	t.Helper()
	dir := rightstest.OpenFolder(t)
	site := &nginxtest.Site{Settings: filepath.Join(dir, "new.yaml")}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	var err error
	for color, app := range map[string]**nginxtest.App{"blue": &site.Blue, "green": &site.Green} {
		if *app, err = nginxtest.StartApp(color); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("DIR", dir, "BLUE", site.Blue.Addr, "GREEN", site.Green.Addr)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		to, link := strings.CutPrefix(text, "-> ")
		if link {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(here.Replace(text)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	o.Workers, o.Live, o.HTTP, o.Server = 1, here.Replace(o.Live), here.Replace(o.HTTP), here.Replace(o.Server)
	if site.Nginx, err = nginxtest.Start(dir, o); err != nil {
		t.Fatal(err)
	}
	return victimOf(t, site)
}

const twoUpstreams = "upstream app_blue { server BLUE; }\nupstream app_green { server GREEN; }\n"

// layouts are all that bgswitch knows.
var layouts = map[string]struct {
	nginxtest.Options
	files map[string]string
}{
	"the origin page":       {nginxtest.Options{Live: "upstream myapp { server BLUE; } # BLUE = blue (old), GREEN = green (new)\n"}, nil},
	"commented out":         {nginxtest.Options{Live: "upstream myapp {\n  server BLUE;\n  #server GREEN;\n}\n"}, nil},
	"backup":                {nginxtest.Options{Live: "upstream myapp {\n  server BLUE;\n  server GREEN backup;\n}\n"}, nil},
	"a fragment":            {nginxtest.Options{HTTP: "upstream myapp { include DIR/active.inc; }"}, map[string]string{"active.inc": "server BLUE; # blue: BLUE, green: GREEN\n"}},
	"set an address":        {nginxtest.Options{Server: "include DIR/url.inc; location / { proxy_pass $service_url; }"}, map[string]string{"url.inc": "set $service_url http://BLUE;\n# set $service_url http://GREEN;\n"}},
	"set a color":           {nginxtest.Options{Live: twoUpstreams, Server: "include DIR/active.inc; location / { proxy_pass http://app_$active; }"}, map[string]string{"active.inc": "set $active blue;\n"}},
	"proxy_pass an address": {nginxtest.Options{Server: "include DIR/site.inc;"}, map[string]string{"site.inc": "location / {\n  proxy_pass http://BLUE/;\n  # proxy_pass http://GREEN/;\n}\n"}},
	"proxy_pass a name":     {nginxtest.Options{Live: twoUpstreams, Server: "include DIR/site.inc;"}, map[string]string{"site.inc": "location / { proxy_pass http://app_blue; }\nlocation /api/ { proxy_pass http://app_blue; }\n"}},
	"map":                   {nginxtest.Options{Live: "map $cookie_color $backend { default app_blue; green app_green; }\n" + twoUpstreams, Server: "location / { proxy_pass http://$backend; }"}, nil},
	"include":               {nginxtest.Options{Live: "include colors/blue.conf;\n"}, map[string]string{"colors/blue.conf": "upstream myapp { server BLUE; }\n", "colors/green.conf": "upstream myapp { server GREEN; }\n"}},
	"a link":                {nginxtest.Options{HTTP: "include DIR/active.conf;"}, map[string]string{"active.conf": "-> colors/blue.conf", "colors/blue.conf": "upstream myapp { server BLUE; }\n", "colors/green.conf": "upstream myapp { server GREEN; }\n"}},
	"a link to a folder":    {nginxtest.Options{HTTP: "include DIR/active/*.conf;"}, map[string]string{"active": "-> colors/blue", "colors/blue/up.conf": "upstream myapp { server BLUE; }\n", "colors/green/up.conf": "upstream myapp { server GREEN; }\n"}},
	"a copy":                {nginxtest.Options{Live: "upstream myapp { server BLUE; }\n"}, map[string]string{"colors/blue.conf": "upstream myapp { server BLUE; }\n", "colors/green.conf": "upstream myapp { server GREEN; }\n"}},
	"several upstreams":     {nginxtest.Options{Live: "upstream myapp { server BLUE; } # BLUE blue, GREEN green\nupstream api { server BLUE; } # BLUE blue, GREEN green\n", Server: "location / { proxy_pass http://myapp; } location /api/ { proxy_pass http://api; }"}, nil},
	"a server's name":       {nginxtest.Options{Live: "upstream myapp { server BLUE; } # BLUE blue, GREEN green\n", HTTP: "server { listen unix:DIR/other.sock; return 404; }", Server: "server_name shop.example.com; location /shop/ { proxy_pass http://myapp; } location / { return 404; }"}, nil},
}

// In every layout that bgswitch knows, init finds what decides, and what it writes
// switches, proved by the answers.
func TestInitInEveryLayout(t *testing.T) {
	t.Parallel()
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := laidOut(t, layout.Options, layout.files)
			if code, out := v.bgswitch(v.initiates("--yes")...); code != exitDone || !strings.Contains(out, "dry run: nothing was written\n") {
				t.Fatalf("exit %d: %s", code, out)
			}
			if text := v.read(v.Settings); strings.Contains(text, "# confirm:") {
				t.Errorf("without confirm:\n%s", text)
			}
			if code, out := v.bgswitch("to", "green"); code != exitDone || !strings.Contains(out, "proved by identity") {
				t.Fatalf("to green: exit %d: %s\n%s", code, out, v.read(v.Settings))
			}
			if code, out := v.bgswitch("back"); code != exitDone || !strings.Contains(out, "blue is live") {
				t.Errorf("back: exit %d: %s", code, out)
			}
		})
	}
}

// In a container, the live file is found on the host, and the colors are asked from
// the container's own network.
func TestInitInAContainer(t *testing.T) {
	t.Parallel()
	live := "upstream myapp { server app-blue:8080; }\n"
	for _, mount := range []string{nginxtest.MountFolder, nginxtest.MountFile} {
		v := victimOf(t, containerSite(t, nginxtest.ContainerOptions{Workers: 1, Mount: mount, Live: live}))
		v.Settings = filepath.Join(v.Dir, "new.yaml")
		code, out := v.bgswitch(v.initiates("--yes", "--url", v.URL())...)
		if text := v.read(v.Settings); code != exitDone || !strings.Contains(text, "\n    file: "+v.Live+" ") || strings.Contains(text, "\nnginx:") {
			t.Fatalf("%s: exit %d, want %s: %s\n%s", mount, code, v.Live, out, text)
		}
		if code, out := v.bgswitch("to", "green"); code != exitDone || !strings.Contains(out, "proved by identity") {
			t.Errorf("%s: exit %d: %s", mount, code, out)
		}
	}
	v := victimOf(t, containerSite(t, nginxtest.ContainerOptions{Workers: 1, Mount: nginxtest.MountNone, Live: live}))
	code, out := v.bgswitch(v.initiates("--yes")...)
	if _, err := os.Stat(filepath.Join(v.Dir, "new.yaml")); code != exitFailed || err == nil || !strings.Contains(out, "stands in the container alone") || !strings.Contains(out, "hint: keep its folder on this host") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// On a terminal it asks what it cannot see, and nothing else.
func TestInitAsks(t *testing.T) {
	t.Parallel()
	guess := "upstream myapp {\n  server BLUE;\n  #server GREEN;\n}\n"
	alone := "upstream myapp { server BLUE; }\n"
	other := "upstream other { server BLUE; } # BLUE blue, unix:/g green\nserver { listen unix:DIR/o.sock; location / { proxy_pass http://other; } }\n"
	for name, test := range map[string]struct {
		live, http       string
		question, answer string
		writes           string // empty: nothing
	}{
		"a guess is right":  {guess, "", `that \S+ is the other copy is a guess \(commented out in line 3\)\. Is it so\? \[y/N\]`, "y", "green: GREEN "},
		"a guess is wrong":  {guess, "", `Is it so\? \[y/N\]`, "", ""},
		"an address":        {alone, "", `\S+ is one copy\. Where does the other one listen\? \[as \S+\]`, "GREEN", "green: GREEN "},
		"no address":        {alone, "", `Where does the other one listen\?`, "over there", ""},
		"one of two":        {alone[:len(alone)-1] + " # BLUE blue, GREEN green\n", other, `Which of them\? \[1-2\]`, "1", "green: GREEN "},
		"neither of two":    {alone[:len(alone)-1] + " # BLUE blue, GREEN green\n", other, `Which of them\? \[1-2\]`, "3", ""},
		"nothing, and none": {alone[:len(alone)-1] + " # BLUE blue, GREEN green\n", "", `dry run: nothing was written`, "", "green: GREEN "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := laidOut(t, nginxtest.Options{Live: test.live, HTTP: test.http}, nil)
			here := strings.NewReplacer("GREEN", v.Green.Addr)
			cmd := exec.Command(v.program, v.initiates()...)
			cmd.Env = append(cmd.Environ(), "TERM=dumb")
			s := onScreen(t, 40, 250, cmd)
			s.until("the question", regexp.MustCompile(test.question).MatchString)
			s.types(here.Replace(test.answer) + "\n")
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				if (err == nil) != (test.writes != "") {
					t.Errorf("%v: %s", err, s.all)
				}
			case <-time.After(patience):
				t.Fatalf("it does not end: %s", s.all)
			}
			if text, err := os.ReadFile(v.Settings); (err == nil) != (test.writes != "") || !strings.Contains(string(text), here.Replace(test.writes)) {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
}
