#include "cmd/render_chart.h"

#include <fnmatch.h>

#include "chart/set_values.h"
#include "util/file.h"
#include "util/strings.h"
#include "value/merge.h"
#include "value/yaml.h"

namespace fairlead::cmd {
namespace {

Result<std::string> ReadInput(const std::string& path) { return ReadFile(path == "-" ? "/dev/stdin" : path, 4 << 20); }

// Of Helm's kinds of settings the files come first; a null stays, for it takes a default of the chart away.
void Merge(Json& base, const Json& over) {
  for (const auto& [key, v] : over.items()) {
    if (v.is_object() && value::Member(base, key).is_object())
      Merge(base[key], v);
    else
      base[key] = v;
  }
}

Result<Json> UserValues(const RenderOptions& o) {
  Json values = Json::object();
  for (const std::string& file : o.value_files) {
    FL_ASSIGN(std::string text, ReadInput(file));
    FL_ASSIGN(Json more, value::ParseYaml(text, "failed to parse " + file + ": error converting YAML to JSON: yaml"));
    if (more.is_null()) continue;
    if (!more.is_object()) return MakeError(Code::kInvalid, file + ": expected a mapping at the top");
    Merge(values, value::WithFloatNumbers(more));
  }
  auto apply = [&](const std::vector<std::string>& settings, chart::SetKind kind, const char* flag) -> Status {
    for (const std::string& s : settings)
      if (Status set = chart::SetValues(values, s, kind); !set.ok())
        return set.error().Wrap(std::string("failed parsing ") + flag + " data");
    return {};
  };
  for (const std::string& s : o.json_sets) {
    if (!Trim(s).starts_with('{')) {
      FL_TRY(apply({s}, chart::SetKind::kJson, "--set-json"));
      continue;
    }
    FL_ASSIGN(Json more, value::ParseJson(s, "failed parsing --set-json data JSON"));
    Merge(values, value::WithFloatNumbers(more));
  }
  FL_TRY(apply(o.sets, chart::SetKind::kTyped, "--set"));
  FL_TRY(apply(o.string_sets, chart::SetKind::kString, "--set-string"));
  return values;
}

bool IsShown(const chart::Manifest& m, const std::vector<std::string>& only) {
  std::string path = m.path.substr(m.path.find('/') + 1);
  return only.empty() || std::any_of(only.begin(), only.end(), [&](const std::string& f) {
           return fnmatch(f.c_str(), path.c_str(), FNM_PATHNAME) == 0;
         });
}

}  // namespace

Result<chart::Rendered> Render(const RenderOptions& o) {
  FL_ASSIGN(chart::Chart chart, chart::Load(o.chart));
  if (chart.is_library()) return MakeError(Code::kInvalid, "library charts are not installable");
  FL_ASSIGN(Json values, UserValues(o));
  FL_ASSIGN(std::string kube_version, chart::ParseKubeVersion(o.kube_version));
  chart::Release release{.name = o.name, .ns = o.ns, .is_upgrade = o.is_upgrade, .kube_version = kube_version};
  release.api_versions.insert(release.api_versions.end(), o.api_versions.begin(), o.api_versions.end());
  return chart::RenderChart(std::move(chart), values, release);
}

Result<std::string> RenderedText(const RenderOptions& o) {
  FL_ASSIGN(chart::Rendered rendered, Render(o));
  std::string out;
  bool any = false;
  auto show = [&](const chart::Manifest& m) {
    if (!IsShown(m, o.only)) return;
    any = true;
    out += o.json ? value::Dump(m.object) + "\n" : "---\n# Source: " + m.path + "\n" + m.text + "\n";
  };
  if (o.include_crds)
    for (const auto& [path, text] : rendered.crds) {
      FL_ASSIGN(Json object, value::ParseYaml(text, path));
      show({path, text, std::move(object)});
    }
  for (const chart::Manifest& m : rendered.objects) show(m);
  if (!o.no_hooks)
    for (const chart::Hook& h : rendered.hooks) show(h);
  if (!o.only.empty() && !any)
    return MakeError(Code::kNotFound, "could not find template " + Join(o.only, ", ") + " in chart");
  return out;
}

}  // namespace fairlead::cmd
