#include "redirect/sidecar.h"
#include "util/strings.h"

namespace fairlead::redirect {
namespace {

constexpr uint32_t kTproxyMark = 1337, kOutboundMark = 1338, kTproxyRouteTable = 133;

bool IsV6(const std::string& cidr) { return cidr.find(':') != cidr.npos; }

Verdict Jump(const std::string& chain) { return {.kind = Verdict::kJump, .chain = chain}; }
Verdict Port(Verdict::Kind kind, uint16_t number) { return {.kind = kind, .number = number}; }

// Source of the order and content: istio tools/istio-iptables/pkg/capture/run.go.
class SidecarBuilder {
 public:
  SidecarBuilder(const SidecarConfig& c, bool ipv6) : c_(c), tproxy_(c.interception_mode == "TPROXY") {
    set_.nft_prefix = "istio-proxy";
    set_.ipv6 = ipv6;
  }

  RuleSet Build() {
    Interfaces();
    if (c_.drop_invalid) {
      Add({.table = "mangle", .chain = "PREROUTING", .ct_state = "INVALID", .verdict = Jump("ISTIO_DROP")});
      Add({.table = "mangle", .chain = "ISTIO_DROP", .verdict = {.kind = Verdict::kDrop}});
    }
    Nat({.chain = "ISTIO_INBOUND", .protocol = "tcp", .dport = {kTunnelPort}});
    Nat({.chain = "ISTIO_REDIRECT", .protocol = "tcp", .verdict = Port(Verdict::kRedirect, kOutboundPort)});
    Nat({.chain = "ISTIO_IN_REDIRECT", .protocol = "tcp", .verdict = Port(Verdict::kRedirect, kInboundPort)});
    if (!c_.include_inbound_ports.empty()) {
      if (tproxy_)
        TproxyInbound();
      else
        RedirectInbound();
    }
    Outbound();
    if (c_.dns_capture) DnsZones();
    if (tproxy_) TproxyMarks();
    if (set_.ipv6) set_.loopback6 = "::6";
    if (tproxy_) set_.routes.push_back({.mark = kTproxyMark, .table = kTproxyRouteTable});
    return std::move(set_);
  }

 private:
  void Interfaces() {
    bool all = std::find(c_.include_ip_ranges.begin(), c_.include_ip_ranges.end(), "*") != c_.include_ip_ranges.end();
    // Each was put first when it was added, so the last one comes first.
    std::vector<std::string> reroute(c_.reroute_interfaces.rbegin(), c_.reroute_interfaces.rend());
    if (all) {
      for (const std::string& i : reroute) Nat({.chain = "PREROUTING", .iif = i, .verdict = Jump("ISTIO_REDIRECT")});
    } else {
      for (auto cidr = c_.include_ip_ranges.rbegin(); cidr != c_.include_ip_ranges.rend(); ++cidr)
        for (const std::string& i : reroute)
          Range(*cidr, {.chain = "PREROUTING", .iif = i, .verdict = Jump("ISTIO_REDIRECT")});
    }
    for (const std::string& i : reroute) Nat({.chain = "PREROUTING", .iif = i});
    for (const std::string& i : c_.exclude_interfaces)
      for (const char* table : {"nat", "mangle"}) {
        if (table == std::string("mangle") && !tproxy_) continue;
        Add({.table = table, .chain = "PREROUTING", .iif = i});
        Add({.table = table, .chain = "OUTPUT", .oif = i});
      }
  }

  void RedirectInbound() {
    Nat({.chain = "PREROUTING", .protocol = "tcp", .verdict = Jump("ISTIO_INBOUND")});
    if (c_.include_inbound_ports == "*") {
      for (uint16_t p : c_.exclude_inbound_ports) Nat({.chain = "ISTIO_INBOUND", .protocol = "tcp", .dport = {p}});
      Nat({.chain = "ISTIO_INBOUND", .protocol = "tcp", .verdict = Jump("ISTIO_IN_REDIRECT")});
    } else {
      for (uint16_t p : InboundPorts())
        Nat({.chain = "ISTIO_INBOUND", .protocol = "tcp", .dport = {p}, .verdict = Jump("ISTIO_IN_REDIRECT")});
    }
  }

  void TproxyInbound() {
    Mangle({.chain = "ISTIO_DIVERT", .verdict = {.kind = Verdict::kSetMark, .value = kTproxyMark}});
    Mangle({.chain = "ISTIO_DIVERT", .verdict = {.kind = Verdict::kAccept}});
    Verdict tproxy{.kind = Verdict::kTproxy, .number = kInboundPort, .value = kTproxyMark};
    Both({.table = "mangle", .chain = "ISTIO_TPROXY", .protocol = "tcp", .dst = Address{"", true}, .verdict = tproxy},
         c_.loopback_cidr, "::1/128");
    Mangle({.chain = "PREROUTING", .protocol = "tcp", .verdict = Jump("ISTIO_INBOUND")});
    Mangle({.chain = "ISTIO_INBOUND", .protocol = "tcp", .mark = Mark{kTproxyMark}});
    Both({.table = "mangle", .chain = "ISTIO_INBOUND", .iif = "lo", .protocol = "tcp", .src = Address{}},
         "127.0.0.6/32", "::6/128");
    Mangle({.chain = "ISTIO_INBOUND",
            .iif = "lo",
            .protocol = "tcp",
            .mark = Mark{.value = kOutboundMark, .negate = true}});
    auto divert = [&](std::vector<uint16_t> port) {
      Mangle({.chain = "ISTIO_INBOUND",
              .protocol = "tcp",
              .dport = port,
              .ct_state = "RELATED,ESTABLISHED",
              .verdict = Jump("ISTIO_DIVERT")});
      Mangle({.chain = "ISTIO_INBOUND", .protocol = "tcp", .dport = port, .verdict = Jump("ISTIO_TPROXY")});
    };
    if (c_.include_inbound_ports == "*") {
      for (uint16_t p : c_.exclude_inbound_ports) Mangle({.chain = "ISTIO_INBOUND", .protocol = "tcp", .dport = {p}});
      divert({});
    } else {
      for (uint16_t p : InboundPorts()) divert({p});
    }
  }

  // Replies of the proxy find their way back by the mark that their connection had.
  void TproxyMarks() {
    Mangle(
        {.chain = "PREROUTING", .protocol = "tcp", .mark = Mark{kTproxyMark}, .verdict = {.kind = Verdict::kSaveMark}});
    Mangle({.chain = "OUTPUT", .oif = "lo", .protocol = "tcp", .mark = Mark{kTproxyMark}});
    for (const Owner& o : ProxyOwners())
      Both({.table = "mangle",
            .chain = "OUTPUT",
            .oif = "lo",
            .protocol = "tcp",
            .dst = Address{"", true},
            .owners = {o},
            .verdict = {.kind = Verdict::kSetMark, .value = kOutboundMark}},
           c_.loopback_cidr, "::1/128");
    Mangle({.chain = "OUTPUT",
            .protocol = "tcp",
            .connmark = Mark{kTproxyMark},
            .verdict = {.kind = Verdict::kRestoreMark}});
  }

  void Outbound() {
    const std::string o = "ISTIO_OUTPUT";
    Nat({.chain = "OUTPUT", .verdict = Jump(o)});
    for (uint16_t p : c_.exclude_outbound_ports)
      for (const char* protocol : {"tcp", "udp"}) Nat({.chain = o, .protocol = protocol, .dport = {p}});
    // 127.0.0.6 and ::6 are the addresses from which the proxy speaks to the application.
    Both({.table = "nat", .chain = o, .oif = "lo", .src = Address{}}, "127.0.0.6/32", "::6/128");
    for (const Owner& owner : ProxyOwners()) OfProxy(owner);
    OfGroups();
    if (c_.dns_capture) {
      Nat({.chain = o, .verdict = Jump("ISTIO_OUTPUT_DNS")});
      for (const char* protocol : {"tcp", "udp"})
        Nat({.chain = "ISTIO_OUTPUT_DNS",
             .protocol = protocol,
             .dport = {53},
             .verdict = Port(Verdict::kRedirect, kDnsPort)});
    }
    Both({.table = "nat", .chain = o, .dst = Address{}}, c_.loopback_cidr, "::1/128");
    for (const std::string& cidr : c_.exclude_ip_ranges) Range(cidr, {.chain = o});
    for (uint16_t p : c_.include_outbound_ports)
      Nat({.chain = o, .protocol = "tcp", .dport = {p}, .verdict = Jump("ISTIO_REDIRECT")});
    for (const std::string& cidr : c_.include_ip_ranges) {
      if (cidr == "*")
        Nat({.chain = o, .verdict = Jump("ISTIO_REDIRECT")});
      else
        Range(cidr, {.chain = o, .verdict = Jump("ISTIO_REDIRECT")});
    }
  }

  // What the proxy itself sends: to the application by way of lo it is inbound traffic, anything else leaves untouched;
  // what the application sends to itself stays local.
  void OfProxy(const Owner& proxy) {
    const std::string o = "ISTIO_OUTPUT";
    std::vector<uint16_t> not_these =
        c_.dns_capture ? std::vector<uint16_t>{53, kTunnelPort} : std::vector<uint16_t>{kTunnelPort};
    Both({.table = "nat",
          .chain = o,
          .oif = "lo",
          .protocol = "tcp",
          .dst = Address{"", true},
          .dport = not_these,
          .not_dport = true,
          .owners = {proxy},
          .verdict = Jump("ISTIO_IN_REDIRECT")},
         c_.loopback_cidr, "::1/128");
    bool loopback_included = false;
    for (const std::string& cidr : c_.include_ip_ranges)
      loopback_included |= cidr.starts_with("127.") || cidr.starts_with("::1");
    Owner other = proxy;
    other.negate = true;
    if (!loopback_included && c_.dns_capture)
      Nat({.chain = o, .oif = "lo", .protocol = "tcp", .dport = {53}, .not_dport = true, .owners = {other}});
    if (!loopback_included && !c_.dns_capture) Nat({.chain = o, .oif = "lo", .owners = {other}});
    Nat({.chain = o, .owners = {proxy}});
  }

  void OfGroups() {
    if (c_.owner_groups_include.empty()) {
      for (uint32_t group : c_.owner_groups_exclude)
        Nat({.chain = "ISTIO_OUTPUT", .owners = {{.kind = Owner::kGroup, .id = group}}});
      return;
    }
    Rule none_of_them{.chain = "ISTIO_OUTPUT"};
    for (uint32_t group : c_.owner_groups_include)
      none_of_them.owners.push_back({.kind = Owner::kGroup, .id = group, .negate = true});
    Nat(std::move(none_of_them));
  }

  // The proxy's own queries and the redirected ones are told apart by conntrack zones.
  void DnsZones() {
    auto raw = [&](Rule r) {
      r.table = "raw";
      Add(std::move(r));
    };
    const std::string dns = "ISTIO_OUTPUT_DNS";
    raw({.chain = "OUTPUT", .verdict = Jump(dns)});
    for (const Owner& o : ProxyOwners()) {
      raw({.chain = dns, .protocol = "udp", .dport = {53}, .owners = {o}, .verdict = Port(Verdict::kZone, 1)});
      raw({.chain = dns, .protocol = "udp", .sport = kDnsPort, .owners = {o}, .verdict = Port(Verdict::kZone, 2)});
    }
    raw({.chain = "PREROUTING", .verdict = Jump("ISTIO_INBOUND")});
    raw({.chain = dns, .protocol = "udp", .dport = {53}, .verdict = Port(Verdict::kZone, 2)});
    raw({.chain = "ISTIO_INBOUND", .protocol = "udp", .sport = 53, .verdict = Port(Verdict::kZone, 1)});
  }

  std::vector<Owner> ProxyOwners() const {
    return {{.kind = Owner::kUser, .id = c_.proxy_uid}, {.kind = Owner::kGroup, .id = c_.proxy_gid}};
  }
  std::vector<uint16_t> InboundPorts() const {
    std::vector<uint16_t> out;
    for (const std::string& p : SplitNonEmpty(c_.include_inbound_ports, ','))
      out.push_back(static_cast<uint16_t>(ParseInt(p).value_or(0)));
    return out;
  }

  void Add(Rule r) { set_.rules.push_back(std::move(r)); }
  void Nat(Rule r) {
    r.table = "nat";
    Add(std::move(r));
  }
  void Mangle(Rule r) {
    r.table = "mangle";
    Add(std::move(r));
  }
  // A rule of table nat for one destination.
  void Range(const std::string& cidr, Rule r) {
    r.ip = IsV6(cidr) ? Ip::kV6 : Ip::kV4;
    r.dst = Address{cidr};
    Nat(std::move(r));
  }
  // A rule whose one address differs between the families.
  void Both(Rule r, const std::string& v4, const std::string& v6) {
    for (Ip ip : {Ip::kV4, Ip::kV6}) {
      r.ip = ip;
      (r.src ? r.src : r.dst)->cidr = ip == Ip::kV4 ? v4 : v6;
      Add(r);
    }
  }

  const SidecarConfig& c_;
  bool tproxy_;
  RuleSet set_;
};

}  // namespace

RuleSet SidecarRules(const SidecarConfig& config, bool ipv6) { return SidecarBuilder(config, ipv6).Build(); }

}  // namespace fairlead::redirect
