package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"bgswitch/switcher"
	"bgswitch/switcher/notify"
	"bgswitch/switcher/trust"
	"bgswitch/switcher/verify"

	"go.yaml.in/yaml/v3"
)

// What holds where nothing is set.
const (
	defaultSettings = "/etc/bgswitch/bgswitch.yaml"
	defaultStateDir = "/var/lib/bgswitch"
	defaultFile     = "/etc/nginx/conf.d/active_upstream.conf"
	defaultBlue     = "127.0.0.1:3001"
	defaultGreen    = "127.0.0.1:3002"
)

// settingsLimit is the largest settings file that is read, in bytes.
const settingsLimit = 1 << 20

// settings is what the operator set.
type settings struct {
	stateDir string
	nginx    nginxYAML
	sites    []switcher.Site
	verify   verify.Options
	notify   notify.Channels

	metricsFile string // where verify leaves them; empty: nowhere
}

// The settings file as it is written. Values that need a closer look than YAML
// gives them stay text here.
type settingsYAML struct {
	StateDir string               `yaml:"state_dir"`
	Nginx    nginxYAML            `yaml:"nginx"`
	Sites    map[string]*siteYAML `yaml:"sites"`
	Verify   verifyYAML           `yaml:"verify"`
	Notify   notifyYAML           `yaml:"notify"`
}

type nginxYAML struct {
	Binary string   `yaml:"binary"`
	Conf   string   `yaml:"conf"`
	Prefix string   `yaml:"prefix"`
	Test   []string `yaml:"test"`
	Reload []string `yaml:"reload"`
}

type siteYAML struct {
	File         string `yaml:"file"`
	upstreamYAML `yaml:",inline"`
	Upstream     string                   `yaml:"upstream"`
	Upstreams    map[string]*upstreamYAML `yaml:"upstreams"`
	Check        checkYAML                `yaml:"check"`
	Confirm      *confirmYAML             `yaml:"confirm"`
}

type upstreamYAML struct {
	Blue  oneOrMore `yaml:"blue"`
	Green oneOrMore `yaml:"green"`
}

type checkYAML struct {
	Type     *string           `yaml:"type"`
	Scheme   *string           `yaml:"scheme"`
	Path     *string           `yaml:"path"`
	Host     *string           `yaml:"host"`
	Headers  map[string]string `yaml:"headers"`
	Status   oneOrMore         `yaml:"status"`
	Contains *string           `yaml:"contains"`
	Timeout  *string           `yaml:"timeout"`
	Attempts *wholeNumber      `yaml:"attempts"`
	Interval *string           `yaml:"interval"`
	Passes   *wholeNumber      `yaml:"passes"`
	CA       *string           `yaml:"ca"`
	Insecure *bool             `yaml:"insecure"`
	BlueURL  string            `yaml:"blue_url"`
	GreenURL string            `yaml:"green_url"`
}

type confirmYAML struct {
	URL   string `yaml:"url"`
	Host  string `yaml:"host"`
	Blue  string `yaml:"blue"`
	Green string `yaml:"green"`
}

type verifyYAML struct {
	Rise     *wholeNumber `yaml:"rise"`
	Fall     *wholeNumber `yaml:"fall"`
	Remind   *string      `yaml:"remind"`
	Deadline *string      `yaml:"deadline"`
	Failover bool         `yaml:"failover"`
	Cooldown *string      `yaml:"cooldown"`
	Metrics  string       `yaml:"metrics_file"`
}

type notifyYAML struct {
	Webhooks []webhookYAML `yaml:"webhooks"`
	Commands [][]string    `yaml:"commands"`
	Ping     string        `yaml:"ping"`
}

type webhookYAML struct {
	URL         string            `yaml:"url"`
	Headers     map[string]string `yaml:"headers"`
	HeadersFile string            `yaml:"headers_file"`
}

// oneOrMore is written as one value or as a list.
type oneOrMore []string

// UnmarshalYAML takes both forms.
func (o *oneOrMore) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*o = oneOrMore{node.Value}
		return nil
	}
	return node.Decode((*[]string)(o))
}

// wholeNumber does not let YAML cut 1.5 down to 1.
type wholeNumber int

// UnmarshalYAML takes integers only.
func (n *wholeNumber) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!int" {
		text := fmt.Sprintf("line %d: cannot unmarshal %s `%s` into int", node.Line, node.ShortTag(), node.Value)
		return &yaml.TypeError{Errors: []string{text}}
	}
	return node.Decode((*int)(n))
}

// loadSettings reads the settings file, or takes the defaults where the
// default one is not there. Every mistake is reported, each with its line.
func loadSettings(path string, given bool, judge trust.Judge) (settings, error) {
	text, err := judge.Read(path, settingsLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !given:
		return settings{stateDir: defaultStateDir, verify: verify.Defaults()}, nil
	case errors.Is(err, trust.ErrUnsafe):
		return settings{}, &hinted{fmt.Errorf("cannot trust the settings: %w", err), trust.Mend(err)}
	case err != nil:
		return settings{}, &hinted{fmt.Errorf("cannot read the settings: %w", err), "name another file with `--config FILE`"}
	}
	return parseSettings(path, text)
}

func parseSettings(path string, text []byte) (settings, error) {
	var root yaml.Node
	var written settingsYAML
	problems := decodeStrictly(text, &root, &written)
	c := &checker{root: &root}
	if len(problems) == 0 {
		s := c.settings(written)
		if problems = c.sorted(); len(problems) == 0 {
			return s, nil
		}
	}
	return settings{}, &hinted{mistakesIn(path, problems), "mend the lines above; the README shows every setting"}
}

// mistakes is an error of several lines.
type mistakes []string

func (m mistakes) Error() string { return strings.Join(m, "\n") }

func mistakesIn(path string, problems []problem) mistakes {
	var lines mistakes
	begin := "cannot read the settings: "
	for _, p := range problems {
		lines = append(lines, fmt.Sprintf("%s%s:%d: %s", begin, path, p.line, p.text))
		begin = "  "
	}
	return lines
}

// decodeStrictly reads one document; a field that nobody knows is a mistake.
func decodeStrictly(text []byte, root *yaml.Node, into *settingsYAML) []problem {
	if err := yaml.Unmarshal(text, root); err != nil {
		return yamlProblems(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return yamlProblems(err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return []problem{{max(second.Line, 1), "the settings are one YAML document; a second one begins here"}}
	}
	return nil
}

// site picks the site that a command is about.
func (s settings) site(name string) (switcher.Site, error) {
	var names []string
	for _, site := range s.sites {
		if site.Name == name || name == "" && len(s.sites) == 1 {
			return site, nil
		}
		names = append(names, site.Name)
	}
	hint := "the settings hold " + strings.Join(names, ", ")
	if len(names) == 0 {
		hint = "the settings hold no site"
	}
	if name == "" {
		return switcher.Site{}, usage(hint, "the settings hold %d sites: say which with --site NAME", len(s.sites))
	}
	return switcher.Site{}, usage(hint, "there is no site %q", name)
}

// chosen are all sites, or the one that is named.
func (s settings) chosen(name string) ([]switcher.Site, error) {
	if name == "" {
		return s.sites, nil
	}
	site, err := s.site(name)
	return []switcher.Site{site}, err
}

// siteOfFile names a site that no settings name after its file.
func siteOfFile(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), ".conf")
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, name)
	return "file_" + clean[:min(len(clean), 50)]
}
