// OpenAPI v2 of every kind, for kubectl before 1.29, which asks for it whenever it applies or explains something. Newer
// ones ask for v3.
#pragma once
#include "lab/registry.h"

namespace fairlead::lab {

// How it is asked for; a media type must not have an @, so the answer has another name, as a real server's.
inline constexpr const char* kAsksForProtobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
inline constexpr const char* kProtobufType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

// {swagger, info, paths, definitions}. Of the paths it tells what kubectl looks for: which kinds can be patched in a
// dry run.
Json OpenApiV2(const Registry& r);
// The same as a message openapi.v2.Document (github.com/google/gnostic-models, openapiv2/OpenAPIv2.proto): the only
// form that kubectl reads.
std::string ToProtobuf(const Json& document);

}  // namespace fairlead::lab
