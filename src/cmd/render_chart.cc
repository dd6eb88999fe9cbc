#include "cmd/render_chart.h"

#include "chart/chart.h"
#include "util/file.h"
#include "util/strings.h"
#include "value/merge.h"
#include "value/yaml.h"

namespace fairlead::cmd {
namespace {

Result<std::string> ReadInput(const std::string& path) { return ReadFile(path == "-" ? "/dev/stdin" : path, 4 << 20); }

Json Typed(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  if (text == "null") return nullptr;
  bool number = !text.empty() && (text == "0" || text[0] != '0');
  if (auto n = ParseInt(text); number && n.ok()) return *n;
  return text;
}

Status Set(Json& values, const std::string& settings) {
  for (const std::string& setting : Split(settings, ',')) {
    size_t eq = setting.find('=');
    if (eq == setting.npos || eq == 0 || setting.find_first_of("{}[]\\") != setting.npos)
      return MakeError(Code::kInvalid,
                       "--set: \"" + setting + "\" is not of the form a.b=value; lists go in a file (-f)");
    Json* at = &values;
    for (const std::string& key : Split(setting.substr(0, eq), '.')) {
      if (!at->is_object()) *at = Json::object();
      at = &(*at)[key];
    }
    *at = Typed(setting.substr(eq + 1));
  }
  return {};
}

}  // namespace

Result<std::string> RenderChart(const RenderOptions& o) {
  FL_ASSIGN(chart::Chart chart, chart::LoadDirectory(o.chart));
  Json values = Json::object();
  for (const std::string& file : o.value_files) {
    FL_ASSIGN(std::string text, ReadInput(file));
    FL_ASSIGN(Json more, value::ParseYaml(text, file));
    if (more.is_null()) continue;
    if (!more.is_object()) return MakeError(Code::kInvalid, file + ": expected a mapping at the top");
    value::MergeValues(values, more);
  }
  for (const std::string& set : o.sets) FL_TRY(Set(values, set));
  FL_ASSIGN(auto objects, chart::Render(chart, values, {.name = o.name, .ns = o.ns, .kube_version = o.kube_version}));
  std::string out;
  if (o.include_crds)
    for (const auto& [path, text] : chart.files)
      if (path.starts_with("crds/")) out += "---\n" + text + (text.ends_with('\n') ? "" : "\n");
  for (const Json& object : objects) out += o.json ? value::Dump(object) + "\n" : "---\n" + value::ToYaml(object);
  return out;
}

}  // namespace fairlead::cmd
