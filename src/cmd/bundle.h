// `fairlead bundle`: what a maintainer needs to understand a cluster, in one archive, without secrets.
#pragma once
#include "kube/client.h"

namespace fairlead::cmd {

// Writes a .tar.gz to `path`; the answer says what is in it, a line each. What cannot be read is a line in its
// errors.txt. Values of environment variables and ConfigMaps whose names sound like credentials are removed; Secrets
// are not read.
Result<std::string> WriteBundle(const kube::Config& config, const std::string& path);

}  // namespace fairlead::cmd
