#include "mesh/resources.h"

#include <filesystem>

#include "util/file.h"
#include "value/yaml.h"

namespace fairlead::mesh {
namespace fs = std::filesystem;

void Resources::Set(const std::string& name, chart::Chart chart) {
  known[name] = KnownValuesOf(chart, name);
  charts[name] = std::move(chart);
}

Status LoadCharts(const chart::Files& files, Resources& into) {
  for (const std::string name : kCharts) {
    std::string directory = (name == "cni" ? "istio-cni" : name) + "/";
    chart::Files own;
    for (const auto& [path, text] : files)
      if (path.starts_with(directory)) own[path.substr(directory.size())] = text;
    FL_ASSIGN(chart::Chart chart, chart::LoadFiles(own));
    into.Set(name, std::move(chart));
  }
  return {};
}

Result<std::shared_ptr<const Resources>> ResourceSet::For(const Version& version) const {
  std::error_code ec;
  if (directory_.empty()) return builtin_;
  fs::path root = fs::path(directory_) / version.name;
  fs::path vendor = fs::path(directory_) / "vendor_defaults.yaml";
  bool has_vendor = fs::exists(vendor, ec);
  if (!has_vendor && !fs::is_directory(root, ec)) return builtin_;
  auto out = std::make_shared<Resources>(*builtin_);
  for (const char* name : kCharts)
    if (fs::path path = root / "charts" / name; fs::exists(path, ec)) {
      FL_ASSIGN(chart::Chart chart, chart::Load(path.string()));
      out->Set(name, std::move(chart));
    }
  if (fs::path profiles = root / "profiles"; fs::is_directory(profiles, ec)) {
    out->profiles.clear();
    for (const auto& entry : fs::directory_iterator(profiles, ec)) {
      if (entry.path().extension() != ".yaml") continue;
      FL_ASSIGN(out->profiles[entry.path().filename().string()], ReadFile(entry.path().string(), 1 << 20));
    }
  }
  if (has_vendor) {
    FL_ASSIGN(std::string text, ReadFile(vendor.string(), 1 << 20));
    FL_ASSIGN(Json all, value::ParseYaml(text, vendor.string()));
    out->vendor_defaults = value::At(all, version.name);
  }
  return std::shared_ptr<const Resources>(std::move(out));
}

}  // namespace fairlead::mesh
