// What clients ask before anything else: which kinds there are (old and aggregated discovery) and what they look like
// (OpenAPI v3).
#pragma once
#include "lab/registry.h"

namespace fairlead::lab {

inline constexpr const char* kServerVersion = "v1.32.4";

Json VersionInfo();
Json LegacyApiVersions();                                       // GET /api
Json LegacyGroups(const Registry& r);                           // GET /apis
Json LegacyGroup(const Registry& r, const std::string& group);  // GET /apis/g; null: no such group
Json LegacyResources(const Registry& r, const std::string& group, const std::string& version);  // null: no such version
Json AggregatedDiscovery(const Registry& r, bool core);
Json Gvk(const kube::Resource& r);                // {group, version, kind}
std::string SchemaName(const kube::Resource& r);  // among the documents' schemas
Json PublishedSchema(const ResourceType& t);
Json OpenApiIndex(const Registry& r);
Json OpenApiDocument(const Registry& r, const std::string& group, const std::string& version);  // null: no such version

}  // namespace fairlead::lab
