package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
)

const module = "bgswitch"

// goPackage is what `go list` says of one package.
type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// Imports run one way, and what only one layer needs stays there.
func TestImportLayers(t *testing.T) {
	t.Parallel()
	packages := listPackages(t, "./...")
	if len(packages) < 5 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, rule := range []struct {
		imported string   // a path, or the beginning of one
		only     []string // the packages that may, and what is below them
	}{
		{"github.com/tufanbarisyildirim/gonginx", []string{"nginxconf"}},
		{"github.com/urfave/cli", []string{"cmd"}},
		{"github.com/hashicorp/go-retryablehttp", []string{"health", "switcher/notify"}},
		{"go.yaml.in/yaml", []string{"cmd"}},
		{"github.com/moby/sys", []string{"switcher/access", "switcher/livefile"}},
		{module + "/cmd", nil},
		{module + "/examples", []string{"examples", "cmd/bgswitch"}},
		{module + "/switcher", []string{"cmd", "switcher", "examples"}},
	} {
		for _, p := range packages {
			for _, imported := range p.Imports {
				if below(imported, rule.imported) && !allowed(p.ImportPath, rule.only) {
					t.Errorf("%s imports %s, which only %v may", p.ImportPath, imported, rule.only)
				}
			}
		}
	}
	for _, p := range packages {
		if p.ImportPath != module+"/nginxconf" && p.ImportPath != module+"/health" {
			continue
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if below(imported, module) && imported != p.ImportPath && !strings.HasSuffix(imported, "/nginxtest") {
				t.Errorf("%s imports %s: it needs nothing of ours", p.ImportPath, imported)
			}
		}
	}
}

func below(path, top string) bool { return path == top || strings.HasPrefix(path, top+"/") }

func allowed(path string, only []string) bool {
	return slices.ContainsFunc(only, func(top string) bool { return below(path, module+"/"+top) })
}

// What must never be linked: the GPL-2.0 library that gonginx's dumper needs,
// what is there for tests alone, and the command-line library's writer of
// manual pages.
func TestNotLinked(t *testing.T) {
	t.Parallel()
	for _, rule := range []struct{ what, packages string }{
		{"github.com/tufanbarisyildirim/gonginx/dumper", "./..."},
		{"github.com/timtadh", "./..."},
		{module + "/switcher/nginxtest", "./cmd/bgswitch"},
		{"testing", "./cmd/bgswitch"},
		{"github.com/rogpeppe/go-internal/testscript", "./cmd/bgswitch"},
		{"github.com/google/go-cmp", "./cmd/bgswitch"},
		{"github.com/cpuguy83/go-md2man", "./cmd/bgswitch"},
		{"github.com/russross/blackfriday", "./cmd/bgswitch"},
	} {
		deps := listPackages(t, "-deps", "-tags="+nginxtest.BuildTags, rule.packages)
		if len(deps) < 50 {
			t.Fatalf("only %d packages found below %s", len(deps), rule.packages)
		}
		for _, p := range deps {
			if below(p.ImportPath, rule.what) {
				t.Errorf("%s is linked into %s", p.ImportPath, rule.packages)
			}
		}
	}
}

func listPackages(t *testing.T, args ...string) []goPackage {
	t.Helper()
	list := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports"}, args...)...)
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
