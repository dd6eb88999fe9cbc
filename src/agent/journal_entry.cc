#include "agent/journal_entry.h"

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
          {"ownerGroupsInclude", c.owner_groups_include},
          {"ownerGroupsExclude", c.owner_groups_exclude},
          {"loopbackCIDR", c.loopback_cidr},
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

Result<redirect::SidecarConfig> SidecarFromJson(const Json& j) {
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
  ReadList(At(j, "ownerGroupsInclude"), c.owner_groups_include);
  ReadList(At(j, "ownerGroupsExclude"), c.owner_groups_exclude);
  if (std::string cidr = Str(j, "loopbackCIDR"); !cidr.empty()) c.loopback_cidr = cidr;
  if (!kernel::IsCidr(c.loopback_cidr))
    return MakeError(Code::kInvalid, "journal entry: loopbackCIDR is no address range");
  c.dns_capture = value::Bool(j, "dnsCapture");
  c.dual_stack = value::Bool(j, "dualStack");
  c.drop_invalid = value::Bool(j, "dropInvalid");
  for (const auto* ranges : {&c.include_ip_ranges, &c.exclude_ip_ranges})
    for (const std::string& range : *ranges)
      if (range != "*" && !kernel::IsCidr(range))
        return MakeError(Code::kInvalid, "journal entry: \"" + range + "\" is no address range");
  for (const auto* interfaces : {&c.exclude_interfaces, &c.reroute_interfaces})
    for (const std::string& i : *interfaces)
      if (!redirect::IsInterfaceName(i))
        return MakeError(Code::kInvalid, "journal entry: \"" + i + "\" is no interface name");
  return c;
}

Json AmbientToJson(const redirect::AmbientConfig& c) {
  return {{"dnsCapture", c.dns_capture},
          {"bypassInbound", c.bypass_inbound},
          {"ipv6", c.ipv6},
          {"rerouteInterfaces", c.reroute_interfaces},
          {"probeAddress", c.probe_address},
          {"probeAddress6", c.probe_address6}};
}

// Interface names and addresses end up in rules, and the file is on the node's disk: nothing else gets through.
Result<redirect::AmbientConfig> AmbientFromJson(const Json& j) {
  redirect::AmbientConfig c;
  c.dns_capture = value::Bool(j, "dnsCapture");
  c.bypass_inbound = value::Bool(j, "bypassInbound");
  c.ipv6 = value::Bool(j, "ipv6");
  ReadList(At(j, "rerouteInterfaces"), c.reroute_interfaces);
  c.probe_address = Str(j, "probeAddress");
  c.probe_address6 = Str(j, "probeAddress6");
  if (!kernel::IsAddress(c.probe_address) || !kernel::IsAddress(c.probe_address6))
    return MakeError(Code::kInvalid, "journal entry: probeAddress is no address");
  for (const std::string& i : c.reroute_interfaces)
    if (!redirect::IsInterfaceName(i)) return MakeError(Code::kInvalid, "journal entry: rerouteInterfaces: " + i);
  return c;
}

}  // namespace

Json ToJson(const JournalEntry& e) {
  Json j = {{"version", 1},
            {"containerID", e.container_id},
            {"podUID", e.pod_uid},
            {"podNamespace", e.pod_namespace},
            {"podName", e.pod_name},
            {"serviceAccount", e.service_account},
            {"network", e.network},
            {"netns", e.netns_path},
            {"netnsDevice", e.netns.device},
            {"netnsInode", e.netns.inode},
            {"backend", redirect::BackendName(e.backend)},
            {"found", e.found},
            {"agentVersion", e.agent_version}};
  if (e.ambient())
    j["ambient"] = AmbientToJson(std::get<redirect::AmbientConfig>(e.config));
  else
    j["sidecar"] = ConfigToJson(std::get<redirect::SidecarConfig>(e.config));
  return j;
}

Result<JournalEntry> JournalEntryFromJson(const Json& j) {
  if (value::Int(j, "version") != 1)
    return MakeError(Code::kUnsupported, "journal entry of version " + std::to_string(value::Int(j, "version")));
  JournalEntry e;
  e.container_id = Str(j, "containerID");
  e.pod_uid = Str(j, "podUID");
  e.pod_namespace = Str(j, "podNamespace");
  e.pod_name = Str(j, "podName");
  e.service_account = Str(j, "serviceAccount");
  e.network = Str(j, "network");
  e.netns_path = Str(j, "netns");
  e.netns = {static_cast<uint64_t>(value::Int(j, "netnsDevice")), static_cast<uint64_t>(value::Int(j, "netnsInode"))};
  e.found = value::Bool(j, "found");
  e.agent_version = Str(j, "agentVersion");
  auto backend = redirect::BackendByName(Str(j, "backend"));
  if (!backend) return MakeError(Code::kInvalid, "journal entry with backend \"" + Str(j, "backend") + "\"");
  e.backend = *backend;
  if (e.container_id.empty() || e.container_id.find('/') != e.container_id.npos)
    return MakeError(Code::kInvalid, "journal entry without a containerID");
  if (At(j, "sidecar").is_object()) {
    FL_ASSIGN(e.config, SidecarFromJson(At(j, "sidecar")));
  } else if (At(j, "ambient").is_object()) {
    FL_ASSIGN(e.config, AmbientFromJson(At(j, "ambient")));
  } else {
    return MakeError(Code::kInvalid, "journal entry without sidecar or ambient");
  }
  return e;
}

}  // namespace fairlead::agent
