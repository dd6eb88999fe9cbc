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

void Field(std::string& out, uint32_t number, const std::string& content) {
  Varint(out, number << 3 | 2);
  Varint(out, content.size());
  out += content;
}

std::string Message(uint32_t number, const std::string& content) {
  std::string out;
  Field(out, number, content);
  return out;
}

// NamedAny: which kinds something is about
std::string Extension(uint32_t number, const Json& of) {
  return of.contains(kGvk) ? Message(number, Message(1, kGvk) + Message(2, Message(2, value::ToYaml(of[kGvk])))) : "";
}

std::string Schema(const Json& s);

// NamedSchema, in Properties and in Definitions
std::string Named(const Json& schemas) {
  std::string out;
  for (const auto& [name, schema] : schemas.items()) Field(out, 1, Message(1, name) + Message(2, Schema(schema)));
  return out;
}

std::string Schema(const Json& s) {
  std::string out;
  if (s.contains("format")) Field(out, 2, Str(s, "format"));
  if (s.contains("description")) Field(out, 4, Str(s, "description"));
  for (const Json& name : At(s, "required"))
    if (name.is_string()) Field(out, 19, name.get_ref<const std::string&>());
  if (s.contains("additionalProperties")) Field(out, 21, Message(1, Schema(s["additionalProperties"])));
  if (s.contains("type")) Field(out, 22, Message(1, Str(s, "type")));
  if (s.contains("items")) Field(out, 23, Message(1, Schema(s["items"])));
  if (s.contains("properties")) Field(out, 25, Named(s["properties"]));
  return out + Extension(31, s);
}

// Operation
std::string Patch(const Json& operation) {
  std::string out;
  for (const Json& p :
       At(operation, "parameters"))  // ParametersItem, Parameter, NonBodyParameter, QueryParameterSubSchema
    Field(out, 8, Message(1, Message(2, Message(3, Message(2, Str(p, "in")) + Message(4, Str(p, "name"))))));
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
    Field(paths, 2, Message(1, path) + Message(2, Message(8, Patch(At(item, "patch")))));
  return Message(1, Str(document, "swagger")) +
         Message(2, Message(1, Str(document, "info", "title")) + Message(2, Str(document, "info", "version"))) +
         Message(8, paths) + Message(9, Named(At(document, "definitions")));
}

}  // namespace fairlead::lab
