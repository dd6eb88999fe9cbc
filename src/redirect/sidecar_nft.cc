#include "redirect/sidecar.h"
#include "util/strings.h"

namespace fairlead::redirect {
namespace {

// Collects the rules of one table and writes its part of the transaction. Chains appear when a rule or a jump needs
// them.
class Table {
 public:
  explicit Table(std::string name) : name_(std::move(name)) {}

  void Base(const std::string& chain, const std::string& spec) { chains_.emplace_back(chain, " { " + spec + " ; }"); }
  void Rule(const std::string& chain, const std::string& rule) {
    Need(chain);
    if (size_t at = rule.find("jump "); at != rule.npos) Need(rule.substr(at + 5));
    rules_.push_back("add rule inet " + name_ + " " + chain + " " + rule);
  }
  // The table is emptied first in the same transaction, so it always ends as described here.
  std::string Script() const {
    if (rules_.empty()) return "add table inet " + name_ + "\ndelete table inet " + name_ + "\n";
    std::string out = "add table inet " + name_ + "\ndelete table inet " + name_ + "\nadd table inet " + name_ + "\n";
    for (const auto& [chain, spec] : chains_) out += "add chain inet " + name_ + " " + chain + spec + "\n";
    for (const std::string& rule : rules_) out += rule + "\n";
    return out;
  }

 private:
  void Need(const std::string& chain) {
    for (const auto& [have, spec] : chains_)
      if (have == chain) return;
    chains_.emplace_back(chain, "");
  }
  std::string name_;
  std::vector<std::pair<std::string, std::string>> chains_;
  std::vector<std::string> rules_;
};

bool IsV6(const std::string& cidr) { return cidr.find(':') != cidr.npos; }

class SidecarRules {
 public:
  SidecarRules(const SidecarConfig& c, bool ipv6) : c_(c), ipv6_(ipv6) {}

  std::string Script() {
    nat_.Base("prerouting", "type nat hook prerouting priority -100");
    nat_.Base("output", "type nat hook output priority -100");
    Exclusions();
    Inbound();
    Outbound();
    if (c_.dns_capture) Dns();
    if (c_.drop_invalid) {
      mangle_.Base("prerouting", "type filter hook prerouting priority -150");
      mangle_.Rule("prerouting", "ct state invalid counter jump istio-drop");
      mangle_.Rule("istio-drop", "counter drop");
    }
    return nat_.Script() + mangle_.Script() + raw_.Script();
  }

 private:
  void Exclusions() {
    for (const std::string& i : c_.reroute_interfaces) {
      if (std::find(c_.include_ip_ranges.begin(), c_.include_ip_ranges.end(), "*") != c_.include_ip_ranges.end())
        nat_.Rule("prerouting", "iifname " + Quote(i) + " counter jump istio-redirect");
      nat_.Rule("prerouting", "iifname " + Quote(i) + " counter return");
    }
    for (const std::string& i : c_.exclude_interfaces) {
      nat_.Rule("prerouting", "iifname " + Quote(i) + " counter return");
      nat_.Rule("output", "oifname " + Quote(i) + " counter return");
    }
  }

  void Inbound() {
    nat_.Rule("istio-inbound", "meta l4proto tcp tcp dport 15008 counter return");
    nat_.Rule("istio-redirect", "meta l4proto tcp counter redirect to :15001");
    nat_.Rule("istio-in-redirect", "meta l4proto tcp counter redirect to :15006");
    if (c_.include_inbound_ports.empty()) return;
    nat_.Rule("prerouting", "meta l4proto tcp counter jump istio-inbound");
    if (c_.include_inbound_ports == "*") {
      for (uint16_t p : c_.exclude_inbound_ports)
        nat_.Rule("istio-inbound", "meta l4proto tcp tcp dport " + std::to_string(p) + " counter return");
      nat_.Rule("istio-inbound", "meta l4proto tcp counter jump istio-in-redirect");
    } else {
      for (const std::string& p : SplitNonEmpty(c_.include_inbound_ports, ','))
        nat_.Rule("istio-inbound", "meta l4proto tcp tcp dport " + p + " counter jump istio-in-redirect");
    }
  }

  void Outbound() {
    const std::string o = "istio-output";
    nat_.Rule("output", "counter jump " + o);
    for (uint16_t p : c_.exclude_outbound_ports) {
      nat_.Rule(o, "meta l4proto tcp tcp dport " + std::to_string(p) + " counter return");
      nat_.Rule(o, "meta l4proto udp udp dport " + std::to_string(p) + " counter return");
    }
    // 127.0.0.6 and ::6 are the addresses from which the proxy speaks to the application.
    Both(o, "oifname lo ", "saddr 127.0.0.6/32", "saddr ::6/128", " counter return");
    Owner("skuid " + std::to_string(c_.proxy_uid), "skuid != " + std::to_string(c_.proxy_uid));
    Owner("skgid " + std::to_string(c_.proxy_gid), "skgid != " + std::to_string(c_.proxy_gid));
    if (c_.dns_capture) {
      nat_.Rule(o, "counter jump istio-output-dns");
      nat_.Rule("istio-output-dns", "meta l4proto tcp tcp dport 53 counter redirect to :15053");
      nat_.Rule("istio-output-dns", "meta l4proto udp udp dport 53 counter redirect to :15053");
    }
    Both(o, "", "daddr 127.0.0.1/32", "daddr ::1/128", " counter return");
    for (const std::string& cidr : c_.exclude_ip_ranges) Range(cidr, "counter return");
    for (uint16_t p : c_.include_outbound_ports)
      nat_.Rule(o, "meta l4proto tcp tcp dport " + std::to_string(p) + " counter jump istio-redirect");
    for (const std::string& cidr : c_.include_ip_ranges) {
      if (cidr == "*")
        nat_.Rule(o, "counter jump istio-redirect");
      else
        Range(cidr, "counter jump istio-redirect");
    }
  }

  // What the proxy itself sends: to the application by way of lo it is inbound traffic, anything else leaves untouched;
  // what the application sends to itself stays local.
  void Owner(const std::string& is, const std::string& is_not) {
    const std::string o = "istio-output",
                      ports = c_.dns_capture ? "tcp dport != { 53, 15008 } " : "tcp dport != 15008 ";
    Both(o, "oifname lo meta l4proto tcp ", "daddr != 127.0.0.1/32", "daddr != ::1/128",
         " " + ports + is + " counter jump istio-in-redirect");
    bool loopback_included = false;
    for (const std::string& cidr : c_.include_ip_ranges)
      loopback_included |= cidr.starts_with("127.") || cidr.starts_with("::1");
    if (!loopback_included)
      nat_.Rule(o, std::string("oifname lo ") + (c_.dns_capture ? "meta l4proto tcp tcp dport != 53 " : "") + is_not +
                       " counter return");
    nat_.Rule(o, is + " counter return");
  }

  void Dns() {
    raw_.Base("prerouting", "type filter hook prerouting priority -300");
    raw_.Base("output", "type filter hook output priority -300");
    raw_.Rule("output", "counter jump istio-output-dns");
    for (const std::string& who : {"skuid " + std::to_string(c_.proxy_uid), "skgid " + std::to_string(c_.proxy_gid)}) {
      raw_.Rule("istio-output-dns", "meta l4proto udp udp dport 53 " + who + " counter ct zone set 1");
      raw_.Rule("istio-output-dns", "meta l4proto udp udp sport 15053 " + who + " counter ct zone set 2");
    }
    raw_.Rule("istio-output-dns", "meta l4proto udp udp dport 53 counter ct zone set 2");
    raw_.Rule("prerouting", "counter jump istio-inbound");
    raw_.Rule("istio-inbound", "meta l4proto udp udp sport 53 counter ct zone set 1");
  }

  void Range(const std::string& cidr, const std::string& verdict) {
    if (IsV6(cidr) && !ipv6_) return;
    nat_.Rule("istio-output", (IsV6(cidr) ? "ip6 daddr " : "ip daddr ") + cidr + " " + verdict);
  }
  void Both(const std::string& chain, const std::string& before, const std::string& v4, const std::string& v6,
            const std::string& after) {
    nat_.Rule(chain, before + "ip " + v4 + after);
    if (ipv6_) nat_.Rule(chain, before + "ip6 " + v6 + after);
  }
  static std::string Quote(const std::string& name) { return "\"" + name + "\""; }

  const SidecarConfig& c_;
  bool ipv6_;
  Table nat_{"istio-proxy-nat"}, mangle_{"istio-proxy-mangle"}, raw_{"istio-proxy-raw"};
};

}  // namespace

std::vector<std::string> SidecarTables() { return {"istio-proxy-nat", "istio-proxy-mangle", "istio-proxy-raw"}; }

Result<std::string> SidecarNftScript(const SidecarConfig& config, bool ipv6) {
  if (config.interception_mode == "TPROXY")
    return MakeError(
        Code::kUnsupported,
        "interception mode TPROXY is not supported yet; set annotation sidecar.istio.io/interceptionMode to REDIRECT");
  return SidecarRules(config, ipv6).Script();
}

}  // namespace fairlead::redirect
