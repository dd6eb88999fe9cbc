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

Result<SkewPolicy> ReadSkewPolicy(const Json& cni) {
  std::string text = kube::Annotation(cni, kSkewPolicyAnnotation);
  if (text.empty() || text == "Enforce") return SkewPolicy::kEnforce;
  if (text == "Warn") return SkewPolicy::kWarn;
  if (text == "Ignore") return SkewPolicy::kIgnore;
  return MakeError(Code::kInvalid, std::string("annotation ") + kSkewPolicyAnnotation + ": \"" + text +
                                       "\" is not known; use Enforce, Warn or Ignore");
}

std::vector<ControlPlane> ListControlPlanes(const std::vector<kube::ObjectPtr>& revisions,
                                            const std::vector<kube::ObjectPtr>& istios, const Catalog& catalog) {
  std::vector<ControlPlane> out;
  std::set<std::string> owners;
  for (const auto& revision : revisions) {
    const Json& r = *revision;
    if (kube::IsDeleting(r)) continue;
    ControlPlane plane{
        "IstioRevision", kube::Name(r), catalog.ResolveName(value::Str(r, "spec", "version")), true, "", "", false};
    // What runs decides, and what it is about to be; a version that was refused is neither.
    std::string running = value::Str(r, "status", "runningVersion");
    bool refused = value::Str(kube::Condition(r, "Reconciled"), "reason") == "VersionSkew";
    plane.refused = refused && running.empty();
    if (!running.empty() && running != plane.version) {
      if (!refused) plane.next = plane.version;
      plane.version = running;
    }
    out.push_back(plane);
    if (const Json& owner = kube::ControllerOf(r); !owner.is_null()) owners.insert(value::Str(owner, "uid"));
  }
  for (const auto& i : istios)
    if (!kube::IsDeleting(*i) && !owners.contains(kube::Uid(*i)))
      out.push_back(
          {"Istio", kube::Name(*i), catalog.ResolveName(value::Str(*i, "spec", "version")), true, "", "", false});
  return out;
}

Skew CompareVersions(const std::string& cni, const std::string& control_plane) {
  auto own = MajorMinor(cni), theirs = MajorMinor(control_plane);
  if (!own || !theirs) return Skew::kUnknown;
  if (own->first == theirs->first && (theirs->second == own->second || theirs->second == own->second + 1))
    return Skew::kFits;
  return *theirs < *own ? Skew::kCniAhead : Skew::kCniBehind;
}

std::string ExplainSkew(const std::string& cni, const ControlPlane& plane, const std::string& version) {
  auto own = MajorMinor(cni), theirs = MajorMinor(version);
  std::string who = "control plane " + plane.kind + "/" + plane.name +
                    (version == plane.version ? ", which runs " : ", which is being updated to ") + version;
  Skew skew = CompareVersions(cni, version);
  if (skew == Skew::kUnknown)
    return who + ", whose minor version cannot be told; set spec.version to a released version";
  if (skew == Skew::kFits) return "";
  std::string allowed = Minor(*own) + " or " + Minor({own->first, own->second + 1});
  if (skew == Skew::kCniAhead)
    return "CNI " + cni + " is ahead of the " + who + ": a CNI serves control planes of " + allowed +
           ". Update the control plane to " + Minor(*own) + " first, then the CNI";
  return "CNI " + cni + " is too old for the " + who + ": a CNI serves control planes of " + allowed +
         ". Set the CNI to a version of " + Minor({theirs->first, theirs->second - 1}) + " or " + Minor(*theirs);
}

void JudgeSkew(const Version& cni, std::vector<ControlPlane>& planes) {
  for (ControlPlane& p : planes) {
    p.message = ExplainSkew(cni.name, p, p.version);
    if (p.message.empty() && !p.next.empty()) p.message = ExplainSkew(cni.name, p, p.next);
    p.allowed = p.message.empty();
  }
}

std::string SkewMessage(const std::vector<ControlPlane>& planes) {
  std::vector<std::string> all;
  for (const ControlPlane& p : planes)
    if (!p.allowed && !p.refused) all.push_back(p.message);
  return Join(all, "; ");
}

bool Fits(const Version& cni, std::vector<ControlPlane> planes) {
  JudgeSkew(cni, planes);
  return SkewMessage(planes).empty();
}

std::string NewestThatFits(const Catalog& catalog, const std::vector<ControlPlane>& planes) {
  for (const Version& version : catalog.Supported())
    if (!version.is_candidate() && Fits(version, planes)) return version.name;
  return "";
}

}  // namespace fairlead::mesh
