#include "agent/journal.h"

#include "util/file.h"
#include "util/log.h"

namespace fairlead::agent {
namespace {

using value::At;
using value::Str;

Json ConfigToJson(const redirect::SidecarConfig& c) {
  return {{"interceptionMode", c.interception_mode},
          {"includeIPRanges", c.include_ip_ranges},
          {"excludeIPRanges", c.exclude_ip_ranges},
          {"includeInboundPorts", c.include_inbound_ports},
          {"excludeInboundPorts", c.exclude_inbound_ports},
          {"includeOutboundPorts", c.include_outbound_ports},
          {"excludeOutboundPorts", c.exclude_outbound_ports},
          {"excludeInterfaces", c.exclude_interfaces},
          {"rerouteInterfaces", c.reroute_interfaces},
          {"proxyUID", c.proxy_uid},
          {"proxyGID", c.proxy_gid},
          {"dnsCapture", c.dns_capture},
          {"dualStack", c.dual_stack},
          {"dropInvalid", c.drop_invalid}};
}

template <class T>
void ReadList(const Json& j, std::vector<T>& into) {
  into.clear();
  for (const Json& item : j) {
    if constexpr (std::is_same_v<T, std::string>)
      into.push_back(value::AsString(item));
    else
      into.push_back(static_cast<T>(value::AsInt(item)));
  }
}

redirect::SidecarConfig ConfigFromJson(const Json& j) {
  redirect::SidecarConfig c;
  c.interception_mode = Str(j, "interceptionMode");
  c.include_inbound_ports = Str(j, "includeInboundPorts");
  ReadList(At(j, "includeIPRanges"), c.include_ip_ranges);
  ReadList(At(j, "excludeIPRanges"), c.exclude_ip_ranges);
  ReadList(At(j, "excludeInboundPorts"), c.exclude_inbound_ports);
  ReadList(At(j, "includeOutboundPorts"), c.include_outbound_ports);
  ReadList(At(j, "excludeOutboundPorts"), c.exclude_outbound_ports);
  ReadList(At(j, "excludeInterfaces"), c.exclude_interfaces);
  ReadList(At(j, "rerouteInterfaces"), c.reroute_interfaces);
  c.proxy_uid = static_cast<uint32_t>(value::Int(j, "proxyUID"));
  c.proxy_gid = static_cast<uint32_t>(value::Int(j, "proxyGID"));
  c.dns_capture = value::Bool(j, "dnsCapture");
  c.dual_stack = value::Bool(j, "dualStack");
  c.drop_invalid = value::Bool(j, "dropInvalid");
  return c;
}

}  // namespace

Json ToJson(const JournalEntry& e) {
  return {{"version", 1},
          {"containerID", e.container_id},
          {"podUID", e.pod_uid},
          {"podNamespace", e.pod_namespace},
          {"podName", e.pod_name},
          {"netns", e.netns_path},
          {"netnsDevice", e.netns.device},
          {"netnsInode", e.netns.inode},
          {"backend", "nft"},
          {"agentVersion", e.agent_version},
          {"sidecar", ConfigToJson(e.config)}};
}

Result<JournalEntry> JournalEntryFromJson(const Json& j) {
  if (value::Int(j, "version") != 1)
    return MakeError(Code::kUnsupported, "journal entry of version " + std::to_string(value::Int(j, "version")));
  JournalEntry e{
      Str(j, "containerID"), Str(j, "podUID"), Str(j, "podNamespace"), Str(j, "podName"), Str(j, "netns"), {}, {},
      Str(j, "agentVersion")};
  e.netns = {static_cast<uint64_t>(value::Int(j, "netnsDevice")), static_cast<uint64_t>(value::Int(j, "netnsInode"))};
  if (e.container_id.empty() || !At(j, "sidecar").is_object())
    return MakeError(Code::kInvalid, "journal entry without containerID or sidecar");
  e.config = ConfigFromJson(At(j, "sidecar"));
  return e;
}

Status Journal::Load(const std::string& netns_dir) {
  FL_TRY(MakeDirectories(dir_, 0700));
  FL_ASSIGN(auto names, ListDirectory(dir_));
  for (const std::string& name : names) {
    if (!name.ends_with(".json")) continue;
    auto text = ReadFile(dir_ + "/" + name, 1 << 20);
    auto j = text.ok() ? value::ParseJson(*text, name) : Result<Json>(text.error());
    auto entry = j.ok() ? JournalEntryFromJson(*j) : Result<JournalEntry>(j.error());
    if (!entry.ok()) {
      Log(Level::kWarn, "journal entry set aside", {{"file", name}, {"error", entry.error().message}});
      (void)::rename((dir_ + "/" + name).c_str(), (dir_ + "/" + name + ".bad").c_str());
      continue;
    }
    Enrolled e{std::move(*entry), nullptr};
    auto fd = kernel::OpenNetns(netns_dir + "/" + e.entry.netns_path.substr(e.entry.netns_path.rfind('/') + 1));
    if (fd.ok())
      if (auto id = kernel::IdentifyNetns(fd->get()); id.ok() && *id == e.entry.netns)
        e.netns = std::make_shared<UniqueFd>(std::move(*fd));
    std::lock_guard lock(mutex_);
    entries_.try_emplace(e.entry.container_id, std::move(e));
  }
  return {};
}

Status Journal::Put(JournalEntry entry, std::shared_ptr<UniqueFd> netns) {
  FL_TRY(WriteFileAtomic(PathOf(entry.container_id), value::Dump(ToJson(entry)), 0600));
  std::lock_guard lock(mutex_);
  std::string id = entry.container_id;
  entries_[id] = {std::move(entry), std::move(netns)};
  return {};
}

void Journal::Adopt(JournalEntry entry, UniqueFd netns) {
  std::lock_guard lock(mutex_);
  std::string id = entry.container_id;
  entries_[id] = {std::move(entry), netns.valid() ? std::make_shared<UniqueFd>(std::move(netns)) : nullptr};
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

std::optional<Enrolled> Journal::Find(const std::string& container_id) const {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(container_id);
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}

}  // namespace fairlead::agent
