#include "lab/registry.h"

#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Str;

// Turns the notation of types.yaml into structural schemas.
class SchemaReader {
 public:
  explicit SchemaReader(const Json& definitions) : definitions_(definitions) {}

  Result<Json> Fields(const Json& fields, int depth = 0) const {
    if (depth > 20) return MakeError(Code::kInvalid, "definitions refer to each other in a circle");
    Json out = {{"type", "object"}, {"properties", Json::object()}, {"x-fairlead-struct", true}};
    for (const auto& [raw, type] : fields.items()) {
      std::string key = raw;
      if (key.ends_with('!')) {
        key.pop_back();
        out["required"].push_back(key);
      }
      FL_ASSIGN(Json schema, Type(value::AsString(type), depth));
      // What Go writes even when it is empty.
      if (raw.ends_with('!') || key == "metadata") schema["x-fairlead-struct"] = true;
      out["properties"][key] = std::move(schema);
    }
    return out;
  }

  Result<Json> Type(std::string text, int depth) const {
    std::string description, fallback;
    if (size_t at = text.find(" | "); at != text.npos) {
      description = text.substr(at + 3);
      text = text.substr(0, at);
    }
    if (size_t at = text.find('='); at != text.npos) {
      fallback = text.substr(at + 1);
      text = text.substr(0, at);
    }
    FL_ASSIGN(Json schema, Shape(text, depth));
    if (!description.empty()) schema["description"] = description;
    if (!fallback.empty()) {
      auto parsed = value::ParseJson(fallback, "default");
      bool text_type = Str(schema, "type") == "string";
      schema["default"] = parsed.ok() && !text_type ? *parsed : Json(fallback);
    }
    return schema;
  }

 private:
  Result<Json> Shape(const std::string& text, int depth) const {
    if (text.starts_with('&') || text.starts_with('@')) {
      FL_ASSIGN(Json schema, Shape(text.substr(1), depth));
      schema.erase("x-fairlead-struct");
      if (text[0] == '@') schema["x-kubernetes-map-type"] = "atomic";
      return schema;
    }
    if (text.ends_with("{}")) {
      FL_ASSIGN(Json items, Shape(text.substr(0, text.size() - 2), depth));
      return Json{{"type", "object"}, {"additionalProperties", items}};
    }
    if (text.ends_with(']')) {
      size_t open = text.find('[');
      FL_ASSIGN(Json items, Shape(text.substr(0, open), depth));
      Json out = {{"type", "array"}, {"items", items}, {"x-kubernetes-list-type", "atomic"}};
      auto keys = SplitNonEmpty(text.substr(open + 1, text.size() - open - 2), ',');
      if (!keys.empty()) {
        out["x-kubernetes-list-type"] = "map";
        out["x-kubernetes-list-map-keys"] = keys;
        out["x-kubernetes-patch-merge-key"] = keys[0];
        out["x-kubernetes-patch-strategy"] = "merge";
      }
      return out;
    }
    if (text == "string") return Json{{"type", "string"}};
    if (text == "time") return Json{{"type", "string"}, {"format", "date-time"}, {"nullable", true}};
    if (text == "int") return Json{{"type", "integer"}, {"format", "int64"}};
    if (text == "bool") return Json{{"type", "boolean"}};
    if (text == "intOrString" || text == "quantity") return Json{{"x-kubernetes-int-or-string", true}};
    if (text == "any") return Json{{"x-kubernetes-preserve-unknown-fields", true}};
    if (!definitions_.contains(text)) return MakeError(Code::kInvalid, "type \"" + text + "\" is not defined");
    return Fields(definitions_[text], depth + 1);
  }
  const Json& definitions_;
};

Json MetadataSchema() {
  return {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}, {"x-fairlead-struct", true}};
}

void AddRootFields(Json& schema) {
  schema["properties"]["apiVersion"] = {{"type", "string"}};
  schema["properties"]["kind"] = {{"type", "string"}};
  schema["properties"]["metadata"] = MetadataSchema();
}

// Go always has these two of a built-in kind.
void MarkRootStructs(Json& schema) {
  for (const char* key : {"spec", "status"})
    if (schema["properties"].contains(key)) schema["properties"][key]["x-fairlead-struct"] = true;
}

Column AgeColumn() { return {"Age", "string", "Time since the object was created.", "age", std::nullopt, 0}; }

Result<Column> BuiltinColumn(const Json& c) {
  Column out{value::AsString(c[0]), value::AsString(c[1]), "", "", std::nullopt, static_cast<int>(value::Int(c, 3))};
  if (out.type == "age") return AgeColumn();
  if (out.type.starts_with("fn:")) {
    out.function = out.type.substr(3);
    out.type = "string";
    return out;
  }
  FL_ASSIGN(out.path, value::JsonPath::Create(value::AsString(c[2])));
  return out;
}

std::string KeyOf(const std::string& group, const std::string& version, const std::string& plural) {
  return group + "/" + version + "/" + plural;
}

}  // namespace

Result<std::unique_ptr<Registry>> Registry::Create(const std::string& types_yaml) {
  auto registry = std::make_unique<Registry>();
  FL_ASSIGN(Json doc, value::ParseYaml(types_yaml, "types.yaml"));
  SchemaReader reader(At(doc, "definitions"));
  for (const Json& k : At(doc, "kinds")) {
    auto t = std::make_shared<ResourceType>();
    std::string kind = Str(k, "kind");
    t->resource = {Str(k, "group"), value::AsString(At(k, "version"), "v1"), Str(k, "plural"),
                   value::AsBool(At(k, "namespaced"), true), kind};
    t->singular = ToLower(kind);
    t->list_kind = kind + "List";
    for (const Json& s : At(k, "short")) t->short_names.push_back(value::AsString(s));
    for (const Json& s : At(k, "categories")) t->categories.push_back(value::AsString(s));
    t->has_status = value::Bool(k, "status");
    t->has_generation = value::Bool(k, "generation");
    t->needs_version_for_update = value::Bool(k, "conditionalUpdate");
    t->creates_on_update = value::Bool(k, "createOnUpdate");
    auto schema = reader.Fields(At(k, "fields"));
    if (!schema.ok()) return schema.error().Wrap("types.yaml: kind " + kind);
    t->schema = std::move(*schema);
    AddRootFields(t->schema);
    MarkRootStructs(t->schema);
    for (const Json& c : At(k, "columns")) {
      auto column = BuiltinColumn(c);
      if (!column.ok()) return column.error().Wrap("types.yaml: kind " + kind);
      t->columns.push_back(std::move(*column));
    }
    registry->types_[KeyOf(t->resource.group, t->resource.version, t->resource.plural)] = t;
  }
  return registry;
}

TypePtr Registry::Find(const std::string& group, const std::string& version, const std::string& plural) const {
  std::lock_guard lock(mutex_);
  auto it = types_.find(KeyOf(group, version, plural));
  return it == types_.end() ? nullptr : it->second;
}

TypePtr Registry::FindKind(const std::string& api_version, const std::string& kind) const {
  std::lock_guard lock(mutex_);
  for (const auto& [key, t] : types_)
    if (t->resource.kind == kind && t->resource.ApiVersion() == api_version) return t;
  return nullptr;
}

bool Registry::Serves(const std::string& group, const std::string& version) const {
  auto all = All();
  return std::any_of(all.begin(), all.end(),
                     [&](const TypePtr& t) { return t->resource.group == group && t->resource.version == version; });
}

std::vector<TypePtr> Registry::All() const {
  std::lock_guard lock(mutex_);
  std::vector<TypePtr> out;
  for (const auto& [key, t] : types_) out.push_back(t);
  return out;
}

Status Registry::AddCustom(const Json& crd) {
  const Json& spec = At(crd, "spec");
  std::string group = Str(spec, "group"), plural = Str(spec, "names", "plural"), kind = Str(spec, "names", "kind"),
              scope = Str(spec, "scope");
  if (group.empty() || plural.empty() || kind.empty())
    return MakeError(Code::kInvalid, "spec: group, names.plural and names.kind are required");
  if (scope != "Cluster" && scope != "Namespaced")
    return MakeError(Code::kInvalid,
                     "spec.scope: Unsupported value: \"" + scope + "\": supported values: \"Cluster\", \"Namespaced\"");
  if (kube::Name(crd) != plural + "." + group)
    return MakeError(Code::kInvalid, "metadata.name: must be spec.names.plural+\".\"+spec.group");
  std::vector<std::shared_ptr<ResourceType>> fresh;
  for (const Json& v : At(spec, "versions")) {
    if (!value::Bool(v, "served")) continue;
    auto t = std::make_shared<ResourceType>();
    t->resource = {group, Str(v, "name"), plural, scope == "Namespaced", kind};
    t->singular = Str(spec, "names", "singular").empty() ? ToLower(kind) : Str(spec, "names", "singular");
    t->list_kind = Str(spec, "names", "listKind").empty() ? kind + "List" : Str(spec, "names", "listKind");
    for (const Json& s : At(spec, "names", "shortNames")) t->short_names.push_back(value::AsString(s));
    for (const Json& s : At(spec, "names", "categories")) t->categories.push_back(value::AsString(s));
    t->schema = At(v, "schema", "openAPIV3Schema");
    if (!t->schema.is_object())
      return MakeError(Code::kInvalid, "spec.versions: version " + Str(v, "name") + " has no schema.openAPIV3Schema");
    AddRootFields(t->schema);
    t->has_status = At(v, "subresources", "status").is_object();
    t->has_generation = t->needs_version_for_update = t->custom = true;
    for (const Json& c : At(v, "additionalPrinterColumns")) {
      Column column{Str(c, "name"),        Str(c, "type"),
                    Str(c, "description"), "",
                    std::nullopt,          static_cast<int>(value::Int(c, "priority"))};
      auto path = value::JsonPath::Create(Str(c, "jsonPath"));
      if (!path.ok()) return path.error();
      column.path = std::move(*path);
      t->columns.push_back(std::move(column));
    }
    if (t->columns.empty()) t->columns.push_back(AgeColumn());
    fresh.push_back(std::move(t));
  }
  if (fresh.empty()) return MakeError(Code::kInvalid, "spec.versions: no version is served");
  std::lock_guard lock(mutex_);
  for (auto& t : fresh) types_[KeyOf(group, t->resource.version, plural)] = t;
  ++generation_;
  return {};
}

void Registry::RemoveCustom(const std::string& group, const std::string& plural) {
  std::lock_guard lock(mutex_);
  std::erase_if(types_, [&](const auto& e) {
    return e.second->custom && e.second->resource.group == group && e.second->resource.plural == plural;
  });
  ++generation_;
}

}  // namespace fairlead::lab
