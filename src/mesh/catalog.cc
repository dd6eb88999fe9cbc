#include "mesh/catalog.h"

#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::mesh {

using value::At;
using value::Str;

Result<Catalog> Catalog::Parse(const std::string& yaml, const std::string& what) {
  FL_ASSIGN(Json doc, value::ParseYaml(yaml, what));
  Catalog c;
  std::string hub = Str(doc, "hub"), mesh_hub = Str(doc, "meshHub").empty() ? hub : Str(doc, "meshHub");
  if (hub.empty() || !At(doc, "lines").is_array())
    return MakeError(Code::kInvalid, what + ": hub and lines are required");
  for (const Json& line : At(doc, "lines")) {
    std::string minor = Str(line, "minor"), latest;
    bool eol = value::Bool(line, "endOfLife");
    for (const Json& v : At(line, "versions")) {
      if (!v.is_string())
        return MakeError(Code::kInvalid, what + ": line " + minor + ": versions are text such as 1.28.6");
      std::string number = v.get<std::string>(), name = "v" + number;
      c.versions_[name] = {name, number, hub, mesh_hub};
      c.end_of_life_[name] = eol;
      latest = name;
    }
    if (minor.empty() || latest.empty())
      return MakeError(Code::kInvalid, what + ": a line has no minor or no versions");
    c.aliases_["v" + minor + "-latest"] = latest;
    if (!eol) c.supported_latest_.push_back(latest);
  }
  return c;
}

void Catalog::SetHub(const std::string& hub) {
  for (auto& [name, v] : versions_) v.hub = v.mesh_hub = hub;
}

void Catalog::SetMeshHub(const std::string& hub) {
  for (auto& [name, v] : versions_) v.mesh_hub = hub;
}

std::string Version::Image(const std::string& image) const {
  auto own = images.find(image);
  return own != images.end() ? own->second : Hub(image) + "/" + image + ":" + number;
}

std::vector<std::string> Catalog::SetImages(const std::string& properties) {
  static const std::map<std::string, std::string> kComponents = {
      {"cni", "install-cni"}, {"istiod", "pilot"}, {"proxy", "proxyv2"}, {"ztunnel", "ztunnel"}};
  std::vector<std::string> unknown;
  for (const std::string& line : SplitNonEmpty(properties, '\n')) {
    size_t equals = line.find('=');
    std::string key = line.substr(0, equals);
    if (!key.starts_with("images.") || equals == line.npos) continue;
    size_t dot = key.rfind('.');
    auto version = versions_.find(ReplaceAll(key.substr(7, dot - 7), "_", "."));
    auto component = kComponents.find(key.substr(dot + 1));
    std::string image = line.substr(equals + 1);
    if (auto quoted = value::ParseJson(image, key); quoted.ok() && quoted->is_string())
      image = quoted->get<std::string>();
    if (dot < 7 || version == versions_.end() || component == kComponents.end() || image.empty())
      unknown.push_back(key);
    else
      version->second.images[component->second] = image;
  }
  return unknown;
}

std::string Catalog::ResolveName(const std::string& name) const {
  auto it = aliases_.find(name);
  return it == aliases_.end() ? name : it->second;
}

std::vector<Version> Catalog::Supported() const {
  std::vector<Version> out;
  for (const auto& [name, version] : versions_)
    if (!end_of_life_.at(name)) out.push_back(version);
  // By numbers; of two with the same ones a release comes before its candidates.
  auto age = [](const Version& v) {
    std::vector<int64_t> key;
    for (const std::string& part : Split(v.number.substr(0, v.number.find('-')), '.'))
      key.push_back(ParseInt(part).value_or(0));
    return std::pair(key, !v.is_candidate());
  };
  std::ranges::stable_sort(out, [&](const Version& a, const Version& b) { return age(b) < age(a); });
  return out;
}

Result<Version> Catalog::Resolve(const std::string& given) const {
  std::string name = ResolveName(given);
  auto it = versions_.find(name);
  if (it == versions_.end())
    return MakeError(Code::kNotFound, "spec.version: version \"" + given +
                                          "\" not found; the newest of each supported line are " +
                                          Join(supported_latest_, ", "));
  if (end_of_life_.at(name))
    return MakeError(Code::kUnsupported, "spec.version: version \"" + given +
                                             "\" is end-of-life and cannot be installed; use a supported version (" +
                                             Join(supported_latest_, ", ") + ")");
  return it->second;
}

}  // namespace fairlead::mesh
