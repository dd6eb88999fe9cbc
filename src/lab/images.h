// Container images of the lab: a directory NAME/TAG with `entrypoint` (one argument a line) and `opt/`, which
// containers see as /opt. A reference such as registry.example/release/install-cni:1.28.5 means install-cni/1.28.5. A
// directory NAME/any stands for every tag that has none of its own.
#pragma once
#include <string>
#include <vector>

#include "util/result.h"

namespace fairlead::lab {

struct Image {
  std::string path;  // NAME/TAG
  std::vector<std::string> entrypoint;
};

// kNotFound names the reference and the images that there are.
Result<Image> FindImage(const std::string& dir, const std::string& reference);

}  // namespace fairlead::lab
