#include "lab/simulated_nodes.h"

#include "lab/node.h"
#include "util/fd.h"

namespace fairlead::lab {

using value::Str;

namespace {

constexpr const char* kPrefix = "simulated-";

}  // namespace

SimulatedNodes::SimulatedNodes(LocalApi& api, int count) : api_(api) {
  for (int i = 1; i <= count; ++i) {
    std::string number = std::to_string(i), name = kPrefix + std::string(5 - number.size(), '0') + number;
    Json labels = {{"kubernetes.io/hostname", name}, {"kubernetes.io/os", "linux"}, {"kubernetes.io/arch", "amd64"}};
    std::string ip = "172.31." + std::to_string(100 + i / 250) + "." + std::to_string(1 + i % 250);
    (void)api_.Create(kube::kNodes, {{"metadata", {{"name", name}, {"labels", labels}}}, {"spec", Json::object()}})
        .ok();
    (void)api_.UpdateStatus(kube::kNodes, "", name, [&](Json& s) { s = NodeStatus(name, ip); }).ok();
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
}

void SimulatedNodes::Loop(const std::stop_token& stop) {
  uint64_t seen = 0;
  while (!stop.stop_requested()) {
    auto changes = api_.store().ChangesAfter("/pods", seen, Millis(200));
    if (!changes.ok()) {  // history is shorter than what happened meanwhile
      for (const auto& pod : api_.store().List("/pods", "", seen)) Keep(*pod);
      continue;
    }
    for (const auto& c : *changes) {
      seen = c.version;
      if (c.type != "DELETED") Keep(*c.object);
    }
  }
}

void SimulatedNodes::Keep(const Json& pod) {
  if (!Str(pod, "spec", "nodeName").starts_with(kPrefix)) return;
  std::string ns = kube::Namespace(pod), name = kube::Name(pod);
  if (kube::IsDeleting(pod)) {
    (void)api_
        .Delete(kube::kPods, ns, name,
                {.uid = kube::Uid(pod), .resource_version = "", .propagation = "", .grace_seconds = 0})
        .ok();
    return;
  }
  if (kube::IsPodReady(pod)) return;
  (void)api_
      .UpdateStatus(kube::kPods, ns, name,
                    [&](Json& s) {
                      std::string now = Rfc3339(WallNow());
                      s["phase"] = "Running";
                      s["startTime"] = now;
                      s["conditions"] = Json::array();
                      for (const char* type : {"PodScheduled", "Initialized", "ContainersReady", "Ready"})
                        s["conditions"].push_back({{"type", type}, {"status", "True"}, {"lastTransitionTime", now}});
                      s["containerStatuses"] = Json::array();
                      for (const Json& c : value::At(pod, "spec", "containers"))
                        s["containerStatuses"].push_back({{"name", Str(c, "name")},
                                                          {"image", Str(c, "image")},
                                                          {"imageID", Str(c, "image")},
                                                          {"ready", true},
                                                          {"started", true},
                                                          {"restartCount", 0},
                                                          {"state", {{"running", {{"startedAt", now}}}}}});
                    })
      .ok();
}

}  // namespace fairlead::lab
