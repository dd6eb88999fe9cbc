// An update of the CNI as lines of text: what `fairlead update` and `fairlead status` show. Pure.
#pragma once
#include <vector>

#include "value/json.h"

namespace fairlead::cmd {

struct NodeProgress {
  enum class State { kWaiting, kStarting, kFailing, kDone };
  std::string node;
  State state = State::kWaiting;
  std::string version;  // of the agent that serves; "" when none does
  std::string detail;   // of what starts or fails
};

// Of every node that has an agent, by name. `agents`: the pods of the DaemonSet. `version`: as in spec.version,
// "v1.28.6".
std::vector<NodeProgress> ProgressOf(const std::vector<Json>& agents, const std::string& version);

struct ViewOptions {
  size_t width = 80, height = 24;
  bool color = false;
};

// The whole view: a line for the update, one for each node. Where there are more nodes than lines, those that change or
// fail; the others are counted.
std::vector<std::string> UpdateView(const Json& cni, const std::vector<NodeProgress>& nodes, int seconds,
                                    const ViewOptions& options);
// For a terminal that cannot go back: what has changed since, a line each.
std::vector<std::string> ChangesSince(const std::vector<NodeProgress>& before, const std::vector<NodeProgress>& now);

}  // namespace fairlead::cmd
