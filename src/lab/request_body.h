// The body of a request as an object of the kind that its path names.
#pragma once
#include <expected>

#include "http/message.h"
#include "lab/registry.h"

namespace fairlead::lab {

// JSON, or YAML, which apply patches are and people with curl send. The error is a metav1.Status: another media type,
// no JSON, another kind or version than the path says.
std::expected<Json, Json> Body(const http::Request& request, const ResourceType& t);

}  // namespace fairlead::lab
