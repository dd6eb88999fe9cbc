// What was read of shared objects. They never change, so what was read of one holds as long as the object is there.
#pragma once
#include <unordered_map>

#include "kube/informer.h"

namespace fairlead::kube {

// Not thread-safe. References stay valid until a Sweep that comes after one without an Of.
template <class T>
class Memo {
 public:
  template <class ReadFn>
  const T& Of(const ObjectPtr& object, ReadFn&& read) {
    Entry& entry = entries_[object.get()];
    if (entry.object.expired()) entry = {object, read(*object)};
    entry.round = round_;
    return entry.read;
  }
  // Forgets what was not asked for since the last one.
  void Sweep() {
    std::erase_if(entries_, [&](const auto& e) { return e.second.round != round_; });
    ++round_;
  }
  void Clear() { entries_.clear(); }

 private:
  struct Entry {
    std::weak_ptr<const Json> object;  // another one may come to the same address
    T read;
    uint64_t round = 0;
  };
  std::unordered_map<const Json*, Entry> entries_;
  uint64_t round_ = 0;
};

}  // namespace fairlead::kube
