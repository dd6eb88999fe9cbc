// Where Helm 4 answers the cases otherwise than Helm 3: recorded/helm4.json. Run it again with: go run . ..
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"fairlead.dev/tests/helm/cases"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/strvals"
)

func render(ch *chart.Chart, o cases.Options) cases.Answer {
	v, err := o.Merged(strvals.ParseJSON, strvals.ParseInto, strvals.ParseIntoString)
	if err != nil {
		return cases.Answer{Error: err.Error()}
	}
	configuration := action.NewConfiguration()
	configuration.SetLogger(slog.NewTextHandler(io.Discard, nil))
	install := action.NewInstall(configuration)
	install.DryRunStrategy, install.Replace = action.DryRunClient, true
	install.ReleaseName, install.Namespace = "release-name", "default"
	if o.Name != "" {
		install.ReleaseName = o.Name
	}
	if o.Namespace != "" {
		install.Namespace = o.Namespace
	}
	install.IsUpgrade, install.IncludeCRDs = o.IsUpgrade, o.IncludeCRDs
	install.APIVersions = common.VersionSet(o.APIVersions)
	version := o.KubeVersion
	if version == "" {
		version = "v1.34.0"
	}
	if install.KubeVersion, err = common.ParseKubeVersion(version); err != nil {
		return cases.Answer{Error: err.Error()}
	}
	made, err := install.Run(ch, v)
	if err != nil {
		return cases.Answer{Error: err.Error()}
	}
	release := made.(*release.Release)
	out := strings.TrimSpace(release.Manifest) + "\n"
	for _, h := range release.Hooks {
		out += fmt.Sprintf("---\n# Source: %s\n%s\n", h.Path, h.Manifest)
	}
	return cases.Answer{Output: out, Notes: release.Info.Notes}
}

// Helm 4 panics over some values.
func evaluate(c cases.Case) (a cases.Answer) {
	defer func() {
		if r := recover(); r != nil {
			a = cases.Answer{Error: fmt.Sprint("panic: ", r)}
		}
	}()
	var files []*archive.BufferedFile
	for _, f := range c.Files {
		files = append(files, &archive.BufferedFile{Name: f.Name, Data: f.Data})
	}
	ch, err := loader.LoadFiles(files)
	if err != nil {
		return cases.Answer{Error: err.Error()}
	}
	return render(ch, c.Options)
}

// Helm 4 leaves a blank line between documents.
func withoutBlankLines(text string) string {
	return strings.ReplaceAll(text, "\n\n---\n# Source", "\n---\n# Source")
}

func run(directory string) error {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	families, err := cases.Evaluate(directory, evaluate)
	if err != nil {
		return err
	}
	different := map[string]map[string]cases.Answer{}
	for name, answers := range families {
		text, err := os.ReadFile(filepath.Join(directory, "recorded", name+".json"))
		if err != nil {
			return err
		}
		var helm3 map[string]cases.Answer
		if err := json.Unmarshal(text, &helm3); err != nil {
			return err
		}
		for c, answer := range answers {
			was := helm3[c]
			was.Output, answer.Output = withoutBlankLines(was.Output), withoutBlankLines(answer.Output)
			if answer == was {
				continue
			}
			if different[name] == nil {
				different[name] = map[string]cases.Answer{}
			}
			different[name][c] = answer
		}
	}
	return cases.Write(directory, "helm4", different)
}

func main() { cases.Main(run) }
