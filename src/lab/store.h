// Objects in memory with one resource version counter and a history of changes for watches.
//
// Guarantees: writes are serialized; every change gets a version of its own; history keeps the last 65536 changes of
// each resource, and a watch from before them is told so (kGone). Threading: every member may be called from any
// thread.
#pragma once
#include "kube/informer.h"
#include "util/clock.h"

namespace fairlead::lab {

using kube::ObjectPtr;

struct Change {
  uint64_t version = 0;
  std::string type;          // ADDED, MODIFIED, DELETED
  ObjectPtr object, before;  // before: null when added
};

class Store {
 public:
  // Decides what becomes of an object: the new one, the same pointer for no change, or nullptr to remove it.
  using Mutation = std::function<std::expected<ObjectPtr, Json>(const ObjectPtr& current)>;

  // `kind` is group/plural, `key` namespace/name. Sets metadata.resourceVersion. The error is the mutation's.
  std::expected<ObjectPtr, Json> Write(const std::string& kind, const std::string& key, const Mutation& mutation);
  ObjectPtr Get(const std::string& kind, const std::string& key) const;
  // Every object, of one namespace unless "".
  std::vector<ObjectPtr> List(const std::string& kind, const std::string& ns = "") const;
  std::vector<ObjectPtr> List(const std::string& kind, const std::string& ns, uint64_t& version) const;
  uint64_t version() const;
  // Changes after `from`, waiting up to `timeout` for one. kGone when history does not reach back that far.
  Result<std::vector<Change>> ChangesAfter(const std::string& kind, uint64_t from, Millis timeout) const;
  // Waits until anything changed after `from`; returns the current version.
  uint64_t WaitForAny(uint64_t from, Millis timeout) const;
  // Wakes everybody who waits (for shutdown and for cut connections).
  void WakeAll();
  // Forgets history, as a compaction does: watches from older versions end with 410.
  void Compact();

 private:
  struct Table {
    std::map<std::string, ObjectPtr> objects;
    std::deque<Change> history;
    uint64_t forgotten = 0;  // the newest version that history lacks
  };
  mutable std::mutex mutex_;  // guards tables_, version_, wakes_
  mutable std::condition_variable changed_;
  mutable std::map<std::string, Table> tables_;
  uint64_t version_ = 1;
  uint64_t wakes_ = 0;
};

}  // namespace fairlead::lab
