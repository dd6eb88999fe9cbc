#include "agent/backend_choice.h"

#include "kernel/iptables.h"
#include "kernel/netns.h"
#include "kernel/nft.h"

namespace fairlead::agent {
namespace {

using redirect::BackendKind;

struct Choice {
  BackendKind kind;
  std::string why;
};

Choice ChooseHere(const Config& config) {
  auto nft = kernel::NftListJson("list tables");
  if (config.native_nftables && nft.ok()) return {BackendKind::kNft, "NATIVE_NFTABLES"};
  if (config.force_iptables == "legacy") return {BackendKind::kIptablesLegacy, "FORCE_IPTABLES_BINARY=legacy"};
  if (config.force_iptables == "nft") return {BackendKind::kIptablesNft, "FORCE_IPTABLES_BINARY=nft"};
  if (kernel::HasLegacyTables(false)) {
    auto rules = kernel::IptablesSave(kernel::Iptables::kLegacy, false);
    if (rules.ok() && rules->find("\n-A ") != rules->npos)
      return {BackendKind::kIptablesLegacy, "the host has rules in legacy iptables"};
  }
  if (kernel::IptablesSave(kernel::Iptables::kNft, false).ok())
    return {BackendKind::kIptablesNft, "iptables-nft works here"};
  if (kernel::IptablesSave(kernel::Iptables::kLegacy, false).ok())
    return {BackendKind::kIptablesLegacy, "only legacy iptables works here"};
  return {BackendKind::kNft, "no iptables works here"};
}

}  // namespace

BackendKind ChooseBackend(const Config& config, int host_netns) {
  Choice choice{BackendKind::kNft, ""};
  auto look = [&]() -> Status {
    choice = ChooseHere(config);
    return {};
  };
  Status s = host_netns >= 0 ? kernel::RunInNetns(host_netns, look) : look();
  if (!s.ok()) choice.why = s.error().message;
  Log(Level::kInfo, "backend chosen", {{"backend", redirect::BackendName(choice.kind)}, {"why", choice.why}});
  return choice.kind;
}

}  // namespace fairlead::agent
