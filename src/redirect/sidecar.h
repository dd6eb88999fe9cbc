// What a sidecar pod's redirection must be, as a pure function of the pod. Source of the behaviour: istio
// cni/pkg/plugin/sidecar_redirect.go (inputs) and tools/istio-nftables/pkg/capture (rules).
#pragma once
#include <string>
#include <vector>

#include "redirect/rules.h"
#include "value/json.h"

namespace fairlead::redirect {

struct SidecarConfig {
  std::string interception_mode = "REDIRECT";  // or TPROXY
  std::vector<std::string> include_ip_ranges{"*"};
  std::vector<std::string> exclude_ip_ranges;
  std::string include_inbound_ports = "*";  // "*" or a comma-separated list
  std::vector<uint16_t> exclude_inbound_ports{15020, 15021, 15090};
  std::vector<uint16_t> include_outbound_ports;
  std::vector<uint16_t> exclude_outbound_ports{15020};
  std::vector<std::string> exclude_interfaces;
  std::vector<std::string> reroute_interfaces;
  uint32_t proxy_uid = 1337, proxy_gid = 1337;
  // Whose traffic is captured, by the group that runs it: all but the excluded ones, or, where any are included, those
  // alone.
  std::vector<uint32_t> owner_groups_include, owner_groups_exclude;
  std::string loopback_cidr = "127.0.0.1/32";  // what stays local, of IPv4
  bool dns_capture = false;
  bool dual_stack = false;
  bool drop_invalid = false;
  bool operator==(const SidecarConfig&) const = default;
};

// Why a pod is left alone, or how it is redirected.
struct SidecarDecision {
  std::string skip_reason;  // "" = redirect
  SidecarConfig config;
};

// kInvalid names the pod, the annotation, its value and what is allowed. `defaults`: what holds for the whole node.
Result<SidecarDecision> DecideSidecar(const Json& pod, const SidecarConfig& defaults = {});

// istio's rules for it. The v4 rules are always there; those for v6 where the pod has an IPv6 address.
RuleSet SidecarRules(const SidecarConfig& config, bool ipv6);

}  // namespace fairlead::redirect
