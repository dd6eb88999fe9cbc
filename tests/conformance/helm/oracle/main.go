// What Helm 3 makes of the cases: one answer a case in recorded/FAMILY.json. Run it again with: go run ./oracle .
package main

import (
	"fmt"
	"strings"

	"fairlead.dev/tests/helm/cases"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
)

func render(ch *chart.Chart, o cases.Options) cases.Answer {
	v, err := o.Merged(strvals.ParseJSON, strvals.ParseInto, strvals.ParseIntoString)
	if err != nil {
		return cases.Answer{Error: err.Error()}
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
		return cases.Answer{Error: err.Error()}
	}
	release, err := install.Run(ch, v)
	if err != nil {
		return cases.Answer{Error: err.Error()}
	}
	out := strings.TrimSpace(release.Manifest) + "\n"
	for _, h := range release.Hooks {
		out += fmt.Sprintf("---\n# Source: %s\n%s\n", h.Path, h.Manifest)
	}
	return cases.Answer{Output: out, Notes: release.Info.Notes}
}

func evaluate(c cases.Case) cases.Answer {
	var files []*loader.BufferedFile
	for _, f := range c.Files {
		files = append(files, &loader.BufferedFile{Name: f.Name, Data: f.Data})
	}
	ch, err := loader.LoadFiles(files)
	if err != nil {
		return cases.Answer{Error: err.Error()}
	}
	return render(ch, c.Options)
}

func run(directory string) error {
	families, err := cases.Evaluate(directory, evaluate)
	if err != nil {
		return err
	}
	for name, answers := range families {
		if err := cases.Write(directory, name, answers); err != nil {
			return err
		}
	}
	return nil
}

func main() { cases.Main(run) }
