// Package cases reads the cases of this directory and hands them to a Helm.
package cases

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// What a Helm makes of a case.
type Answer struct {
	Output string `json:"output,omitempty"`
	Notes  string `json:"notes,omitempty"`
	Error  string `json:"error,omitempty"`
}

type Options struct {
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

type File struct {
	Name string
	Data []byte
}

type Case struct {
	Name    string
	Options Options
	Files   []File
}

// A case is a line "== NAME", a line of options as JSON, and files, each after a line "-- PATH --". Text without such a line
// is templates/t.yaml, and a chart without a Chart.yaml is called c.
func read(path string) ([]Case, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, block := range strings.Split("\n"+string(content), "\n== ")[1:] {
		lines := strings.SplitN(block, "\n", 3)
		if len(lines) < 2 {
			return nil, fmt.Errorf("%s: case %q has no options", path, lines[0])
		}
		c := Case{Name: lines[0]}
		if err := json.Unmarshal([]byte(lines[1]), &c.Options); err != nil {
			return nil, fmt.Errorf("%s: case %q: %w", path, c.Name, err)
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
			c.Files = append(c.Files, File{Name: name, Data: []byte(body)})
		}
		if !named {
			c.Files = append(c.Files, File{Name: "Chart.yaml", Data: []byte("apiVersion: v2\nname: c\nversion: 0.1.0\n")})
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// Setter is a function of a Helm's strvals.
type Setter func(string, map[string]any) error

// Merged returns the values with the settings laid over them, in Helm's order.
func (o Options) Merged(setJSON, set, setString Setter) (map[string]any, error) {
	v := o.Values
	if v == nil {
		v = map[string]any{}
	}
	for _, kind := range []struct {
		settings []string
		apply    Setter
	}{{o.SetJSON, setJSON}, {o.Set, set}, {o.SetString, setString}} {
		for _, s := range kind.settings {
			if err := kind.apply(s, v); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// Main runs an oracle over the directory that its argument names.
func Main(run func(directory string) error) {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: oracle DIRECTORY")
		os.Exit(2)
	}
	log.SetOutput(io.Discard)
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// More cases that fail with the same words test one thing, or nothing.
const maxAlike = 5

// Evaluate gives every case of every family in the directory to a Helm: the answers by family and case.
func Evaluate(directory string, helm func(Case) Answer) (map[string]map[string]Answer, error) {
	files, err := filepath.Glob(filepath.Join(directory, "*.cases"))
	if err != nil {
		return nil, err
	}
	families := map[string]map[string]Answer{}
	for _, file := range files {
		cases, err := read(file)
		if err != nil {
			return nil, err
		}
		answers, alike := map[string]Answer{}, map[string]int{}
		for _, c := range cases {
			if _, twice := answers[c.Name]; twice {
				return nil, fmt.Errorf("%s: two cases are called %q", file, c.Name)
			}
			answer := helm(c)
			if alike[answer.Error]++; answer.Error != "" && alike[answer.Error] > maxAlike {
				return nil, fmt.Errorf("%s: case %q and %d others fail alike: %s", file, c.Name, maxAlike, answer.Error)
			}
			answers[c.Name] = answer
		}
		families[strings.TrimSuffix(filepath.Base(file), ".cases")] = answers
	}
	return families, nil
}

// Write puts answers into DIRECTORY/recorded/NAME.json.
func Write(directory, name string, answers any) error {
	text, err := json.MarshalIndent(answers, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, "recorded", name+".json"), append(text, '\n'), 0o644)
}
