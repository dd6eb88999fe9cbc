// The values that the chart is rendered with: profile, then the user's, then what the version decides.
// Source of the behaviour: sail-operator pkg/istiovalues.
#pragma once
#include <map>

#include "mesh/catalog.h"

namespace fairlead::mesh {

// `profiles` maps "ambient.yaml" to the file's text. kNotFound names a profile that does not exist.
Result<Json> ComputeCniValues(const Json& spec, const Version& version,
                              const std::map<std::string, std::string>& profiles);

}  // namespace fairlead::mesh
