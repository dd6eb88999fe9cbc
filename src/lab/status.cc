#include "lab/status.h"

#include "util/strings.h"

namespace fairlead::lab {
namespace {

Json Details(const ResourceType& t, const std::string& name) {
  Json d = {{"name", name}, {"kind", t.resource.plural}};
  if (!t.resource.group.empty()) d["group"] = t.resource.group;
  return d;
}

}  // namespace

Json Failure(int code, const std::string& reason, const std::string& message, const Json& details) {
  Json s = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", Json::object()},
            {"status", "Failure"}, {"message", message}, {"reason", reason},
            {"code", code}};
  if (!details.is_null()) s["details"] = details;
  return s;
}

Json NotFound(const ResourceType& t, const std::string& name) {
  return Failure(404, "NotFound", t.GroupResource() + " \"" + name + "\" not found", Details(t, name));
}

Json AlreadyExists(const ResourceType& t, const std::string& name) {
  return Failure(409, "AlreadyExists", t.GroupResource() + " \"" + name + "\" already exists", Details(t, name));
}

Json Conflict(const ResourceType& t, const std::string& name, const std::string& why) {
  return Failure(
      409, "Conflict",
      "Operation cannot be fulfilled on " + t.GroupResource() + " \"" + name + "\": " +
          (why.empty() ? "the object has been modified; please apply your changes to the latest version and try again"
                       : why),
      Details(t, name));
}

Json Invalid(const ResourceType& t, const std::string& name, const std::vector<FieldError>& errors) {
  std::vector<std::string> texts;
  Json details = Details(t, name);
  details["kind"] = t.resource.kind;
  details["causes"] = Json::array();
  for (const FieldError& e : errors) {
    texts.push_back(e.path + ": " + e.message);
    details["causes"].push_back({{"reason", e.reason}, {"message", e.message}, {"field", e.path}});
  }
  std::string kind = t.resource.group.empty() ? t.resource.kind : t.resource.kind + "." + t.resource.group;
  std::string all = texts.size() == 1 ? texts[0] : "[" + Join(texts, ", ") + "]";
  return Failure(422, "Invalid", kind + " \"" + name + "\" is invalid: " + all, details);
}

Json BadRequest(const std::string& message) { return Failure(400, "BadRequest", message); }

Json Forbidden(const ResourceType& t, const std::string& name, const std::string& why) {
  return Failure(403, "Forbidden", t.GroupResource() + " \"" + name + "\" is forbidden: " + why, Details(t, name));
}

Json Success() {
  return {{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", Json::object()}, {"status", "Success"}};
}

}  // namespace fairlead::lab
