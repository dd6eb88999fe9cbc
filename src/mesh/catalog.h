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

  const std::string& Hub(std::string_view image) const { return image == "install-cni" ? hub : mesh_hub; }
  // "install-cni" -> HUB/install-cni:1.28.6
  std::string Image(std::string_view image) const { return Hub(image) + "/" + std::string(image) + ":" + number; }
};

class Catalog {
 public:
  static Result<Catalog> Parse(const std::string& yaml, const std::string& what);
  // Follows aliases. kNotFound: unknown; kUnsupported: at its end of life. Both say what to use instead.
  Result<Version> Resolve(const std::string& name) const;
  // As Resolve, but of any version that is known, whether or not it may be installed; for control planes.
  std::string ResolveName(const std::string& name) const;
  const std::vector<std::string>& names() const { return names_; }
  // Where images come from instead: all of them, or those of the control plane and the proxies.
  void SetHub(const std::string& hub);
  void SetMeshHub(const std::string& hub);

 private:
  std::map<std::string, Version> versions_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, bool> end_of_life_;
  std::vector<std::string> names_, supported_latest_;
};

}  // namespace fairlead::mesh
