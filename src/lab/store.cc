#include "lab/store.h"

namespace fairlead::lab {
namespace {

constexpr size_t kHistory = 65536;

}  // namespace

std::expected<ObjectPtr, Json> Store::Write(const std::string& kind, const std::string& key, const Mutation& mutation) {
  std::lock_guard lock(mutex_);
  Table& table = tables_[kind];
  auto it = table.objects.find(key);
  ObjectPtr before = it == table.objects.end() ? nullptr : it->second;
  auto next = mutation(before);
  if (!next || *next == before) return next;
  ++version_;
  Json object = *next ? **next : *before;
  object["metadata"]["resourceVersion"] = std::to_string(version_);
  auto stored = std::make_shared<const Json>(std::move(object));
  const char* type = !*next ? "DELETED" : before ? "MODIFIED" : "ADDED";
  if (*next)
    table.objects[key] = stored;
  else
    table.objects.erase(key);
  table.history.push_back({version_, type, stored, before});
  if (table.history.size() > kHistory) {
    table.forgotten = table.history.front().version;
    table.history.pop_front();
  }
  changed_.notify_all();
  return stored;
}

ObjectPtr Store::Get(const std::string& kind, const std::string& key) const {
  std::lock_guard lock(mutex_);
  const Table& t = tables_[kind];
  auto it = t.objects.find(key);
  return it == t.objects.end() ? nullptr : it->second;
}

std::vector<ObjectPtr> Store::List(const std::string& kind, const std::string& ns) const {
  uint64_t version;
  return List(kind, ns, version);
}

std::vector<ObjectPtr> Store::List(const std::string& kind, const std::string& ns, uint64_t& version) const {
  std::lock_guard lock(mutex_);
  version = version_;
  std::vector<ObjectPtr> out;
  for (const auto& [key, o] : tables_[kind].objects)
    if (ns.empty() || key.starts_with(ns + "/")) out.push_back(o);
  return out;
}

uint64_t Store::version() const {
  std::lock_guard lock(mutex_);
  return version_;
}

Result<std::vector<Change>> Store::ChangesAfter(const std::string& kind, uint64_t from, Millis timeout) const {
  std::unique_lock lock(mutex_);
  const Table& t = tables_[kind];
  uint64_t wakes = wakes_;
  changed_.wait_for(lock, timeout, [&] {
    return wakes_ != wakes || t.forgotten > from || (!t.history.empty() && t.history.back().version > from);
  });
  if (t.forgotten > from)
    return MakeError(Code::kGone,
                     "too old resource version: " + std::to_string(from) + " (" + std::to_string(version_) + ")");
  std::vector<Change> out;
  for (auto it = t.history.rbegin(); it != t.history.rend() && it->version > from; ++it) out.push_back(*it);
  std::reverse(out.begin(), out.end());
  return out;
}

uint64_t Store::WaitForAny(uint64_t from, Millis timeout) const {
  std::unique_lock lock(mutex_);
  uint64_t wakes = wakes_;
  changed_.wait_for(lock, timeout, [&] { return version_ > from || wakes_ != wakes; });
  return version_;
}

void Store::WakeAll() {
  std::lock_guard lock(mutex_);
  ++wakes_;
  changed_.notify_all();
}

void Store::Compact() {
  std::lock_guard lock(mutex_);
  for (auto& [kind, t] : tables_) {
    if (!t.history.empty()) t.forgotten = t.history.back().version;
    t.history.clear();
  }
  changed_.notify_all();
}

}  // namespace fairlead::lab
