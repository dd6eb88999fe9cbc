#include "lab/schema.h"

#include <regex>

#include "lab/cel.h"
#include "util/strings.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Bool;
using value::Str;

bool KeepsUnknown(const Json& schema) { return Bool(schema, "x-kubernetes-preserve-unknown-fields"); }

std::string Below(const std::string& path, const std::string& key) { return path.empty() ? key : path + "." + key; }

std::string Quoted(const Json& v) { return v.is_string() ? "\"" + v.get<std::string>() + "\"" : value::Dump(v); }

bool IsMetadataKey(const std::string& key) { return key == "apiVersion" || key == "kind" || key == "metadata"; }

void Add(std::vector<FieldError>& errors, const std::string& path, const char* reason, const std::string& message) {
  errors.push_back({path, reason, message});
}

bool TypeFits(const Json& v, const std::string& type) {
  if (type == "object") return v.is_object();
  if (type == "array") return v.is_array();
  if (type == "string") return v.is_string();
  if (type == "boolean") return v.is_boolean();
  if (type == "integer")
    return v.is_number_integer() ||
           (v.is_number() && v.get<double>() == static_cast<double>(static_cast<int64_t>(v.get<double>())));
  if (type == "number") return v.is_number();
  return true;
}

void ValidateScalar(const Json& v, const Json& schema, const std::string& path, std::vector<FieldError>& errors) {
  if (const Json& options = At(schema, "enum");
      options.is_array() && std::find(options.begin(), options.end(), v) == options.end()) {
    std::vector<std::string> names;
    for (const Json& o : options) names.push_back(Quoted(o));
    Add(errors, path, "FieldValueNotSupported",
        "Unsupported value: " + Quoted(v) + ": supported values: " + Join(names, ", "));
  }
  if (v.is_string()) {
    const auto& s = v.get_ref<const std::string&>();
    if (const Json& n = At(schema, "maxLength"); n.is_number() && s.size() > n.get<size_t>())
      Add(errors, path, "FieldValueTooLong", "Too long: may not be more than " + value::Dump(n) + " bytes");
    if (const Json& n = At(schema, "minLength"); n.is_number() && s.size() < n.get<size_t>())
      Add(errors, path, "FieldValueInvalid",
          "Invalid value: " + Quoted(v) + ": " + path + " in body should be at least " + value::Dump(n) +
              " chars long");
    if (std::string pattern = Str(schema, "pattern"); !pattern.empty() && s.size() < 4096) {
      try {
        if (!std::regex_search(s, std::regex(pattern)))
          Add(errors, path, "FieldValueInvalid",
              "Invalid value: " + Quoted(v) + ": " + path + " in body should match '" + pattern + "'");
      } catch (const std::regex_error&) {  // a pattern that this library does not know does not refuse anything
      }
    }
  }
  if (v.is_number()) {
    double d = v.get<double>();
    if (const Json& n = At(schema, "minimum"); n.is_number() && d < n.get<double>())
      Add(errors, path, "FieldValueInvalid",
          "Invalid value: " + value::Dump(v) + ": " + path + " in body should be greater than or equal to " +
              value::Dump(n));
    if (const Json& n = At(schema, "maximum"); n.is_number() && d > n.get<double>())
      Add(errors, path, "FieldValueInvalid",
          "Invalid value: " + value::Dump(v) + ": " + path + " in body should be less than or equal to " +
              value::Dump(n));
  }
}

void ValidateRules(const Json& v, const Json* old, const Json& schema, const std::string& path,
                   std::vector<FieldError>& errors) {
  for (const Json& rule : At(schema, "x-kubernetes-validations")) {
    std::string text = Str(rule, "rule");
    bool transition = text.find("oldSelf") != std::string::npos;
    if (transition && !old) continue;
    auto verdict = EvaluateRule(text, v, old ? *old : value::Null());
    if (verdict.ok() && *verdict) continue;
    std::string message = Str(rule, "message");
    if (!verdict.ok()) message = "rule evaluation error: " + verdict.error().message;
    if (message.empty()) message = "failed rule: " + text;
    std::string shown = "\"" + std::string(value::TypeName(v)) + "\"";
    Add(errors, path, "FieldValueInvalid", "Invalid value: " + shown + ": " + message);
  }
}

}  // namespace

void Prune(Json& object, const Json& schema, std::vector<std::string>* unknown, const std::string& path, bool root) {
  if (object.is_array()) {
    const Json& items = At(schema, "items");
    if (!items.is_object()) return;
    for (size_t i = 0; i < object.size(); ++i)
      Prune(object[i], items, unknown, path + "[" + std::to_string(i) + "]", false);
    return;
  }
  if (!object.is_object()) return;
  const Json& properties = At(schema, "properties");
  const Json& additional = At(schema, "additionalProperties");
  bool embedded = Bool(schema, "x-kubernetes-embedded-resource");
  std::vector<std::string> drop;
  for (auto& [key, v] : object.items()) {
    if ((root || embedded) && IsMetadataKey(key)) continue;
    if (properties.contains(key))
      Prune(v, properties[key], unknown, Below(path, key), false);
    else if (additional.is_object())
      Prune(v, additional, unknown, Below(path, key), false);
    else if (additional.is_boolean() && additional.get<bool>())
      continue;
    else if (!KeepsUnknown(schema))
      drop.push_back(key);
  }
  for (const std::string& key : drop) {
    object.erase(key);
    if (unknown) unknown->push_back(Below(path, key));
  }
}

void ApplyDefaults(Json& object, const Json& schema) {
  if (object.is_array()) {
    for (Json& item : object) ApplyDefaults(item, At(schema, "items"));
    return;
  }
  if (!object.is_object()) return;
  for (const auto& [key, sub] : At(schema, "properties").items()) {
    const Json& fallback = At(sub, "default");
    auto it = object.find(key);
    if (!fallback.is_null() && (it == object.end() || (it->is_null() && !Bool(sub, "nullable"))))
      object[key] = fallback;
    if (it = object.find(key); it != object.end()) ApplyDefaults(*it, sub);
  }
  if (const Json& additional = At(schema, "additionalProperties"); additional.is_object())
    for (auto& [key, v] : object.items())
      if (!At(schema, "properties").contains(key)) ApplyDefaults(v, additional);
}

void Validate(const Json& v, const Json* old, const Json& schema, const std::string& path,
              std::vector<FieldError>& errors) {
  std::string type = Str(schema, "type");
  if (v.is_null() && (Bool(schema, "nullable") || KeepsUnknown(schema))) return;
  if (Bool(schema, "x-kubernetes-int-or-string")) {
    if (!v.is_string() && !v.is_number_integer())
      Add(errors, path, "FieldValueTypeInvalid",
          "Invalid value: \"" + std::string(value::TypeName(v)) + "\": " + path +
              " in body must be of type integer,string: \"" + value::TypeName(v) + "\"");
    return;
  }
  if (!type.empty() && !TypeFits(v, type)) {
    Add(errors, path, "FieldValueTypeInvalid",
        "Invalid value: \"" + std::string(value::TypeName(v)) + "\": " + path + " in body must be of type " + type +
            ": \"" + value::TypeName(v) + "\"");
    return;
  }
  size_t before = errors.size();
  if (v.is_object()) {
    for (const Json& key : At(schema, "required"))
      if (!v.contains(key.get<std::string>()))
        Add(errors, Below(path, key.get<std::string>()), "FieldValueRequired", "Required value");
    const Json& properties = At(schema, "properties");
    const Json& additional = At(schema, "additionalProperties");
    for (const auto& [key, member] : v.items()) {
      const Json* old_member = old && old->is_object() && old->contains(key) ? &(*old)[key] : nullptr;
      if (properties.contains(key))
        Validate(member, old_member, properties[key], Below(path, key), errors);
      else if (additional.is_object())
        Validate(member, old_member, additional, Below(path, key), errors);
    }
  } else if (v.is_array()) {
    if (const Json& n = At(schema, "maxItems"); n.is_number() && v.size() > n.get<size_t>())
      Add(errors, path, "FieldValueTooMany",
          "Too many: " + std::to_string(v.size()) + ": must have at most " + value::Dump(n) + " items");
    for (size_t i = 0; i < v.size(); ++i)
      Validate(v[i], nullptr, At(schema, "items"), path + "[" + std::to_string(i) + "]", errors);
  } else {
    ValidateScalar(v, schema, path, errors);
  }
  if (errors.size() == before) ValidateRules(v, old, schema, path, errors);
}

}  // namespace fairlead::lab
