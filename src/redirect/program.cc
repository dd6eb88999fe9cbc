#include "redirect/program.h"

#include "kernel/netns.h"
#include "kernel/nft.h"

namespace fairlead::redirect {
namespace {

// The listing without what differs between two equal tables: handles, versions, counters.
Json Canonical(Json listing) {
  Json out = Json::array();
  for (Json& entry : listing["nftables"]) {
    if (entry.contains("metainfo")) continue;
    for (auto& [kind, body] : entry.items()) {
      body.erase("handle");
      if (body.contains("expr"))
        for (Json& e : body["expr"])
          if (e.contains("counter")) e = Json{{"counter", nullptr}};
    }
    out.push_back(entry);
  }
  return out;
}

// The sidecar tables in the calling thread's namespace.
Result<std::map<std::string, Json>> ListTables() {
  std::map<std::string, Json> out;
  for (const std::string& name : SidecarTables()) {
    auto text = kernel::NftListJson("list table inet " + name);
    if (!text.ok() && text.error().code == Code::kNotFound) continue;
    if (!text.ok()) return text.error();
    FL_ASSIGN(Json j, value::ParseJson(*text, "nft's listing of table " + name));
    out[name] = Canonical(std::move(j));
  }
  return out;
}

// istio-cni's rule: the first global address decides, dual stack looks at all of them.
Result<bool> WantsIpv6(const SidecarConfig& config) {
  FL_ASSIGN(auto addresses, kernel::GlobalAddresses());
  bool any6 =
      std::any_of(addresses.begin(), addresses.end(), [](const std::string& a) { return a.find(':') != a.npos; });
  bool first6 = !addresses.empty() && addresses[0].find(':') != std::string::npos;
  return config.dual_stack ? any6 : first6;
}

}  // namespace

Result<std::shared_ptr<const Programmer::Wanted>> Programmer::Want(const SidecarConfig& config, bool ipv6) {
  FL_ASSIGN(std::string script, SidecarNftScript(config, ipv6));
  {
    std::lock_guard lock(mutex_);
    if (auto it = cache_.find(script); it != cache_.end()) return it->second;
  }
  auto wanted = std::make_shared<Wanted>();
  wanted->script = script;
  FL_ASSIGN(UniqueFd scratch, kernel::CreateNetns());
  FL_TRY(kernel::RunInNetns(scratch.get(), [&]() -> Status {
    FL_TRY(kernel::NftRun(script));
    FL_ASSIGN(wanted->tables, ListTables());
    return {};
  }));
  std::lock_guard lock(mutex_);
  if (cache_.size() > 256) cache_.clear();
  cache_[script] = wanted;
  return std::shared_ptr<const Wanted>(wanted);
}

Result<Programmed> Programmer::Apply(int netns_fd, const SidecarConfig& config) {
  Programmed result = Programmed::kUnchanged;
  bool ipv6 = false;
  FL_TRY(kernel::RunInNetns(netns_fd, [&]() -> Status {
    FL_ASSIGN(ipv6, WantsIpv6(config));
    return {};
  }));
  FL_ASSIGN(auto wanted, Want(config, ipv6));
  FL_TRY(kernel::RunInNetns(netns_fd, [&]() -> Status {
    if (ipv6) FL_TRY(kernel::AddLoopbackAddress6("::6"));
    FL_ASSIGN(auto have, ListTables());
    if (have == wanted->tables) return {};
    FL_TRY(kernel::NftRun(wanted->script));
    result = Programmed::kWritten;
    return {};
  }));
  return result;
}

Status Programmer::Verify(int netns_fd, const SidecarConfig& config) {
  bool ipv6 = false;
  std::map<std::string, Json> have;
  FL_TRY(kernel::RunInNetns(netns_fd, [&]() -> Status {
    FL_ASSIGN(ipv6, WantsIpv6(config));
    FL_ASSIGN(have, ListTables());
    return {};
  }));
  FL_ASSIGN(auto wanted, Want(config, ipv6));
  if (have.empty() && !wanted->tables.empty()) return MakeError(Code::kNotFound, "the pod has no redirection rules");
  for (const std::string& name : SidecarTables())
    if (have[name] != (wanted->tables.contains(name) ? wanted->tables.at(name) : Json()))
      return MakeError(Code::kConflict, "table inet " + name + " differs from what it should be");
  return {};
}

}  // namespace fairlead::redirect
