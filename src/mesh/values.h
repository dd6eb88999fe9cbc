// The values that charts are rendered with: profiles, then the vendor's, then the user's, then what the version, the
// resource and the platform decide where none of these did.
// Source of the behaviour: sail-operator pkg/istiovalues.
#pragma once
#include "mesh/resources.h"

namespace fairlead::mesh {

// Errors: kNotFound names a profile that does not exist.
Result<Json> ComputeCniValues(const Json& spec, const Version& version, const Resources& resources);

// What an Istio's revision of that name has as its spec.values.
Result<Json> ComputeRevisionValues(const Json& istio_spec, const std::string& revision, const Resources& resources);

// A revision's own values with the version's image, unless they name another.
Json ComputeIstiodValues(const Json& revision_spec, const Version& version);

// `base`: the values of the revision that the proxies use, or null.
Result<Json> ComputeZtunnelValues(const Json& spec, const Json& base, const Version& version,
                                  const Resources& resources);

}  // namespace fairlead::mesh
