// The versions that can be installed. Read from config/catalog/versions.yaml, or from a file given to the operator.
#pragma once
#include <map>
#include <vector>

#include "util/result.h"
#include "value/json.h"

namespace fairlead::mesh {

struct Version {
  std::string name;       // v1.28.6
  std::string number;     // 1.28.6
  std::string cni_image;  // hub/install-cni:1.28.6
  std::string hub;
};

class Catalog {
 public:
  static Result<Catalog> Parse(const std::string& yaml, const std::string& what);
  // Follows aliases. kNotFound: unknown; kUnsupported: at its end of life. Both say what to use instead.
  Result<Version> Resolve(const std::string& name) const;
  // As Resolve, but of any version that is known, whether or not it may be installed; for control planes.
  std::string ResolveName(const std::string& name) const;
  const std::vector<std::string>& names() const { return names_; }
  void SetHub(const std::string& hub);

 private:
  std::map<std::string, Version> versions_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, bool> end_of_life_;
  std::vector<std::string> names_, supported_latest_;
};

}  // namespace fairlead::mesh
