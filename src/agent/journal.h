// What the agent must remember about each pod that it enrolled: on the node's disk, so that the next agent knows it
// too, and in memory with the descriptor of the pod's network namespace.
//
// One file an attachment in <run_dir>/journal, replaced atomically. Threading: every member may be called from any
// thread. Failure: an unreadable file is logged, set aside as *.bad, and counts as absent.
#pragma once
#include <mutex>

#include "agent/journal_entry.h"
#include "util/fd.h"

namespace fairlead::agent {

struct Enrolled {
  JournalEntry entry;
  std::shared_ptr<UniqueFd> netns;  // null when the namespace could not be opened
};

class Journal {
 public:
  explicit Journal(std::string dir) : dir_(std::move(dir)) {}
  // Reads the directory. Namespaces are opened below `netns_dir`; one that is gone, or another one by now, has no fd.
  Status Load(const std::string& netns_dir);
  // The same once more, after another agent has written there: what it added comes in, what it removed goes.
  Status Refresh(const std::string& netns_dir);
  Status Put(JournalEntry entry, std::shared_ptr<UniqueFd> netns);
  // Takes over an entry that another agent wrote already.
  void Adopt(JournalEntry entry, UniqueFd netns);
  Status Erase(const std::string& container_id);
  std::vector<Enrolled> List() const;
  std::optional<Enrolled> Find(const std::string& container_id) const;
  // The newest attachment of a pod.
  std::optional<Enrolled> FindPod(const std::string& pod_uid) const;

 private:
  std::string PathOf(const std::string& container_id) const { return dir_ + "/" + container_id + ".json"; }
  std::string dir_;
  mutable std::mutex mutex_;  // guards entries_
  std::map<std::string, Enrolled> entries_;
};

}  // namespace fairlead::agent
