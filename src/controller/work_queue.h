// Keys that wait to be reconciled, each at most once. A key that is added while it is being worked on runs again
// afterwards; one key never runs twice at a time.
//
// The rules are those of client-go's workqueue: per-key back-off of 5 ms doubling to 1000 s after failures, and of two
// times for the same waiting key the earlier one counts.
//
// Threading: every member may be called from any thread.
#pragma once
#include <optional>
#include <set>
#include <stop_token>

#include "util/clock.h"

namespace fairlead::controller {

class WorkQueue {
 public:
  explicit WorkQueue(const Clock& clock = Clock::Real()) : clock_(clock) {}
  void Add(const std::string& key) { AddAfter(key, Millis(0)); }
  void AddAfter(const std::string& key, Millis delay);
  // Again after the key's back-off, which grows with each call until Forget.
  void AddRateLimited(const std::string& key);
  void Forget(const std::string& key);
  // The next key that is due; waits for one. nullopt when stop is requested.
  std::optional<std::string> Get(const std::stop_token& stop);
  // A key that is due now, without waiting.
  std::optional<std::string> TryGet();
  void Done(const std::string& key);
  size_t depth() const;

 private:
  std::optional<std::string> TakeDue();  // with mutex_ held

  const Clock& clock_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable_any changed_;
  std::map<std::string, SteadyTime> waiting_;
  std::set<std::string> processing_;
  std::map<std::string, SteadyTime> again_;  // added while processing
  std::map<std::string, int> failures_;
  uint64_t changes_ = 0;
};

}  // namespace fairlead::controller
