#include "kube/scheduling.h"

#include <algorithm>

namespace fairlead::kube {

using value::At;
using value::Str;

namespace {

bool Tolerates(const Json& toleration, const Json& taint) {
  bool key = Str(toleration, "key").empty() || Str(toleration, "key") == Str(taint, "key");
  bool effect = Str(toleration, "effect").empty() || Str(toleration, "effect") == Str(taint, "effect");
  return key && effect && (Str(toleration, "operator") == "Exists" || Str(toleration, "value") == Str(taint, "value"));
}

}  // namespace

std::string WhyNotOnNode(const Json& spec, const Json& node) {
  for (const auto& [k, v] : At(spec, "nodeSelector").items())
    if (At(node, "metadata", "labels", k.c_str()) != v) return "it lacks the label " + k + "=" + value::AsString(v);
  const Json& tolerations = At(spec, "tolerations");
  for (const Json& taint : At(node, "spec", "taints")) {
    if (Str(taint, "effect") == "PreferNoSchedule") continue;
    bool tolerated =
        tolerations.is_array() && std::ranges::any_of(tolerations, [&](const Json& t) { return Tolerates(t, taint); });
    if (tolerated) continue;
    std::string of = Str(taint, "value");
    return "its taint " + Str(taint, "key") + (of.empty() ? "" : "=" + of) + ":" + Str(taint, "effect") +
           " is not tolerated";
  }
  return "";
}

Json DaemonSetTolerations() {
  Json out = Json::array();
  for (const auto& [key, effect] : {std::pair{"not-ready", "NoExecute"},
                                    {"unreachable", "NoExecute"},
                                    {"disk-pressure", "NoSchedule"},
                                    {"memory-pressure", "NoSchedule"},
                                    {"pid-pressure", "NoSchedule"},
                                    {"unschedulable", "NoSchedule"}})
    out.push_back({{"key", std::string("node.kubernetes.io/") + key}, {"operator", "Exists"}, {"effect", effect}});
  return out;
}

}  // namespace fairlead::kube
