// What Helm, or the sail-operator by way of Helm, installed before it was ours, from the release Secrets that it keeps.
// They stay where they are, so that the installation can be handed back.
// Source of the behaviour: helm.sh/helm v3 pkg/storage/driver/secrets.go and util.go.
#pragma once
#include "kube/mapper.h"

namespace fairlead::mesh {

// The release in a Secret's `data.release`, which is base64 of base64 of gzipped JSON: {name, version, manifest, ...}.
Result<Json> DecodeRelease(const std::string& data);

// The objects of the newest release of that name, as an inventory whose entries have `release` as well; an empty one
// when there is none. Errors: kForbidden where the operator may not read Secrets.
Result<Json> ReleaseInventory(kube::Api& api, kube::ResourceMapper& mapper, const std::string& name,
                              const std::string& ns);

}  // namespace fairlead::mesh
