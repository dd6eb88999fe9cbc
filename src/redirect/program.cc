#include "redirect/program.h"

#include "kernel/netns.h"
#include "kernel/routes.h"

namespace fairlead::redirect {
namespace {

constexpr BackendKind kKinds[] = {BackendKind::kNft, BackendKind::kIptablesNft, BackendKind::kIptablesLegacy};

std::string PrefixOf(const PodConfig& config) {
  return std::holds_alternative<SidecarConfig>(config) ? "istio-proxy" : "istio-ambient";
}

// The rules for the pod whose namespace the calling thread is in. For sidecars, istio-cni's rule: the first global
// address decides about IPv6, dual stack looks at all of them.
Result<RuleSet> RulesHere(const PodConfig& config) {
  if (auto* ambient = std::get_if<AmbientConfig>(&config)) return AmbientRules(*ambient, kernel::HasIpv6());
  const auto& sidecar = std::get<SidecarConfig>(config);
  FL_ASSIGN(auto addresses, kernel::GlobalAddresses());
  auto is6 = [](const std::string& a) { return a.find(':') != a.npos; };
  bool any6 = std::any_of(addresses.begin(), addresses.end(), is6);
  bool first6 = !addresses.empty() && is6(addresses[0]);
  return SidecarRules(sidecar, sidecar.dual_stack ? any6 : first6);
}

std::vector<kernel::LocalRoute> RoutesOf(const RuleSet& rules) {
  std::vector<kernel::LocalRoute> out;
  for (const MarkRoute& r : rules.routes)
    for (bool v6 : {false, true})
      if (!v6 || rules.ipv6) out.push_back({v6, r.mark, r.mask, r.table, r.priority});
  return out;
}

Status Differs(const Listing& have, const Listing& expected) {
  if (have == expected) return {};
  if (have.empty()) return MakeError(Code::kNotFound, "the pod has no redirection rules");
  for (const Listing* side : {&expected, &have})
    for (const auto& [table, text] : *side)
      if (!have.contains(table) || !expected.contains(table) || have.at(table) != expected.at(table))
        return MakeError(Code::kConflict, "table " + table + " differs from what it should be");
  return {};
}

}  // namespace

Programmer::Programmer() {
  for (BackendKind kind : kKinds) backends_[static_cast<size_t>(kind)] = NewBackend(kind);
}

Result<bool> Programmer::Present(BackendKind kind, const std::string& prefix) {
  auto there = Of(kind).Present(prefix);
  if (!there.ok() && there.error().code == Code::kNotFound) return false;  // that program is not installed here
  return there;
}

Result<Programmed> Programmer::Apply(int netns_fd, const PodConfig& config, BackendKind kind) {
  Backend& backend = Of(kind);
  Programmed result = Programmed::kUnchanged;
  FL_TRY(kernel::RunInNetns(netns_fd, [&]() -> Status {
    FL_ASSIGN(RuleSet rules, RulesHere(config));
    FL_ASSIGN(Listing expected, backend.Expect(rules));
    // Runtimes run the loopback plugin beside the network's, not before it: lo may still be down, and takes no routes
    // then.
    FL_TRY(kernel::SetLoopbackUp());
    // The way back of marked packets comes before the rules that mark them.
    for (const kernel::LocalRoute& r : RoutesOf(rules)) {
      FL_ASSIGN(bool added, kernel::AddLocalRoute(r));
      if (added) result = Programmed::kWritten;
    }
    if (!rules.loopback6.empty()) FL_TRY(kernel::AddLoopbackAddress6(rules.loopback6));
    FL_ASSIGN(Listing have, backend.List(rules));
    if (have == expected) return {};
    FL_TRY(backend.Write(rules, have));
    result = Programmed::kWritten;
    return {};
  }));
  return result;
}

Status Programmer::Verify(int netns_fd, const PodConfig& config, BackendKind kind) {
  Backend& backend = Of(kind);
  return kernel::RunInNetns(netns_fd, [&]() -> Status {
    FL_ASSIGN(RuleSet rules, RulesHere(config));
    FL_ASSIGN(Listing expected, backend.Expect(rules));
    FL_ASSIGN(Listing have, backend.List(rules));
    FL_TRY(Differs(have, expected));
    for (const kernel::LocalRoute& r : RoutesOf(rules)) {
      FL_ASSIGN(bool there, kernel::HasLocalRoute(r));
      if (!there)
        return MakeError(Code::kConflict,
                         "the route of marked packets (table " + std::to_string(r.table) + ") is missing");
    }
    return {};
  });
}

Status Programmer::Remove(int netns_fd, const PodConfig& config) {
  return kernel::RunInNetns(netns_fd, [&]() -> Status {
    FL_ASSIGN(RuleSet rules, RulesHere(config));
    for (BackendKind kind : kKinds) {
      FL_ASSIGN(bool there, Present(kind, rules.nft_prefix));
      if (there) FL_TRY(Of(kind).Remove(rules.nft_prefix));
    }
    for (const kernel::LocalRoute& r : RoutesOf(rules)) FL_TRY(kernel::DeleteLocalRoute(r));
    return {};
  });
}

Result<std::optional<BackendKind>> Programmer::Recognise(int netns_fd, const PodConfig& config) {
  std::optional<BackendKind> found;
  FL_TRY(kernel::RunInNetns(netns_fd, [&]() -> Status {
    for (BackendKind kind : kKinds) {
      FL_ASSIGN(bool there, Present(kind, PrefixOf(config)));
      if (there) {
        found = kind;
        return {};
      }
    }
    return {};
  }));
  return found;
}

}  // namespace fairlead::redirect
