#include "controller/work_queue.h"

namespace fairlead::controller {

void WorkQueue::AddAfter(const std::string& key, Millis delay) {
  std::lock_guard lock(mutex_);
  auto due = clock_.Now() + delay;
  auto& into = processing_.contains(key) ? again_ : waiting_;
  auto [it, inserted] = into.emplace(key, due);
  if (!inserted && due < it->second) it->second = due;
  ++changes_;
  changed_.notify_all();
}

void WorkQueue::AddRateLimited(const std::string& key) {
  int n;
  {
    std::lock_guard lock(mutex_);
    n = failures_[key]++;
  }
  AddAfter(key, Millis(n >= 18 ? 1000000 : std::min(1000000, 5 << n)));
}

void WorkQueue::Forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  failures_.erase(key);
}

std::optional<std::string> WorkQueue::TakeDue() {
  auto first = waiting_.end();
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it)
    if (first == waiting_.end() || it->second < first->second) first = it;
  if (first == waiting_.end() || first->second > clock_.Now()) return std::nullopt;
  std::string key = first->first;
  waiting_.erase(first);
  processing_.insert(key);
  return key;
}

std::optional<std::string> WorkQueue::TryGet() {
  std::lock_guard lock(mutex_);
  return TakeDue();
}

std::optional<std::string> WorkQueue::Get(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto key = TakeDue()) return key;
    auto next = clock_.Now() + std::chrono::hours(1);
    for (const auto& [key, due] : waiting_) next = std::min(next, due);
    uint64_t seen = changes_;
    changed_.wait_until(lock, stop, next, [&] { return changes_ != seen; });
  }
  return std::nullopt;
}

void WorkQueue::Done(const std::string& key) {
  std::lock_guard lock(mutex_);
  processing_.erase(key);
  auto it = again_.find(key);
  if (it == again_.end()) return;
  auto [at, inserted] = waiting_.emplace(key, it->second);
  if (!inserted) at->second = std::min(at->second, it->second);
  again_.erase(it);
  ++changes_;
  changed_.notify_all();
}

size_t WorkQueue::depth() const {
  std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace fairlead::controller
