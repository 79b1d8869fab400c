package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"bgswitch/switcher/nginxtest"
)

// pack puts the packages for one processor into a folder, and what the program
// in them was built from.
func (s source) pack(out, arch string, formats ...string) error {
	work, err := os.MkdirTemp("", "bgswitch-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	program, here := filepath.Join(work, "bgswitch"), filepath.Join(work, "here")
	for path, arch := range map[string]string{program: arch, here: runtime.GOARCH} {
		if err := s.compile(path, arch); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := s.writeParts(filepath.Join(out, fmt.Sprintf("bgswitch_%s_%s.cdx.json", s.version, arch)), program); err != nil {
		return err
	}
	for _, format := range formats {
		tree := filepath.Join(work, format)
		if err := s.layOut(tree, program, here, format); err != nil {
			return err
		}
		if err := s.nfpm(out, tree, arch, format); err != nil {
			return err
		}
	}
	return nil
}

// compile builds the program as `task build` does, and tells it what it is.
func (s source) compile(program, arch string) error {
	says := fmt.Sprintf("-s -w -X main.builtVersion=%s -X 'main.builtCommit=%s' -X main.builtDate=%s", s.version, s.commit, s.date.Format("2006-01-02T15:04:05Z"))
	_, err := run([]string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch, "GOAMD64=v1", "GOARM64=v8.0"},
		"go", "build", "-trimpath", "-buildvcs=false", "-tags", nginxtest.BuildTags, "-ldflags", says, "-o", program, "./cmd/bgswitch")
	return err
}

// nfpm makes a package of a tree.
func (s source) nfpm(out, tree, arch, format string) error {
	config, err := os.ReadFile("cmd/package/nfpm.yaml")
	if err != nil {
		return err
	}
	values := map[string]string{"TREE": tree, "ARCH": arch, "VERSION": s.version, "MAINTAINER": s.maintainer}
	path := filepath.Join(tree, "nfpm.yaml")
	if err := os.WriteFile(path, []byte(os.Expand(string(config), func(name string) string { return values[name] })), 0o600); err != nil {
		return err
	}
	_, err = run([]string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", s.date.Unix())},
		"go", "tool", "-modfile=cmd/package.mod", "nfpm", "package", "--config="+path, "--packager="+format, "--target="+out)
	return err
}

// sumsFile is read by sha256sum -c.
const sumsFile = "SHA256SUMS"

func writeSums(out string) error {
	entries, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(out, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(text), entry.Name())
	}
	return os.WriteFile(filepath.Join(out, sumsFile), []byte(sums.String()), 0o644)
}
