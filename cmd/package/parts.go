package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// A part is what a program was built from.
type part struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	URL        string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// partList is a bill of materials, as CycloneDX 1.5 has it.
type partList struct {
	Format      string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Version     int    `json:"version"`
	Metadata    struct {
		Timestamp string `json:"timestamp"`
		Component part   `json:"component"`
	} `json:"metadata"`
	Components   []part       `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

// writeParts writes what Go noted in the program.
func (s source) writeParts(path, program string) error {
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	list := partList{Format: "CycloneDX", SpecVersion: "1.5", Version: 1}
	list.Metadata.Timestamp = s.date.Format("2006-01-02T15:04:05Z")
	list.Metadata.Component = part{
		Type: "application", Ref: "bgswitch", Name: "bgswitch", Version: s.version,
		Hashes: []hash{{"SHA-256", fmt.Sprintf("%x", sha256.Sum256(text))}},
	}
	list.Components = append(list.Components, partOf("stdlib", strings.TrimPrefix(info.GoVersion, "go"), ""))
	for _, module := range linked(info) {
		list.Components = append(list.Components, partOf(module.Path, module.Version, module.Sum))
	}
	on := dependency{Ref: "bgswitch"}
	for _, part := range list.Components {
		on.On = append(on.On, part.Ref)
	}
	list.Dependencies = []dependency{on}
	out, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(out, '\n'), 0o644)
}

func partOf(name, version, sum string) part {
	url := "pkg:golang/" + name + "@" + version
	p := part{Type: "library", Ref: url, Name: name, Version: version, URL: url}
	if sum != "" {
		p.Properties = []property{{"go.sum", sum}} // of the module's files, and none of the hashes that CycloneDX knows
	}
	return p
}

// linked are the modules in a program, as they were replaced.
func linked(info *buildinfo.BuildInfo) []*debug.Module {
	var modules []*debug.Module
	for _, module := range info.Deps {
		for module.Replace != nil {
			module = module.Replace
		}
		modules = append(modules, module)
	}
	return modules
}

// copyright tells whose the program is, and by which licenses the modules in it
// may be passed on: each of them wants to stand beside the program.
func copyright(program string) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	text := []byte("bgswitch is copyright of its authors. Its source names no license.\n\nThe program holds Go's library and the modules below, each by its license.\n")
	goroot, err := run(nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	folders := map[string]string{"Go": strings.TrimSpace(string(goroot))}
	names := []string{"Go"}
	for _, module := range linked(info) {
		folder, err := run(nil, "go", "list", "-m", "-f={{.Dir}}", module.Path)
		if err != nil {
			return nil, err
		}
		name := module.Path + " " + module.Version
		names = append(names, name)
		folders[name] = strings.TrimSpace(string(folder))
	}
	for _, name := range names {
		license, err := licenseIn(folders[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		text = append(fmt.Appendf(text, "\n== %s\n\n", name), license...)
	}
	return text, nil
}

// licenseIn is what stands in a module's folder of its license, and of what its
// license wants to be passed on.
func licenseIn(folder string) ([]byte, error) {
	var text []byte
	for _, pattern := range []string{"LICEN[CS]E*", "NOTICE*"} {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			more, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			text = append(text, more...)
		}
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("%s holds no license", folder)
	}
	return text, nil
}
