#include "mesh/skew.h"

#include "util/strings.h"

namespace fairlead::mesh {
namespace {

std::optional<std::pair<int64_t, int64_t>> MajorMinor(const std::string& version) {
  auto parts = Split(version.starts_with('v') ? version.substr(1) : version, '.');
  if (parts.size() < 3) return std::nullopt;
  auto major = ParseInt(parts[0]), minor = ParseInt(parts[1]);
  if (!major.ok() || !minor.ok()) return std::nullopt;
  return std::pair(*major, *minor);
}

std::string Minor(std::pair<int64_t, int64_t> v) { return std::to_string(v.first) + "." + std::to_string(v.second); }

}  // namespace

void JudgeSkew(const Version& cni, std::vector<ControlPlane>& planes) {
  auto own = MajorMinor(cni.name);
  for (ControlPlane& p : planes) {
    auto theirs = MajorMinor(p.version);
    std::string who = "control plane " + p.kind + "/" + p.name + " runs " + p.version;
    if (!own || !theirs) {
      p.allowed = false;
      p.message = who + ", whose minor version cannot be told; set spec.version to a released version";
      continue;
    }
    p.allowed = own->first == theirs->first && (theirs->second == own->second || theirs->second == own->second + 1);
    if (p.allowed) continue;
    std::string allowed = Minor(*own) + " or " + Minor({own->first, own->second + 1});
    if (*theirs < *own)
      p.message = "CNI " + cni.name + " is ahead of the " + who + ": a CNI serves control planes of " + allowed +
                  ". Update the control plane to " + Minor(*own) + " first, then the CNI";
    else
      p.message = "CNI " + cni.name + " is too old for the " + who + ": a CNI serves control planes of " + allowed +
                  ". Set the CNI to a version of " + Minor({theirs->first, theirs->second - 1}) + " or " +
                  Minor(*theirs);
  }
}

std::string SkewMessage(const std::vector<ControlPlane>& planes) {
  std::vector<std::string> all;
  for (const ControlPlane& p : planes)
    if (!p.allowed) all.push_back(p.message);
  return Join(all, "; ");
}

}  // namespace fairlead::mesh
