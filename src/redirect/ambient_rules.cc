#include "redirect/ambient.h"

namespace fairlead::redirect {
namespace {

// Packets of ztunnel's own sockets, and connections that came from them. Both share the mark with others' bits.
constexpr Mark kZtunnel{.value = 0x539, .mask = 0xfff}, kNotZtunnel{.value = 0x539, .mask = 0xfff, .negate = true};
constexpr Mark kReply{.value = 0x111, .mask = 0xfff};

class AmbientBuilder {
 public:
  AmbientBuilder(const AmbientConfig& c, bool ipv6) : c_(c) {
    set_.nft_prefix = "istio-ambient";
    set_.ipv6 = ipv6 && c.ipv6;
  }

  RuleSet Build() {
    for (const char* table : {"mangle", "nat", "raw"}) {
      if (table == std::string("raw") && !c_.dns_capture) continue;
      Jump(table, "OUTPUT", "ISTIO_OUTPUT");
      Jump(table, "PREROUTING", "ISTIO_PRERT");
    }
    Add("mangle", {.chain = "ISTIO_PRERT",
                   .mark = kZtunnel,
                   .verdict = {.kind = Verdict::kSetConnmark, .value = 0x111, .mask = 0xfff}});
    Add("mangle", {.chain = "ISTIO_OUTPUT", .connmark = kReply, .verdict = {.kind = Verdict::kRestoreMark}});
    Inbound();
    Outbound();
    if (c_.dns_capture) {
      Add("raw", {.chain = "ISTIO_OUTPUT",
                  .protocol = "udp",
                  .dport = {53},
                  .mark = kZtunnel,
                  .verdict = {.kind = Verdict::kZone, .number = 1}});
      Add("raw", {.chain = "ISTIO_PRERT",
                  .protocol = "udp",
                  .sport = 53,
                  .mark = kNotZtunnel,
                  .verdict = {.kind = Verdict::kZone, .number = 1}});
    }
    set_.routes.push_back({.mark = 0x111, .mask = 0xfff, .table = 100, .priority = 32764});
    return std::move(set_);
  }

 private:
  void Inbound() {
    for (const std::string& i : c_.reroute_interfaces) {
      Add("nat", {.chain = "ISTIO_PRERT",
                  .iif = i,
                  .protocol = "tcp",
                  .verdict = {.kind = Verdict::kRedirect, .number = kOutboundPort}});
      Add("nat", {.chain = "ISTIO_PRERT", .iif = i, .protocol = "tcp"});
    }
    if (!c_.bypass_inbound)  // the kubelet's probes, whose source the host has changed to this address
      Both({.chain = "ISTIO_PRERT", .protocol = "tcp", .src = Address{}, .verdict = {.kind = Verdict::kAccept}},
           c_.probe_address, c_.probe_address6);
    Both({.chain = "ISTIO_OUTPUT", .protocol = "tcp", .dst = Address{}, .verdict = {.kind = Verdict::kAccept}},
         c_.probe_address, c_.probe_address6);
    if (!c_.bypass_inbound)
      Both({.chain = "ISTIO_PRERT",
            .protocol = "tcp",
            .dst = Address{"", true},
            .dport = {kTunnelPort},
            .not_dport = true,
            .mark = kNotZtunnel,
            .verdict = {.kind = Verdict::kRedirect, .number = kInboundPort}},
           "127.0.0.1/32", "::1/128");
  }

  void Outbound() {
    if (c_.dns_capture) {
      Verdict dns{.kind = Verdict::kRedirect, .number = kDnsPort};
      Add("nat", {.chain = "ISTIO_OUTPUT",
                  .oif = "lo",
                  .not_oif = true,
                  .protocol = "udp",
                  .dport = {53},
                  .mark = kNotZtunnel,
                  .verdict = dns});
      Both({.chain = "ISTIO_OUTPUT",
            .protocol = "tcp",
            .dst = Address{"", true},
            .dport = {53},
            .mark = kNotZtunnel,
            .verdict = dns},
           "127.0.0.1/32", "::1/128");
    }
    Add("nat", {.chain = "ISTIO_OUTPUT", .protocol = "tcp", .mark = kReply, .verdict = {.kind = Verdict::kAccept}});
    Both({.chain = "ISTIO_OUTPUT", .oif = "lo", .dst = Address{"", true}, .verdict = {.kind = Verdict::kAccept}},
         "127.0.0.1/32", "::1/128");
    Both({.chain = "ISTIO_OUTPUT",
          .protocol = "tcp",
          .dst = Address{"", true},
          .mark = kNotZtunnel,
          .verdict = {.kind = Verdict::kRedirect, .number = kOutboundPort}},
         "127.0.0.1/32", "::1/128");
  }

  void Add(const char* table, Rule r) {
    r.table = table;
    set_.rules.push_back(std::move(r));
  }
  void Jump(const char* table, const char* from, const char* to) {
    Add(table, {.chain = from, .verdict = {.kind = Verdict::kJump, .chain = to}, .counted = false});
  }
  // A rule of table nat whose one address differs between the families.
  void Both(Rule r, const std::string& v4, const std::string& v6) {
    for (Ip ip : {Ip::kV4, Ip::kV6}) {
      r.ip = ip;
      (r.src ? r.src : r.dst)->cidr = ip == Ip::kV4 ? v4 : v6;
      Add("nat", r);
    }
  }

  const AmbientConfig& c_;
  RuleSet set_;
};

}  // namespace

RuleSet AmbientRules(const AmbientConfig& config, bool ipv6) { return AmbientBuilder(config, ipv6).Build(); }

}  // namespace fairlead::redirect
