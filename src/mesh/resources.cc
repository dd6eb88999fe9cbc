#include "mesh/resources.h"

#include <filesystem>

#include "util/file.h"

namespace fairlead::mesh {
namespace fs = std::filesystem;

Result<std::map<std::string, chart::Chart>> LoadCharts(const chart::Files& files) {
  std::map<std::string, chart::Chart> charts;
  for (const std::string name : kCharts) {
    std::string directory = (name == "cni" ? "istio-cni" : name) + "/";
    chart::Files own;
    for (const auto& [path, text] : files)
      if (path.starts_with(directory)) own[path.substr(directory.size())] = text;
    FL_ASSIGN(charts[name], chart::LoadFiles(own));
  }
  return charts;
}

Result<std::shared_ptr<const Resources>> ResourceSet::For(const Version& version) const {
  std::error_code ec;
  fs::path root = fs::path(directory_) / version.name;
  if (directory_.empty() || !fs::is_directory(root, ec)) return builtin_;
  auto out = std::make_shared<Resources>(*builtin_);
  for (const char* name : kCharts)
    if (fs::path path = root / "charts" / name; fs::exists(path, ec)) {
      FL_ASSIGN(out->charts[name], chart::Load(path.string()));
    }
  if (fs::path profiles = root / "profiles"; fs::is_directory(profiles, ec)) {
    out->profiles.clear();
    for (const auto& entry : fs::directory_iterator(profiles, ec)) {
      if (entry.path().extension() != ".yaml") continue;
      FL_ASSIGN(out->profiles[entry.path().filename().string()], ReadFile(entry.path().string(), 1 << 20));
    }
  }
  return std::shared_ptr<const Resources>(std::move(out));
}

}  // namespace fairlead::mesh
