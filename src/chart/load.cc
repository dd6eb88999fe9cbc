#include <filesystem>

#include "chart/archive.h"
#include "chart/chart.h"
#include "chart/ignore.h"
#include "chart/metadata.h"
#include "util/file.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace fs = std::filesystem;

namespace {

Result<Chart> LoadNested(const Files& files, int depth);

// The charts under charts/: a directory or a .tgz each.
Status LoadCharts(const Files& files, Chart& chart, int depth) {
  std::map<std::string, Files> nested;
  for (const auto& [path, text] : files) {
    if (!path.starts_with("charts/") || path.ends_with(".prov")) continue;
    std::string rest = path.substr(7), name = rest.substr(0, rest.find('/'));
    if (name.starts_with('_') || name.starts_with('.')) continue;
    if (name.ends_with(".tgz"))
      nested[name][name] = text;
    else if (Files& content = nested[name]; rest.size() > name.size())  // a file beside the charts is one without files
      content[rest.substr(name.size() + 1)] = text;
  }
  for (auto& [name, content] : nested) {
    Result<Chart> sub = MakeError(Code::kInvalid, "");
    if (name.ends_with(".tgz")) {
      auto unpacked = ReadArchive(content.begin()->second);
      sub = unpacked.ok() ? LoadNested(*unpacked, depth + 1) : Result<Chart>(unpacked.error());
    } else {
      sub = LoadNested(content, depth + 1);
    }
    if (!sub.ok()) return sub.error().Wrap("error unpacking subchart " + name + " in " + chart.name);
    chart.charts.push_back(std::move(*sub));
  }
  return {};
}

Result<Chart> LoadNested(const Files& files, int depth) {
  if (depth > 10) return MakeError(Code::kInvalid, "charts are nested more than 10 deep");
  Chart chart;
  auto meta = files.find("Chart.yaml");
  if (meta == files.end()) return MakeError(Code::kInvalid, "Chart.yaml file is missing");
  FL_TRY(ReadMetadata(meta->second, chart));
  for (const auto& [path, text] : files) {
    if (path.starts_with("templates/")) {
      chart.templates[path] = text;
    } else if (path == "values.yaml") {
      auto values = value::ParseYaml(text, "cannot load values.yaml: error converting YAML to JSON: yaml");
      if (!values.ok()) return values.error();
      if (!values->is_null() && !values->is_object())
        return MakeError(
            Code::kInvalid,
            std::string(
                "cannot load values.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ") +
                value::TypeName(*values) + " into Go value of type map[string]interface {}");
      if (values->is_object()) chart.values = value::WithFloatNumbers(*values);
    } else if (path == "values.schema.json") {
      chart.schema = text;
    } else if (path != "Chart.yaml" && path != "Chart.lock" &&
               (!path.starts_with("charts/") || path.ends_with(".prov"))) {
      chart.files[path] = text;
    }
  }
  FL_TRY(LoadCharts(files, chart, depth));
  return chart;
}

}  // namespace

bool Chart::is_library() const { return EqualFold(value::Str(metadata, "type"), "library"); }

Result<Chart> LoadFiles(const Files& files) { return LoadNested(files, 0); }

Result<Chart> LoadArchive(const std::string& bytes) {
  FL_ASSIGN(Files files, ReadArchive(bytes));
  return LoadFiles(files);
}

Result<Chart> LoadDirectory(const std::string& path) {
  std::error_code ec;
  fs::path root = fs::canonical(path, ec);
  if (ec) return ErrnoError("loading chart " + path, ec.value());
  auto ignored = fs::exists(root / ".helmignore", ec) ? ReadFile((root / ".helmignore").string(), 1 << 20)
                                                      : Result<std::string>("");
  if (!ignored.ok()) return ignored.error();
  FL_ASSIGN(IgnoreRules rules, IgnoreRules::Parse(*ignored));
  Files files;
  size_t total = 0;
  for (fs::recursive_directory_iterator it(root, fs::directory_options::follow_directory_symlink, ec), end;
       !ec && it != end; it.increment(ec)) {
    std::string relative = it->path().lexically_relative(root).generic_string();
    std::string real = fs::canonical(it->path(), ec).string();
    if (ec || !real.starts_with(root.string() + "/"))
      return MakeError(Code::kInvalid,
                       "loading chart " + path + ": " + relative + " is a link that leads out of the chart");
    bool directory = it->is_directory();
    if (rules.Ignores(relative, directory)) {
      if (directory) it.disable_recursion_pending();
      continue;
    }
    if (directory) {
      if (it.depth() > 50)
        return MakeError(Code::kInvalid, "loading chart " + path + ": " + relative + " is nested too deep");
      continue;
    }
    if (!it->is_regular_file())
      return MakeError(Code::kInvalid, "cannot load irregular file " + relative + " as it has file mode type bits set");
    auto text = ReadFile(real, kMaxFileBytes);
    if (!text.ok()) return text.error().Wrap("loading chart " + path);
    total += text->size();
    if (total > kMaxChartBytes)
      return MakeError(Code::kInvalid,
                       "loading chart " + path + ": larger than " + std::to_string(kMaxChartBytes) + " bytes");
    if (text->starts_with("\xef\xbb\xbf")) text->erase(0, 3);
    files[relative] = std::move(*text);
  }
  if (ec) return ErrnoError("loading chart " + path, ec.value());
  auto chart = LoadFiles(files);
  if (!chart.ok()) return chart.error().Wrap("loading chart " + path);
  return chart;
}

Result<Chart> Load(const std::string& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return LoadDirectory(path);
  FL_ASSIGN(std::string bytes, ReadFile(path, kMaxChartBytes));
  if (!bytes.starts_with("\x1f\x8b"))
    return MakeError(Code::kInvalid, path.ends_with(".yaml") || path.ends_with(".yml")
                                         ? "file '" + path + "' seems to be a YAML file, but expected a gzipped archive"
                                         : "file '" + path + "' does not appear to be a gzipped archive");
  auto chart = LoadArchive(bytes);
  if (!chart.ok()) return chart.error().Wrap("loading chart " + path);
  return chart;
}

}  // namespace fairlead::chart
