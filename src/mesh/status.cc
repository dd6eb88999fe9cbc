#include "mesh/status.h"

#include "util/strings.h"

namespace fairlead::mesh {
namespace {

// Templates that include each other make messages of a hundred thousand characters; Kubernetes allows 32,768.
constexpr size_t kMaxMessage = 4096;

}  // namespace

using value::Str;

void SetCondition(Json& status, const std::string& type, const std::string& condition_status, const std::string& reason,
                  const std::string& message, int64_t generation, WallTime now) {
  Json& conditions = status["conditions"];
  if (!conditions.is_array()) conditions = Json::array();
  Json fresh = {{"type", type},
                {"status", condition_status},
                {"reason", reason},
                {"message", Shorten(message, kMaxMessage)},
                {"observedGeneration", generation},
                {"lastTransitionTime", Rfc3339(now)}};
  for (Json& c : conditions) {
    if (Str(c, "type") != type) continue;
    if (Str(c, "status") == condition_status && c.contains("lastTransitionTime"))
      fresh["lastTransitionTime"] = c["lastTransitionTime"];
    c = fresh;
    return;
  }
  conditions.push_back(fresh);
}

const Json& FindCondition(const Json& status, const std::string& type) {
  for (const Json& c : value::At(status, "conditions"))
    if (Str(c, "type") == type) return c;
  return value::Null();
}

std::string DeriveState(const Json& status, const std::vector<std::string>& types) {
  for (const std::string& type : types)
    if (const Json& c = FindCondition(status, type); !c.is_null() && Str(c, "status") != "True")
      return Str(c, "reason");
  return "Healthy";
}

}  // namespace fairlead::mesh
