// What templates see as `.`: .Values, .Chart, .Release, .Capabilities, .Files, .Subcharts.
// Source of the behaviour: helm.sh/helm v3.19 pkg/engine, pkg/chartutil.
#pragma once
#include "chart/render.h"
#include "gotmpl/value.h"

namespace fairlead::chart {

// A template file and the context that it is executed with. All files of one chart share a context, and what one of
// them sets the next one sees; a subchart's values are a part of its parent's.
struct TemplateFile {
  std::string path;  // parent/charts/child/templates/x.yaml
  std::string text;
  std::string base_path;
  gotmpl::Value context;
};

// The files of the chart and of its subcharts, in the order in which they are parsed and executed: deeper paths first,
// then from z to a. `values` are coalesced.
std::vector<TemplateFile> TemplateFiles(const Chart& chart, const Json& values, const Release& release);

}  // namespace fairlead::chart
