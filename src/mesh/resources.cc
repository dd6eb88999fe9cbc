#include "mesh/resources.h"

#include <filesystem>

#include "util/file.h"

namespace fairlead::mesh {
namespace fs = std::filesystem;

Result<Resources> ResourceSet::For(const Version& version) const {
  Resources out = builtin_;
  if (directory_.empty()) return out;
  fs::path root = fs::path(directory_) / version.name;
  std::error_code ec;
  if (fs::path chart = root / "charts" / "cni"; fs::exists(chart, ec)) {
    FL_ASSIGN(out.chart, chart::Load(chart.string()));
  }
  if (fs::path profiles = root / "profiles"; fs::is_directory(profiles, ec)) {
    out.profiles.clear();
    for (const auto& entry : fs::directory_iterator(profiles, ec)) {
      if (entry.path().extension() != ".yaml") continue;
      FL_ASSIGN(out.profiles[entry.path().filename().string()], ReadFile(entry.path().string(), 1 << 20));
    }
  }
  return out;
}

}  // namespace fairlead::mesh
