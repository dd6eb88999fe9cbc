#include "kernel/netns.h"
#include "redirect/sidecar.h"
#include "util/log.h"
#include "util/strings.h"

namespace fairlead::redirect {
namespace {

using value::At;
using value::Str;

const Json& FindContainer(const Json& pod, const std::string& name) {
  for (const char* list : {"containers", "initContainers"})
    for (const Json& c : At(pod, "spec", list))
      if (Str(c, "name") == name) return c;
  return value::Null();
}

std::string EnvOf(const Json& container, const std::string& name) {
  for (const Json& e : At(container, "env"))
    if (Str(e, "name") == name) return Str(e, "value");
  return "";
}

bool EnvBool(const Json& container, const std::string& name) {
  std::string text = EnvOf(container, name);
  if (text.empty()) return false;
  auto b = ParseBool(text);
  if (!b.ok())
    Log(Level::kWarn, "an environment variable of the proxy is neither true nor false; it is taken as false",
        {{"env", name}, {"value", text}});
  return b.value_or(false);
}

// Reads annotations with names that errors can quote.
class Annotations {
 public:
  explicit Annotations(const Json& pod) : pod_(pod) {}

  Result<std::vector<uint16_t>> Ports(const std::string& key, std::vector<uint16_t> fallback) const {
    if (!Has(key)) return fallback;
    std::vector<uint16_t> out;
    for (const std::string& part : SplitNonEmpty(Text(key), ',')) {
      auto n = ParseInt(part);
      if (!n.ok() || *n < 0 || *n > 65535) return Bad(key, "a comma-separated list of ports from 0 to 65535");
      out.push_back(static_cast<uint16_t>(*n));
    }
    return out;
  }
  Result<std::vector<std::string>> Ranges(const std::string& key, std::vector<std::string> fallback, bool star) const {
    if (!Has(key)) return fallback;
    std::string text(Trim(Text(key)));
    if (star && text == "*") return std::vector<std::string>{"*"};
    std::vector<std::string> out = SplitNonEmpty(text, ',');
    for (const std::string& range : out)
      if (!kernel::IsCidr(range))
        return Bad(key,
                   star ? "\"*\" or a comma-separated list of CIDR ranges" : "a comma-separated list of CIDR ranges");
    return out;
  }
  Result<std::vector<std::string>> Interfaces(const std::string& key) const {
    std::vector<std::string> out = SplitNonEmpty(Text(key), ',');
    for (const std::string& name : out)
      if (!IsInterfaceName(name)) return Bad(key, "a comma-separated list of interface names");
    return out;
  }
  std::string Text(const std::string& key) const { return Str(pod_, "metadata", "annotations", key.c_str()); }
  bool Has(const std::string& key) const { return !At(pod_, "metadata", "annotations", key.c_str()).is_null(); }
  Error Bad(const std::string& key, const std::string& allowed) const {
    return MakeError(Code::kInvalid, "pod " + Str(pod_, "metadata", "namespace") + "/" + Str(pod_, "metadata", "name") +
                                         ": annotation " + key + ": \"" + Text(key) + "\" is not " + allowed);
  }

 private:
  const Json& pod_;
};

std::string SkipReason(const Json& pod, const Json& proxy) {
  if (value::Bool(pod, "spec", "hostNetwork")) return "pod uses the host's network";
  if (!FindContainer(pod, "istio-init").is_null()) return "pod has an istio-init container";
  if (proxy.is_null()) return "pod has no istio-proxy container";
  if (EnvBool(proxy, "DISABLE_ENVOY")) return "DISABLE_ENVOY is set on istio-proxy";
  const Json& args = At(proxy, "args");
  if (args.is_array() && args.size() >= 2 && value::AsString(args[0]) == "proxy") {
    std::string type = value::AsString(args[1]);
    if (!type.empty() && type[0] != '-' && type != "sidecar") return "istio-proxy runs as " + type;
  }
  std::string inject = Str(pod, "metadata", "labels", "sidecar.istio.io/inject");
  if (inject.empty()) inject = Str(pod, "metadata", "annotations", "sidecar.istio.io/inject");
  if (auto b = ParseBool(inject); b.ok() && !*b) return "sidecar.istio.io/inject is false";
  if (At(pod, "metadata", "annotations", "sidecar.istio.io/status").is_null())
    return "pod has no sidecar.istio.io/status annotation";
  return "";
}

}  // namespace

bool IsInterfaceName(const std::string& name) {
  return !name.empty() && name.size() <= 15 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-@") == name.npos;
}

Result<SidecarDecision> DecideSidecar(const Json& pod, const SidecarConfig& defaults) {
  const Json& proxy = FindContainer(pod, "istio-proxy");
  SidecarDecision out;
  out.skip_reason = SkipReason(pod, proxy);
  if (!out.skip_reason.empty()) return out;
  SidecarConfig& c = out.config;
  c = defaults;
  Annotations a(pod);
  if (a.Has("sidecar.istio.io/interceptionMode")) c.interception_mode = a.Text("sidecar.istio.io/interceptionMode");
  if (c.interception_mode != "REDIRECT" && c.interception_mode != "TPROXY")
    return a.Bad("sidecar.istio.io/interceptionMode", "REDIRECT or TPROXY");
  FL_ASSIGN(c.include_ip_ranges, a.Ranges("traffic.sidecar.istio.io/includeOutboundIPRanges", {"*"}, true));
  FL_ASSIGN(c.exclude_ip_ranges, a.Ranges("traffic.sidecar.istio.io/excludeOutboundIPRanges", {}, false));
  const std::string inbound = "traffic.sidecar.istio.io/includeInboundPorts";
  if (a.Has(inbound) && Trim(a.Text(inbound)) != "*") {
    FL_ASSIGN(auto ports, a.Ports(inbound, {}));
    c.include_inbound_ports = "";
    for (uint16_t p : ports)
      c.include_inbound_ports += (c.include_inbound_ports.empty() ? "" : ",") + std::to_string(p);
  }
  FL_ASSIGN(auto exclude_inbound, a.Ports("traffic.sidecar.istio.io/excludeInboundPorts", {}));
  for (uint16_t always : std::array<uint16_t, 3>{15020, 15021, 15090})
    if (std::find(exclude_inbound.begin(), exclude_inbound.end(), always) == exclude_inbound.end())
      exclude_inbound.push_back(always);
  c.exclude_inbound_ports = exclude_inbound;
  FL_ASSIGN(c.include_outbound_ports, a.Ports("traffic.sidecar.istio.io/includeOutboundPorts", {}));
  FL_ASSIGN(c.exclude_outbound_ports, a.Ports("traffic.sidecar.istio.io/excludeOutboundPorts", {15020}));
  FL_ASSIGN(c.exclude_interfaces, a.Interfaces("traffic.sidecar.istio.io/excludeInterfaces"));
  FL_ASSIGN(c.reroute_interfaces,
            a.Interfaces(a.Has("istio.io/reroute-virtual-interfaces") ? "istio.io/reroute-virtual-interfaces"
                                                                      : "traffic.sidecar.istio.io/kubevirtInterfaces"));
  if (int64_t uid = value::Int(proxy, "securityContext", "runAsUser"); uid > 0)
    c.proxy_uid = static_cast<uint32_t>(uid);
  if (int64_t gid = value::Int(proxy, "securityContext", "runAsGroup"); gid > 0)
    c.proxy_gid = static_cast<uint32_t>(gid);
  c.dns_capture = EnvBool(proxy, "ISTIO_META_DNS_CAPTURE");
  c.dual_stack = EnvBool(proxy, "ISTIO_DUAL_STACK");
  c.drop_invalid = EnvBool(proxy, "INVALID_DROP");
  return out;
}

}  // namespace fairlead::redirect
