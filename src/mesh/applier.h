// Brings a set of rendered objects to the cluster: writes what differs, removes what is no longer rendered.
//
// Guarantees: an object that already is as rendered is not written (an unchanged pass sends no write). What others
// added to it goes, be it by hand or by Helm before it was ours; but for webhooks, into which istiod writes its CA.
// Objects that another controls are refused, not taken. Identity labels and annotations are those of Helm and of the
// sail-operator.
#pragma once
#include <mutex>

#include "kube/mapper.h"

namespace fairlead::mesh {

inline constexpr const char* kFieldManager = "fairlead-operator";

struct Applied {
  Json inventory = Json::array();         // [{apiVersion, kind, namespace, name}] in the order applied
  std::map<std::string, Json> workloads;  // DaemonSets and Deployments, "Kind/namespace/name" -> as the server has it
  int written = 0;
};

class Applier {
 public:
  Applier(kube::Api& api, kube::ResourceMapper& mapper) : api_(api), mapper_(mapper) {}
  // `owner` becomes the controller of each object. The first error ends the pass; what was written stays.
  Result<Applied> Apply(const std::vector<Json>& objects, const Json& owner, const std::string& release,
                        const std::string& release_ns);
  // Deletes what the inventory lists and `keep` does not, newest first. Objects that the owner does not control stay,
  // but for those of a Helm release that is being adopted: of an entry with `release`, what Helm marked as its own.
  Status Prune(const Json& inventory, const Json& keep, const std::string& owner_uid);

  kube::ResourceMapper& mapper() { return mapper_; }

 private:
  // Writes the object so that it is as rendered.
  Result<Json> Write(const kube::Resource& resource, const Json& object, const Json& live);
  bool IsStubborn(const std::string& key, const std::string& hash, const Json& live);
  kube::Api& api_;
  kube::ResourceMapper& mapper_;
  // Objects that are not as rendered, and that writing again would not change: what was written, and what came of it.
  std::mutex mutex_;  // guards stubborn_
  std::map<std::string, std::string> stubborn_;
};

// The managed fields of an object, with what others set by hand or by an update counted as set by our apply, so that
// the next apply takes away what it does not set. What belongs to a subresource, such as status, stays theirs.
Json TakeOverFields(const Json& managed_fields);

// True when every member of `wanted` is in `live` with the same value; lists match item by item. Defaults that a server
// adds do not matter.
bool Covers(const Json& live, const Json& wanted);

}  // namespace fairlead::mesh
