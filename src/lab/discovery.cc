#include "lab/discovery.h"

#include "util/strings.h"

namespace fairlead::lab {

Json Gvk(const kube::Resource& r) { return {{"group", r.group}, {"version", r.version}, {"kind", r.kind}}; }

std::string SchemaName(const kube::Resource& r) {
  return "io.fairlead.lab." + (r.group.empty() ? "core" : r.group) + "." + r.version + "." + r.kind;
}

namespace {

const std::vector<std::string> kVerbs = {"create", "delete", "deletecollection", "get",
                                         "list",   "patch",  "update",           "watch"};

const std::vector<std::string> kCustomVerbs = {"delete", "deletecollection", "get",    "list",
                                               "patch",  "create",           "update", "watch"};

struct Sub {
  std::string name, kind, group, version;
  std::vector<std::string> verbs;
};

std::vector<Sub> Subresources(const ResourceType& t) {
  std::vector<Sub> out;
  if (t.has_status) out.push_back({"status", t.resource.kind, "", "", {"get", "patch", "update"}});
  if (t.custom) return out;
  if (t.resource.kind == "Pod") out.push_back({"log", "Pod", "", "", {"get"}});
  if (t.resource.kind == "Deployment" || t.resource.kind == "ReplicaSet")
    out.push_back({"scale", "Scale", "autoscaling", "v1", {"get", "patch", "update"}});
  if (t.resource.kind == "Namespace") out.push_back({"finalize", "Namespace", "", "", {"update"}});
  if (t.resource.kind == "ServiceAccount")
    out.push_back({"token", "TokenRequest", "authentication.k8s.io", "v1", {"create"}});
  return out;
}

Json ResourceEntry(const ResourceType& t) {
  Json e = {{"name", t.resource.plural},
            {"singularName", t.singular},
            {"namespaced", t.resource.namespaced},
            {"kind", t.resource.kind},
            {"verbs", t.custom ? kCustomVerbs : kVerbs}};
  if (!t.short_names.empty()) e["shortNames"] = t.short_names;
  if (!t.categories.empty()) e["categories"] = t.categories;
  e["storageVersionHash"] = Base64Encode(value::Sha256Hex(t.resource.ApiVersion() + t.resource.kind).substr(0, 8));
  return e;
}

// group -> versions, in order.
std::map<std::string, std::vector<std::string>> Groups(const Registry& r) {
  std::map<std::string, std::vector<std::string>> out;
  for (const TypePtr& t : r.All()) {
    auto& versions = out[t->resource.group];
    if (std::find(versions.begin(), versions.end(), t->resource.version) == versions.end())
      versions.push_back(t->resource.version);
  }
  return out;
}

std::vector<TypePtr> TypesOf(const Registry& r, const std::string& group, const std::string& version) {
  std::vector<TypePtr> out;
  for (const TypePtr& t : r.All())
    if (t->resource.group == group && t->resource.version == version) out.push_back(t);
  return out;
}

Json GroupEntry(const std::string& group, const std::vector<std::string>& versions) {
  Json list = Json::array();
  for (const auto& v : versions) list.push_back({{"groupVersion", group + "/" + v}, {"version", v}});
  return {{"name", group}, {"versions", list}, {"preferredVersion", list[0]}};
}

Json Parameter(const char* name, const char* type) {
  return {{"name", name}, {"in", "query"}, {"schema", {{"type", type}, {"uniqueItems", true}}}};
}

// kubectl asks for the PATCH operation: its `fieldValidation` says that the server validates, its media types how to
// patch.
Json PathItem(const TypePtr& t, bool one) {
  Json ref = {{"$ref", "#/components/schemas/" + SchemaName(t->resource)}};
  Json responses = {{"200", {{"description", "OK"}, {"content", {{"application/json", {{"schema", ref}}}}}}}};
  auto operation = [&](const char* action) {
    return Json{{"x-kubernetes-action", action},
                {"x-kubernetes-group-version-kind", Gvk(t->resource)},
                {"responses", responses},
                {"parameters",
                 {Parameter("dryRun", "string"), Parameter("fieldManager", "string"),
                  Parameter("fieldValidation", "string"), Parameter("force", "boolean")}}};
  };
  Json item;
  item["get"] = operation(one ? "get" : "list");
  Json body = {{"content", {{"application/json", {{"schema", ref}}}}}};
  if (one) {
    item["put"] = operation("put");
    item["put"]["requestBody"] = body;
    item["delete"] = operation("delete");
    item["patch"] = operation("patch");
    std::vector<std::string> types = {"application/apply-patch+yaml", "application/json-patch+json",
                                      "application/merge-patch+json"};
    if (!t->custom) types.push_back("application/strategic-merge-patch+json");
    for (const auto& type : types) item["patch"]["requestBody"]["content"][type] = {{"schema", {{"type", "object"}}}};
  } else {
    item["post"] = operation("post");
    item["post"]["requestBody"] = body;
  }
  return item;
}

}  // namespace

namespace {

Json ObjectMetaSchema() {
  Json text = {{"type", "string"}}, number = {{"type", "integer"}, {"format", "int64"}};
  Json texts = {{"type", "object"}, {"additionalProperties", text}};
  Json any = {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
  Json properties = {{"labels", texts},
                     {"annotations", texts},
                     {"generation", number},
                     {"deletionGracePeriodSeconds", number},
                     {"finalizers", {{"type", "array"}, {"items", text}, {"x-kubernetes-patch-strategy", "merge"}}},
                     {"ownerReferences",
                      {{"type", "array"},
                       {"items", any},
                       {"x-kubernetes-patch-merge-key", "uid"},
                       {"x-kubernetes-patch-strategy", "merge"}}},
                     {"managedFields", {{"type", "array"}, {"items", any}}}};
  for (const char* name : {"name", "generateName", "namespace", "uid", "resourceVersion", "selfLink"})
    properties[name] = text;
  for (const char* name : {"creationTimestamp", "deletionTimestamp"})
    properties[name] = {{"type", "string"}, {"format", "date-time"}};
  return {{"type", "object"}, {"properties", properties}};
}

// The registry keeps whatever metadata has; clients want to know its fields, also those of a pod's template.
void DescribeMetadata(Json& schema) {
  if (!schema.is_object()) return;
  if (schema.contains("items")) DescribeMetadata(schema["items"]);
  if (!schema.contains("properties")) return;
  for (auto& [name, property] : schema["properties"].items())
    if (name == "metadata" && value::Bool(property, "x-kubernetes-preserve-unknown-fields"))
      property = ObjectMetaSchema();
    else
      DescribeMetadata(property);
}

}  // namespace

Json PublishedSchema(const ResourceType& t) {
  Json schema = t.schema;
  schema["x-kubernetes-group-version-kind"] = Json::array({Gvk(t.resource)});
  if (t.custom)
    schema["properties"]["metadata"] = ObjectMetaSchema();
  else
    DescribeMetadata(schema);
  return schema;
}

Json VersionInfo() {
  return {{"major", "1"},
          {"minor", "32"},
          {"gitVersion", std::string(kServerVersion) + "+fairlead-lab"},
          {"gitCommit", "lab"},
          {"gitTreeState", "clean"},
          {"buildDate", "2026-01-01T00:00:00Z"},
          {"goVersion", "none"},
          {"compiler", "gcc"},
          {"platform", "linux/amd64"},
          {"emulationMajor", "1"},
          {"emulationMinor", "32"},
          {"minCompatibilityMajor", "1"},
          {"minCompatibilityMinor", "31"}};
}

Json LegacyApiVersions() {
  return {{"kind", "APIVersions"}, {"versions", {"v1"}}, {"serverAddressByClientCIDRs", Json::array()}};
}

Json LegacyGroups(const Registry& r) {
  Json groups = Json::array();
  for (const auto& [group, versions] : Groups(r))
    if (!group.empty()) groups.push_back(GroupEntry(group, versions));
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", groups}};
}

Json LegacyGroup(const Registry& r, const std::string& group) {
  auto all = Groups(r);
  if (group.empty() || !all.contains(group)) return nullptr;
  Json g = GroupEntry(group, all[group]);
  g["kind"] = "APIGroup";
  g["apiVersion"] = "v1";
  return g;
}

Json LegacyResources(const Registry& r, const std::string& group, const std::string& version) {
  Json resources = Json::array();
  for (const TypePtr& t : TypesOf(r, group, version)) {
    resources.push_back(ResourceEntry(*t));
    for (const Sub& s : Subresources(*t)) {
      Json e = {{"name", t->resource.plural + "/" + s.name},
                {"singularName", ""},
                {"namespaced", t->resource.namespaced},
                {"kind", s.kind},
                {"verbs", s.verbs}};
      if (!s.group.empty()) {
        e["group"] = s.group;
        e["version"] = s.version;
      }
      resources.push_back(e);
    }
  }
  if (resources.empty()) return nullptr;
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", group.empty() ? version : group + "/" + version},
          {"resources", resources}};
}

Json AggregatedDiscovery(const Registry& r, bool core) {
  Json items = Json::array();
  for (const auto& [group, versions] : Groups(r)) {
    if (group.empty() != core) continue;
    Json out = {{"metadata", {{"name", group.empty() ? Json(nullptr) : Json(group)}, {"creationTimestamp", nullptr}}},
                {"versions", Json::array()}};
    if (group.empty()) out["metadata"].erase("name");
    for (const auto& version : versions) {
      Json v = {{"version", version}, {"freshness", "Current"}, {"resources", Json::array()}};
      for (const TypePtr& t : TypesOf(r, group, version)) {
        Json e = {{"resource", t->resource.plural},
                  {"responseKind", Gvk(t->resource)},
                  {"scope", t->resource.namespaced ? "Namespaced" : "Cluster"},
                  {"singularResource", t->singular},
                  {"verbs", kVerbs}};
        if (!t->short_names.empty()) e["shortNames"] = t->short_names;
        if (!t->categories.empty()) e["categories"] = t->categories;
        for (const Sub& s : Subresources(*t)) {
          Json kind = Gvk(t->resource);
          kind["kind"] = s.kind;
          e["subresources"].push_back({{"subresource", s.name}, {"responseKind", kind}, {"verbs", s.verbs}});
        }
        v["resources"].push_back(e);
      }
      out["versions"].push_back(v);
    }
    items.push_back(out);
  }
  return {{"kind", "APIGroupDiscoveryList"},
          {"apiVersion", "apidiscovery.k8s.io/v2"},
          {"metadata", Json::object()},
          {"items", items}};
}

Json OpenApiIndex(const Registry& r) {
  Json paths = Json::object();
  for (const auto& [group, versions] : Groups(r))
    for (const auto& v : versions) {
      std::string path = group.empty() ? "api/" + v : "apis/" + group + "/" + v;
      paths[path] = {{"serverRelativeURL", "/openapi/v3/" + path + "?hash=" + std::to_string(r.generation())}};
    }
  return {{"paths", paths}};
}

Json OpenApiDocument(const Registry& r, const std::string& group, const std::string& version) {
  auto types = TypesOf(r, group, version);
  if (types.empty()) return nullptr;
  Json doc = {{"openapi", "3.0.0"},
              {"info", {{"title", "Fairlead lab"}, {"version", kServerVersion}}},
              {"paths", Json::object()},
              {"components", {{"schemas", Json::object()}}}};
  for (const TypePtr& t : types) {
    std::string all =
        kube::Resource{group, version, t->resource.plural, t->resource.namespaced, ""}.Path("{namespace}");
    doc["paths"][all] = PathItem(t, false);
    doc["paths"][all + "/{name}"] = PathItem(t, true);
    doc["components"]["schemas"][SchemaName(t->resource)] = PublishedSchema(*t);
  }
  return doc;
}

}  // namespace fairlead::lab
