#include "mesh/rollout_plan.h"

#include "kube/object.h"

namespace fairlead::mesh {

using value::At;
using value::Int;
using value::Str;

namespace {

constexpr int64_t kDefaultDeadlineSeconds = 600;
constexpr size_t kHistory = 10;

bool IsZero(const Json& limit) {
  std::string text = limit.is_number() ? std::to_string(limit.get<int64_t>()) : value::AsString(limit);
  return limit.is_null() || text.empty() || text == "0" || text == "0%";
}

// What decides how the agents run.
Json Essence(const Json& spec) {
  Json out = {{"version", At(spec, "version")}};
  for (const char* key : {"profile", "values"})
    if (!At(spec, key).is_null()) out[key] = At(spec, key);
  return out;
}

}  // namespace

bool IsUndone(const Json& status, int64_t generation) {
  return Int(status, "rollout", "undoneGeneration") == generation && At(status, "lastGood").is_object();
}

Json SpecToInstall(const Json& cni) {
  Json spec = At(cni, "spec");
  if (!IsUndone(At(cni, "status"), kube::Generation(cni))) return spec;
  const Json& good = At(cni, "status", "lastGood");
  for (const char* key : {"version", "profile", "values"}) {
    spec.erase(key);
    if (good.contains(key)) spec[key] = good[key];
  }
  return spec;
}

void SetLimits(Json& values, const Json& spec, const Json& status, int64_t generation, int64_t nodes_down) {
  if (!value::IsEmpty(At(values, "cni", "updateStrategy"))) return;
  const Json &rollout = At(spec, "rollout"), &progress = At(status, "rollout");
  for (const auto& [from, to] : {std::pair{"maxSurge", "rollingMaxSurge"}, {"maxUnavailable", "rollingMaxUnavailable"}})
    if (!At(rollout, from).is_null()) values["cni"][to] = At(rollout, from);
  bool fresh = Int(progress, "generation") != generation;
  if (!fresh && Int(progress, "outdated") == 0) return;  // nothing is being replaced

  const char* key = IsZero(At(values, "cni", "rollingMaxUnavailable")) ? "rollingMaxSurge" : "rollingMaxUnavailable";
  Json limit = At(values, "cni", key);
  if (limit.is_null()) limit = 1;  // as the chart has it
  if (value::AsBool(At(rollout, "canary")) && (fresh || Int(progress, "updated") == 0)) limit = 1;
  if (limit.is_number()) limit = limit.get<int64_t>() + nodes_down;
  if (At(values, "cni", key).is_null() && limit == 1) return;
  values["cni"][key] = limit;
}

Progress TrackProgress(Json& status, const Json& spec, const Rollout& now_rollout, int64_t generation,
                       int64_t nodes_down, WallTime now) {
  Progress out;
  Json before = At(status, "rollout");
  Json& rollout = status["rollout"];
  rollout["generation"] = generation;
  if (!IsUndone(status, generation)) {  // what was undone before is over
    rollout.erase("undoneGeneration");
    rollout.erase("undoneBecause");
  }
  if (now_rollout.ready) {
    rollout.erase("progressedAt");
    return out;
  }
  bool fresh = Int(before, "generation") != generation;
  auto since = ParseRfc3339(Str(before, "progressedAt"));
  if (fresh || !since.ok() || now_rollout.updated > Int(before, "updated")) {
    rollout["progressedAt"] = Rfc3339(now);
    since = now;
  }
  auto deadline =
      std::chrono::seconds(value::AsInt(At(spec, "rollout", "progressDeadlineSeconds"), kDefaultDeadlineSeconds));
  auto left = std::chrono::duration_cast<Millis>(*since + deadline - now);
  out.stalled = left <= Millis(0);
  if (!out.stalled) out.left = left + Millis(1000);                          // the time is kept in seconds
  bool elsewhere = now_rollout.desired - now_rollout.updated <= nodes_down;  // all that are up run it
  out.undo = out.stalled && !elsewhere && value::AsBool(At(spec, "rollout", "rollbackOnFailure")) &&
             At(status, "lastGood").is_object() && At(status, "lastGood") != Essence(spec);
  return out;
}

void RecordComplete(Json& status, const Json& spec, WallTime now) {
  Json good = Essence(spec);
  if (At(status, "lastGood") == good) return;
  status["lastGood"] = good;
  Json& history = status["history"];
  if (!history.is_array()) history = Json::array();
  if (!history.empty() && Str(history, 0, "version") == Str(spec, "version")) return;
  history.insert(history.begin(), Json{{"version", Str(spec, "version")}, {"completedAt", Rfc3339(now)}});
  while (history.size() > kHistory) history.erase(history.size() - 1);
}

std::string VersionBefore(const Json& cni) {
  for (const Json& entry : At(cni, "status", "history"))
    if (Str(entry, "version") != Str(cni, "spec", "version")) return Str(entry, "version");
  return "";
}

}  // namespace fairlead::mesh
