// What Helm makes of the cases: reads *.cases from the directory given and writes recorded/FAMILY.json, one answer a case.
// Run it again with: go run ./oracle .
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
)

type answer struct {
	Output string `json:"output,omitempty"`
	Notes  string `json:"notes,omitempty"`
	Error  string `json:"error,omitempty"`
}

type options struct {
	Values      map[string]any `json:"values"`
	Set         []string       `json:"set"`
	SetString   []string       `json:"setString"`
	SetJSON     []string       `json:"setJson"`
	Name        string         `json:"name"`
	Namespace   string         `json:"namespace"`
	IsUpgrade   bool           `json:"isUpgrade"`
	IncludeCRDs bool           `json:"includeCrds"`
	APIVersions []string       `json:"apiVersions"`
	KubeVersion string         `json:"kubeVersion"`
}

type testCase struct {
	name    string
	options options
	files   []*loader.BufferedFile
}

// A case is a line "== NAME", a line of options as JSON, and files, each after a line "-- PATH --". Text without such a line
// is templates/t.yaml, and a chart without a Chart.yaml is called c.
func read(path string) ([]testCase, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var cases []testCase
	for _, block := range strings.Split("\n"+string(content), "\n== ")[1:] {
		lines := strings.SplitN(block, "\n", 3)
		if len(lines) < 2 {
			return nil, fmt.Errorf("%s: case %q has no options", path, lines[0])
		}
		c := testCase{name: lines[0]}
		if err := json.Unmarshal([]byte(lines[1]), &c.options); err != nil {
			return nil, fmt.Errorf("%s: case %q: %w", path, c.name, err)
		}
		text := ""
		if len(lines) == 3 {
			text = lines[2]
		}
		if !strings.HasPrefix(text, "-- ") {
			text = "-- templates/t.yaml --\n" + text
		}
		named := false
		for _, part := range strings.Split("\n"+text, "\n-- ")[1:] {
			head, body, _ := strings.Cut(part, "\n")
			name := strings.TrimSuffix(head, " --")
			named = named || name == "Chart.yaml"
			if body != "" && !strings.HasSuffix(body, "\n") {
				body += "\n"
			}
			c.files = append(c.files, &loader.BufferedFile{Name: name, Data: []byte(body)})
		}
		if !named {
			c.files = append(c.files, &loader.BufferedFile{Name: "Chart.yaml", Data: []byte("apiVersion: v2\nname: c\nversion: 0.1.0\n")})
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func values(o options) (map[string]any, error) {
	v := o.Values
	if v == nil {
		v = map[string]any{}
	}
	for _, s := range o.SetJSON {
		if err := strvals.ParseJSON(s, v); err != nil {
			return nil, err
		}
	}
	for _, s := range o.Set {
		if err := strvals.ParseInto(s, v); err != nil {
			return nil, err
		}
	}
	for _, s := range o.SetString {
		if err := strvals.ParseIntoString(s, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func render(ch *chart.Chart, o options) answer {
	v, err := values(o)
	if err != nil {
		return answer{Error: err.Error()}
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ClientOnly, install.DryRun, install.Replace = true, true, true
	install.ReleaseName, install.Namespace = "release-name", "default"
	if o.Name != "" {
		install.ReleaseName = o.Name
	}
	if o.Namespace != "" {
		install.Namespace = o.Namespace
	}
	install.IsUpgrade, install.IncludeCRDs = o.IsUpgrade, o.IncludeCRDs
	install.APIVersions = chartutil.VersionSet(o.APIVersions)
	version := o.KubeVersion
	if version == "" {
		version = "v1.34.0"
	}
	if install.KubeVersion, err = chartutil.ParseKubeVersion(version); err != nil {
		return answer{Error: err.Error()}
	}
	release, err := install.Run(ch, v)
	if err != nil {
		return answer{Error: err.Error()}
	}
	out := strings.TrimSpace(release.Manifest) + "\n"
	for _, h := range release.Hooks {
		out += fmt.Sprintf("---\n# Source: %s\n%s\n", h.Path, h.Manifest)
	}
	return answer{Output: out, Notes: release.Info.Notes}
}

func evaluate(c testCase) answer {
	ch, err := loader.LoadFiles(c.files)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return render(ch, c.options)
}

func run(directory string) error {
	log.SetOutput(io.Discard)
	families, err := filepath.Glob(filepath.Join(directory, "*.cases"))
	if err != nil {
		return err
	}
	for _, file := range families {
		cases, err := read(file)
		if err != nil {
			return err
		}
		answers := map[string]answer{}
		for _, c := range cases {
			if _, twice := answers[c.name]; twice {
				return fmt.Errorf("%s: two cases are called %q", file, c.name)
			}
			answers[c.name] = evaluate(c)
		}
		text, err := json.MarshalIndent(answers, "", " ")
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".cases") + ".json"
		if err := os.WriteFile(filepath.Join(directory, "recorded", name), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: oracle DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
