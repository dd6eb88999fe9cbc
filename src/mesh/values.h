// The values that charts are rendered with: profile, then the user's, then what the version and the resource decide.
// Source of the behaviour: sail-operator pkg/istiovalues.
#pragma once
#include <map>

#include "mesh/catalog.h"

namespace fairlead::mesh {

using Profiles = std::map<std::string, std::string>;  // "ambient.yaml" -> text

// Errors: kNotFound names a profile that does not exist.
Result<Json> ComputeCniValues(const Json& spec, const Version& version, const Profiles& profiles);

// What an Istio's revision of that name has as its spec.values.
Result<Json> ComputeRevisionValues(const Json& istio_spec, const std::string& revision, const Profiles& profiles);

// A revision's own values with the version's image, unless they name another.
Json ComputeIstiodValues(const Json& revision_spec, const Version& version);

// `base`: the values of the revision that the proxies use, or null.
Result<Json> ComputeZtunnelValues(const Json& spec, const Json& base, const Version& version, const Profiles& profiles);

}  // namespace fairlead::mesh
