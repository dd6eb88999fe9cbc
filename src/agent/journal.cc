#include "agent/journal.h"

#include "util/file.h"
#include "util/log.h"

namespace fairlead::agent {
namespace {

std::shared_ptr<UniqueFd> Keep(UniqueFd netns) {
  netns.MoveUp();
  return std::make_shared<UniqueFd>(std::move(netns));
}

}  // namespace

Status Journal::Load(const std::string& netns_dir) {
  FL_TRY(MakeDirectories(dir_, 0700));
  FL_ASSIGN(auto names, ListDirectory(dir_));
  for (const std::string& name : names) {
    if (!name.ends_with(".json")) continue;
    auto text = ReadFile(dir_ + "/" + name, 1 << 20);
    auto j = text.ok() ? value::ParseJson(*text, name) : Result<Json>(text.error());
    auto entry = j.ok() ? JournalEntryFromJson(*j) : Result<JournalEntry>(j.error());
    if (!entry.ok()) {
      Log(Level::kWarn, "a journal entry that cannot be read was set aside (*.bad); its pod is looked for again",
          {{"file", name}, {"error", entry.error().message}});
      (void)::rename((dir_ + "/" + name).c_str(), (dir_ + "/" + name + ".bad").c_str());
      continue;
    }
    Enrolled e{std::move(*entry), nullptr};
    auto fd = kernel::OpenNetns(netns_dir + "/" + e.entry.netns_path.substr(e.entry.netns_path.rfind('/') + 1));
    if (fd.ok())
      if (auto id = kernel::IdentifyNetns(fd->get()); id.ok() && *id == e.entry.netns) e.netns = Keep(std::move(*fd));
    std::lock_guard lock(mutex_);
    entries_.try_emplace(e.entry.container_id, std::move(e));
  }
  return {};
}

Status Journal::Refresh(const std::string& netns_dir) {
  FL_ASSIGN(auto names, ListDirectory(dir_));
  {
    std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& e) {
      return std::find(names.begin(), names.end(), e.first + ".json") == names.end();
    });
  }
  return Load(netns_dir);
}

Status Journal::Put(JournalEntry entry, std::shared_ptr<UniqueFd> netns) {
  if (netns) netns->MoveUp();
  FL_TRY(WriteFileAtomic(PathOf(entry.container_id), value::Dump(ToJson(entry)), 0600));
  std::lock_guard lock(mutex_);
  std::string id = entry.container_id;
  entries_[id] = {std::move(entry), std::move(netns)};
  return {};
}

void Journal::Adopt(JournalEntry entry, UniqueFd netns) {
  std::lock_guard lock(mutex_);
  std::string id = entry.container_id;
  entries_[id] = {std::move(entry), netns.valid() ? Keep(std::move(netns)) : nullptr};
}

Status Journal::Erase(const std::string& container_id) {
  {
    std::lock_guard lock(mutex_);
    entries_.erase(container_id);
  }
  return RemoveFile(PathOf(container_id));
}

std::vector<Enrolled> Journal::List() const {
  std::lock_guard lock(mutex_);
  std::vector<Enrolled> out;
  for (const auto& [id, e] : entries_) out.push_back(e);
  return out;
}

std::optional<Enrolled> Journal::FindPod(const std::string& pod_uid) const {
  std::lock_guard lock(mutex_);
  for (const auto& [id, e] : entries_)
    if (e.entry.pod_uid == pod_uid) return e;
  return std::nullopt;
}

std::optional<Enrolled> Journal::Find(const std::string& container_id) const {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(container_id);
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}

}  // namespace fairlead::agent
