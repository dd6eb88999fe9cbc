// Which pods belong to the ambient mesh and what their redirection to ztunnel must be, as pure functions. Source of the
// behaviour: istio cni/pkg/util/enablement_selector.go (which), cni/pkg/nodeagent/net.go (overrides), cni/pkg/iptables
// and cni/pkg/nftables (rules).
#pragma once
#include "kube/object.h"
#include "redirect/rules.h"
#include "value/json.h"

namespace fairlead::redirect {

// What holds for the whole node.
struct AmbientSettings {
  struct Selector {
    kube::Selector pods, namespaces;
  };
  std::vector<Selector> selectors;
  bool dns_capture = true;
  bool ipv6 = true;
  std::string probe_address = "169.254.7.127";
  std::string probe_address6 = "fd16:9254:7127:1337:ffff:ffff:ffff:ffff";
};

struct AmbientConfig {
  bool dns_capture = true;
  bool bypass_inbound = false;  // inbound traffic is left alone (for ingress gateways)
  bool ipv6 = true;
  std::vector<std::string> reroute_interfaces;
  std::string probe_address = "169.254.7.127", probe_address6 = "fd16:9254:7127:1337:ffff:ffff:ffff:ffff";
  bool operator==(const AmbientConfig&) const = default;
};

// The value of AMBIENT_ENABLEMENT_SELECTOR: a YAML or JSON list of {podSelector, namespaceSelector}. "": istio's
// default, which is the label istio.io/dataplane-mode=ambient on the pod or on its namespace.
Result<std::vector<AmbientSettings::Selector>> ParseEnablementSelectors(const std::string& text);

// "" when the pod belongs to the ambient mesh, otherwise why not.
std::string WhyNotAmbient(const Json& pod, const Json& namespace_labels, const AmbientSettings& settings);
AmbientConfig AmbientConfigOf(const Json& pod, const AmbientSettings& settings);
// `ipv6`: whether the pod's namespace has IPv6 at all.
RuleSet AmbientRules(const AmbientConfig& config, bool ipv6);

}  // namespace fairlead::redirect
