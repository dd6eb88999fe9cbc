#include <filesystem>

#include "chart/chart.h"
#include "util/file.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxChartBytes = 20u << 20;

std::string Scalar(const Json& j) { return j.is_string() ? j.get<std::string>() : j.is_null() ? "" : value::Dump(j); }

}  // namespace

Result<Chart> LoadFiles(const std::map<std::string, std::string>& files) {
  Chart chart;
  auto meta = files.find("Chart.yaml");
  if (meta == files.end()) return MakeError(Code::kInvalid, "Chart.yaml file is missing");
  FL_ASSIGN(chart.metadata, value::ParseYaml(meta->second, "Chart.yaml"));
  chart.name = value::Str(chart.metadata, "name");
  chart.version = Scalar(value::At(chart.metadata, "version"));
  chart.app_version = Scalar(value::At(chart.metadata, "appVersion"));
  if (chart.name.empty() || chart.version.empty())
    return MakeError(Code::kInvalid, "Chart.yaml: name and version are required");
  if (!value::IsEmpty(value::At(chart.metadata, "dependencies")))
    return MakeError(Code::kUnsupported,
                     "Chart.yaml: chart " + chart.name + " has dependencies; subcharts are not supported yet");
  chart.values = Json::object();
  for (const auto& [path, text] : files) {
    if (path.starts_with("templates/")) {
      chart.templates[path] = text;
    } else if (path == "values.yaml") {
      FL_ASSIGN(chart.values, value::ParseYaml(text, "values.yaml"));
      if (chart.values.is_null()) chart.values = Json::object();
      if (!chart.values.is_object()) return MakeError(Code::kInvalid, "values.yaml: expected a mapping at the top");
    } else if (path != "Chart.yaml" && path != "Chart.lock" && path != "values.schema.json" &&
               !path.starts_with("charts/")) {
      chart.files[path] = text;
    }
  }
  return chart;
}

Result<Chart> LoadDirectory(const std::string& path) {
  std::error_code ec;
  fs::path root = fs::canonical(path, ec);
  if (ec) return ErrnoError("loading chart " + path, ec.value());
  std::map<std::string, std::string> files;
  size_t total = 0;
  for (fs::recursive_directory_iterator it(root, ec), end; !ec && it != end; it.increment(ec)) {
    if (it->is_directory()) continue;
    fs::path real = fs::canonical(it->path(), ec);
    std::string relative = fs::relative(it->path(), root).generic_string();
    if (ec || !real.string().starts_with(root.string() + "/"))
      return MakeError(Code::kInvalid,
                       "loading chart " + path + ": " + relative + " is a link that leads out of the chart");
    FL_ASSIGN(std::string text, ReadFile(real.string(), kMaxChartBytes));
    total += text.size();
    if (total > kMaxChartBytes)
      return MakeError(Code::kInvalid,
                       "loading chart " + path + ": larger than " + std::to_string(kMaxChartBytes) + " bytes");
    files[relative] = std::move(text);
  }
  if (ec) return ErrnoError("loading chart " + path, ec.value());
  auto chart = LoadFiles(files);
  if (!chart.ok()) return chart.error().Wrap("loading chart " + path);
  return chart;
}

}  // namespace fairlead::chart
