// What a resource of ours installs: charts, rendered with values, applied, and pruned of what they render no more.
//
// Guarantees: nothing that this depends on changed means no request at all; most passes of an update are about pods
// that become ready. What cannot be rendered or applied leaves what runs as it is. Threading: one worker installs;
// MarkChanged may be called from anywhere.
#pragma once
#include <mutex>

#include "mesh/operator.h"
#include "mesh/releases.h"
#include "mesh/status.h"
#include "util/clock.h"

namespace fairlead::mesh {

struct Installed {
  std::string wanted;                     // what it was made from
  Json inventory;                         // [{apiVersion, kind, namespace, name}]
  std::map<std::string, Json> workloads;  // "DaemonSet/namespace/name" and Deployments, as the server answered
  SteadyTime at{};
};

class Installer {
 public:
  // `look_period`: how often everything is looked at although nothing seems to have changed.
  Installer(Operator& op, Millis look_period) : op_(op), look_period_(look_period) {}
  // `inputs`: the objects that decided what is to be installed, the owner first. `inventory`: what its status says it
  // has installed, null for a first installation. nullopt: all is there, and `Of` tells what.
  std::optional<Problem> Install(const std::vector<Operator::Input>& inputs, const Resources& resources,
                                 const std::vector<Release>& releases, const Json& inventory);
  const Installed& Of(const Json& owner) const;
  void Forget(const std::string& owner_uid);
  // Something that was installed may have changed since.
  void MarkChanged(const std::string& owner_uid);

 private:
  // What Helm has installed under these names, whose objects are ours from now on, or go.
  Json Adopted(const std::vector<Release>& releases);

  Operator& op_;
  Millis look_period_;
  std::map<std::string, Installed> installed_;  // by the owner's uid
  std::mutex mutex_;                            // guards changed_
  std::set<std::string> changed_;
};

// Whether an event about an object that the operator made is about that, rather than about how far its pods are.
bool MayChangeInstallation(const kube::ObjectPtr& before, const kube::ObjectPtr& now);

}  // namespace fairlead::mesh
