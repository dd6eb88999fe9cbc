// What Go's own text/template, with sprig for the families that are called so, makes of the cases: reads FAMILY.cases from the
// directory given and writes recorded/FAMILY.json, one answer a case. Run it again with: go run ./oracle .
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

type answer struct {
	Output string `json:"output,omitempty"`
	Error  string `json:"error,omitempty"`
}

// A case is a line "== NAME", a line with the data as JSON, and the template.
type testCase struct {
	name, data, text string
}

func read(path string) ([]testCase, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var cases []testCase
	for _, block := range strings.Split("\n"+string(content), "\n== ")[1:] {
		lines := strings.SplitN(block, "\n", 3)
		if len(lines) < 2 {
			return nil, fmt.Errorf("%s: case %q has no data", path, lines[0])
		}
		c := testCase{name: lines[0], data: lines[1]}
		if len(lines) == 3 {
			c.text = strings.TrimSuffix(lines[2], "\n")
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func evaluate(c testCase, functions template.FuncMap) answer {
	var data any
	if err := json.Unmarshal([]byte(c.data), &data); err != nil {
		return answer{Error: "the case's data: " + err.Error()}
	}
	t, err := template.New("main").Funcs(functions).Option("missingkey=zero").Parse(c.text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Output: out.String()}
}

func run(directory string) error {
	files, err := filepath.Glob(filepath.Join(directory, "*.cases"))
	if err != nil {
		return err
	}
	for _, file := range files {
		cases, err := read(file)
		if err != nil {
			return err
		}
		functions := template.FuncMap{}
		if strings.HasPrefix(filepath.Base(file), "sprig") {
			functions = sprig.TxtFuncMap()
		}
		answers := map[string]answer{}
		for _, c := range cases {
			if _, twice := answers[c.name]; twice {
				return fmt.Errorf("%s: two cases are called %q", file, c.name)
			}
			answers[c.name] = evaluate(c, functions)
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
