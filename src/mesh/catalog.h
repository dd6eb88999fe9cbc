// The versions that can be installed. Read from config/catalog/versions.yaml, or from a file given to the operator.
#pragma once
#include <map>
#include <vector>

#include "util/result.h"
#include "value/json.h"

namespace fairlead::mesh {

struct Version {
  std::string name;      // v1.28.6
  std::string number;    // 1.28.6
  std::string hub;       // of the CNI's images
  std::string mesh_hub;  // of those of the control plane and of the proxies

  std::map<std::string, std::string> images;  // of a component: instead of the one that hub and version make

  bool is_candidate() const { return number.find('-') != number.npos; }  // 1.31.0-beta.1
  const std::string& Hub(std::string_view image) const { return image == "install-cni" ? hub : mesh_hub; }
  // "install-cni" -> HUB/install-cni:1.28.6; pilot, proxyv2 and ztunnel likewise.
  std::string Image(const std::string& image) const;
};

class Catalog {
 public:
  static Result<Catalog> Parse(const std::string& yaml, const std::string& what);
  // Follows aliases. kNotFound: unknown; kUnsupported: at its end of life. Both say what to use instead.
  Result<Version> Resolve(const std::string& name) const;
  // As Resolve, but of any version that is known, whether or not it may be installed; for control planes.
  std::string ResolveName(const std::string& name) const;
  // Those that may be installed, the newest first.
  std::vector<Version> Supported() const;
  // Where images come from instead: all of them, or those of the control plane and the proxies.
  void SetHub(const std::string& hub);
  void SetMeshHub(const std::string& hub);
  // Images of single components, as annotations of the operator's pods have them, in the form that the downward API
  // writes: images.v1_28_6.cni="registry.example/install-cni@sha256:..."; cni, istiod, proxy, ztunnel. Other lines do
  // not matter. The answer names the lines that say nothing that is known.
  std::vector<std::string> SetImages(const std::string& properties);

 private:
  std::map<std::string, Version> versions_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, bool> end_of_life_;
  std::vector<std::string> supported_latest_;
};

}  // namespace fairlead::mesh
