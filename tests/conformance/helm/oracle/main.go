// What Helm 3 makes of the cases: one answer a case in recorded/FAMILY.json. Run it again with: go run ./oracle .
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"fairlead.dev/tests/helm/cases"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
)

func values(o cases.Options) (map[string]any, error) {
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

func render(ch *chart.Chart, o cases.Options) cases.Answer {
	v, err := values(o)
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
	log.SetOutput(io.Discard)
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
