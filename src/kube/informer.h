// A local copy of a resource, kept current by list and watch.
//
// Flow: list -> replace the store -> watch from there -> apply each event -> call the handlers.
// Guarantees: handlers see every object's latest state, though not each state between; a DELETED is delivered for an
// object that vanished while the watch was away. Reads may be stale: compare generations, never assume. Threading: one
// thread of its own runs list, watch and the handlers; reads are safe from anywhere.
#pragma once
#include <unordered_map>

#include "kube/api.h"

namespace fairlead::kube {

using ObjectPtr = std::shared_ptr<const Json>;

class Informer {
 public:
  // old is null when added, now is null when deleted.
  using HandlerFn = std::function<void(const ObjectPtr& old, const ObjectPtr& now)>;

  Informer(Api& api, Resource resource, std::string ns = "", ListOptions options = {});
  ~Informer();
  Informer(const Informer&) = delete;

  void AddHandler(HandlerFn handler);  // before Start
  // Takes out of each object what nobody here looks at, before it is kept; a change that leaves nothing else is none.
  // Objects without a name, of which many are equal then, are kept once. Before Start.
  void SetTrim(std::function<void(Json&)> trim) { trim_ = std::move(trim); }
  void Start();
  void Stop();
  bool WaitForSync(std::chrono::milliseconds timeout, std::stop_token stop = {}) const;
  bool synced() const { return synced_; }
  size_t size() const;

  ObjectPtr Get(const std::string& key) const;  // null when absent
  std::vector<ObjectPtr> List() const;
  // With their keys, for objects that are trimmed of their names.
  std::vector<std::pair<std::string, ObjectPtr>> Entries() const;
  const Resource& resource() const { return resource_; }

 private:
  void Run(std::stop_token stop);
  using Objects = std::map<std::string, ObjectPtr>;
  Result<std::string> ListAll(Objects& into);  // the version of the list
  void Replace(Objects fresh);
  ObjectPtr Keep(Json object);
  void Apply(WatchEvent event);
  void Notify(const ObjectPtr& old, const ObjectPtr& now);

  Api& api_;
  Resource resource_;
  std::string ns_;
  ListOptions options_;
  std::vector<HandlerFn> handlers_;
  std::function<void(Json&)> trim_;
  std::unordered_map<size_t, std::weak_ptr<const Json>>
      kept_;                  // those without a name, by hash; the informer's thread's
  mutable std::mutex mutex_;  // guards store_
  mutable std::condition_variable_any changed_;
  Objects store_;
  std::atomic<bool> synced_{false};
  std::jthread thread_;
};

}  // namespace fairlead::kube
