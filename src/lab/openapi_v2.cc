#include "lab/openapi_v2.h"

#include "lab/discovery.h"
#include "value/yaml.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Str;

constexpr const char* kGvk = "x-kubernetes-group-version-kind";

// What v2 can say of a schema. Where any field is allowed, none is named: v2 has no word for both, and an object of
// which nothing else is known would be read as a map.
Json V2Schema(const Json& v3) {
  Json out = Json::object();
  for (const char* key : {"description", "format", "type", kGvk})
    if (v3.contains(key)) out[key] = v3[key];
  if (value::Bool(v3, "x-kubernetes-int-or-string")) out["type"] = "string", out["format"] = "int-or-string";
  bool named = At(v3, "properties").is_object() && !value::Bool(v3, "x-kubernetes-preserve-unknown-fields");
  if (named) {
    for (const auto& [name, schema] : v3["properties"].items()) out["properties"][name] = V2Schema(schema);
    if (v3.contains("required")) out["required"] = v3["required"];
  }
  if (At(v3, "items").is_object()) out["items"] = V2Schema(v3["items"]);
  if (At(v3, "additionalProperties").is_object()) out["additionalProperties"] = V2Schema(v3["additionalProperties"]);
  if (Str(out, "type") == "object" && !named && !out.contains("additionalProperties")) out.erase("type");
  return out;
}

// --- the wire format: every field that is needed here is of the kind that has a length

void Varint(std::string& out, uint64_t n) {
  for (; n >= 0x80; n >>= 7) out += static_cast<char>(n | 0x80);
  out += static_cast<char>(n);
}

std::string Field(uint32_t number, const std::string& content) {
  std::string out;
  Varint(out, number << 3 | 2);
  Varint(out, content.size());
  return out + content;
}

// NamedAny: which kinds something is about
std::string Extension(uint32_t number, const Json& of) {
  return of.contains(kGvk) ? Field(number, Field(1, kGvk) + Field(2, Field(2, value::ToYaml(of[kGvk])))) : "";
}

std::string Schema(const Json& s);

// NamedSchema, in Properties and in Definitions
std::string Named(const Json& schemas) {
  std::string out;
  for (const auto& [name, schema] : schemas.items()) out += Field(1, Field(1, name) + Field(2, Schema(schema)));
  return out;
}

std::string Schema(const Json& s) {
  std::string out;
  if (s.contains("format")) out += Field(2, Str(s, "format"));
  if (s.contains("description")) out += Field(4, Str(s, "description"));
  for (const Json& name : At(s, "required"))
    if (name.is_string()) out += Field(19, name.get_ref<const std::string&>());
  if (s.contains("additionalProperties")) out += Field(21, Field(1, Schema(s["additionalProperties"])));
  if (s.contains("type")) out += Field(22, Field(1, Str(s, "type")));
  if (s.contains("items")) out += Field(23, Field(1, Schema(s["items"])));
  if (s.contains("properties")) out += Field(25, Named(s["properties"]));
  return out + Extension(31, s);
}

// Operation, with ParametersItem, Parameter, NonBodyParameter and QueryParameterSubSchema
std::string Patch(const Json& operation) {
  std::string out;
  for (const Json& p : At(operation, "parameters"))
    out += Field(8, Field(1, Field(2, Field(3, Field(2, Str(p, "in")) + Field(4, Str(p, "name"))))));
  return out + Extension(13, operation);
}

}  // namespace

Json OpenApiV2(const Registry& r) {
  Json paths = Json::object(), definitions = Json::object();
  for (const TypePtr& t : r.All()) {
    definitions[SchemaName(t->resource)] = V2Schema(PublishedSchema(*t));
    Json dry_run = {{"name", "dryRun"}, {"in", "query"}, {"type", "string"}};
    paths[t->resource.Path("{namespace}", "{name}")]["patch"] = {{"parameters", Json::array({dry_run})},
                                                                 {kGvk, Gvk(t->resource)}};
  }
  return {{"swagger", "2.0"},
          {"info", {{"title", "Fairlead lab"}, {"version", kServerVersion}}},
          {"paths", paths},
          {"definitions", definitions}};
}

std::string ToProtobuf(const Json& document) {
  std::string paths;
  for (const auto& [path, item] : At(document, "paths").items())
    paths += Field(2, Field(1, path) + Field(2, Field(8, Patch(At(item, "patch")))));
  return Field(1, Str(document, "swagger")) +
         Field(2, Field(1, Str(document, "info", "title")) + Field(2, Str(document, "info", "version"))) +
         Field(8, paths) + Field(9, Named(At(document, "definitions")));
}

}  // namespace fairlead::lab
