// The kernel's own listing of what we write equals the listing of istio-cni's rules, which stand here as
// iptables-restore and nft would be given them (facts of istio's tools/istio-{iptables,nftables} and
// cni/pkg/{iptables,nftables}).
#include "redirect/testing.h"

namespace fairlead::redirect {
namespace {

// The part of every sidecar's nat table up to the excluded ports, and its end.
const std::string kNatBegin = R"(*nat
:ISTIO_INBOUND - [0:0]
:ISTIO_REDIRECT - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
)";
const std::string kInboundAll = R"(-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
)";
const std::string kOutputBegin = R"(-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -p tcp --dport 15020 -j RETURN
-A ISTIO_OUTPUT -p udp --dport 15020 -j RETURN
-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
)";
const std::string kOwners =
    R"(-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
)";
const std::string kLocal = "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN\n";
const std::string kAll = "-A ISTIO_OUTPUT -j ISTIO_REDIRECT\n";
const std::string kEnd = "COMMIT\n";
const std::string kBasic = kNatBegin + kInboundAll + kOutputBegin + kOwners + kLocal + kAll + kEnd;

std::string For6(std::string text) {
  for (auto [from, to] : {std::pair{"127.0.0.6/32", "::6/128"}, {"127.0.0.1/32", "::1/128"}})
    text = ReplaceAll(text, from, to);
  return text;
}

struct Case {
  const char* name;
  PodConfig config;
  std::string v4, v6;  // v6 "": the namespace has no IPv6 address
};

SidecarConfig With(const std::function<void(SidecarConfig&)>& change) {
  SidecarConfig c;
  change(c);
  return c;
}
AmbientConfig Ambient(const std::function<void(AmbientConfig&)>& change) {
  AmbientConfig c;
  change(c);
  return c;
}

const std::string kAmbientMangle = R"(*mangle
:ISTIO_PRERT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
)";
const std::string kAmbientNat = R"(*nat
:ISTIO_PRERT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A OUTPUT -j ISTIO_OUTPUT
-A PREROUTING -j ISTIO_PRERT
)";
const std::string kProbeIn = "-A ISTIO_PRERT -s 169.254.7.127 -p tcp -m tcp -j ACCEPT\n";
const std::string kProbeOut = "-A ISTIO_OUTPUT -d 169.254.7.127 -p tcp -m tcp -j ACCEPT\n";
const std::string kPlaintext =
    "-A ISTIO_PRERT ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports "
    "15006\n";
const std::string kAmbientDns =
    R"(-A ISTIO_OUTPUT ! -o lo -p udp -m mark ! --mark 0x539/0xfff -m udp --dport 53 -j REDIRECT --to-port 15053
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
)";
const std::string kAmbientOut = R"(-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
)";
const std::string kAmbientRaw = R"(*raw
:ISTIO_OUTPUT - [0:0]
:ISTIO_PRERT - [0:0]
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -p udp -m mark --mark 0x539/0xfff -m udp --dport 53 -j CT --zone 1
-A ISTIO_PRERT -p udp -m mark ! --mark 0x539/0xfff -m udp --sport 53 -j CT --zone 1
COMMIT
)";
const std::string kAmbientDefault =
    kAmbientMangle + kAmbientNat + kProbeIn + kProbeOut + kPlaintext + kAmbientDns + kAmbientOut + kAmbientRaw;

std::string Ambient6(std::string text) {
  return ReplaceAll(For6(text), "169.254.7.127", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff");
}

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"basic", SidecarConfig{}, kBasic, ""},
      {"dual stack", With([](auto& c) { c.dual_stack = true; }), kBasic, For6(kBasic)},
      {"include and exclude ranges", With([](auto& c) {
         c.include_ip_ranges = {"10.0.0.0/8", "fd00::/8", "192.168.0.0/16"};
         c.exclude_ip_ranges = {"10.1.0.0/16", "fd01::/16"};
         c.dual_stack = true;
       }),
       kNatBegin + kInboundAll + kOutputBegin + kOwners + kLocal + "-A ISTIO_OUTPUT -d 10.1.0.0/16 -j RETURN\n" +
           "-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT\n-A ISTIO_OUTPUT -d 192.168.0.0/16 -j ISTIO_REDIRECT\n" +
           kEnd,
       For6(kNatBegin + kInboundAll + kOutputBegin + kOwners + kLocal) + "-A ISTIO_OUTPUT -d fd01::/16 -j RETURN\n" +
           "-A ISTIO_OUTPUT -d fd00::/8 -j ISTIO_REDIRECT\n" + kEnd},
      {"a loopback range is included", With([](auto& c) { c.include_ip_ranges = {"127.1.2.3/32"}; }),
       kNatBegin + kInboundAll + kOutputBegin +
           "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j "
           "ISTIO_IN_REDIRECT\n"
           "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN\n"
           "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j "
           "ISTIO_IN_REDIRECT\n"
           "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN\n" +
           kLocal + "-A ISTIO_OUTPUT -d 127.1.2.3/32 -j ISTIO_REDIRECT\n" + kEnd,
       ""},
      {"inbound ports", With([](auto& c) { c.include_inbound_ports = "80,443"; }),
       kNatBegin +
           "-A PREROUTING -p tcp -j ISTIO_INBOUND\n-A ISTIO_INBOUND -p tcp --dport 80 -j ISTIO_IN_REDIRECT\n"
           "-A ISTIO_INBOUND -p tcp --dport 443 -j ISTIO_IN_REDIRECT\n" +
           kOutputBegin + kOwners + kLocal + kAll + kEnd,
       ""},
      {"no inbound ports", With([](auto& c) { c.include_inbound_ports = ""; }),
       kNatBegin + kOutputBegin + kOwners + kLocal + kAll + kEnd, ""},
      {"outbound ports", With([](auto& c) {
         c.include_ip_ranges = {};
         c.include_outbound_ports = {32000};
         c.exclude_outbound_ports = {15020, 9999};
       }),
       kNatBegin + kInboundAll +
           "-A OUTPUT -j ISTIO_OUTPUT\n-A ISTIO_OUTPUT -p tcp --dport 15020 -j RETURN\n-A ISTIO_OUTPUT -p udp --dport "
           "15020 -j RETURN\n-A ISTIO_OUTPUT -p tcp --dport 9999 -j RETURN\n-A ISTIO_OUTPUT -p udp --dport 9999 -j "
           "RETURN\n-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN\n" +
           kOwners + kLocal + "-A ISTIO_OUTPUT -p tcp --dport 32000 -j ISTIO_REDIRECT\n" + kEnd,
       ""},
      {"interfaces", With([](auto& c) {
         c.exclude_interfaces = {"not-istio-nic"};
         c.reroute_interfaces = {"eth1", "eth2"};
       }),
       kNatBegin +
           "-A PREROUTING -i eth2 -j ISTIO_REDIRECT\n-A PREROUTING -i eth1 -j ISTIO_REDIRECT\n-A PREROUTING -i eth2 -j "
           "RETURN\n-A PREROUTING -i eth1 -j RETURN\n-A PREROUTING -i not-istio-nic -j RETURN\n-A OUTPUT -o "
           "not-istio-nic -j RETURN\n" +
           kInboundAll + kOutputBegin + kOwners + kLocal + kAll + kEnd,
       ""},
      {"invalid packets are dropped", With([](auto& c) { c.drop_invalid = true; }),
       "*mangle\n:ISTIO_DROP - [0:0]\n-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP\n-A ISTIO_DROP -j "
       "DROP\nCOMMIT\n" +
           kBasic,
       ""},
      {"user and group", With([](auto& c) {
         c.proxy_uid = 2000;
         c.proxy_gid = 3000;
       }),
       ReplaceAll(ReplaceAll(kBasic, "--uid-owner 1337", "--uid-owner 2000"), "--gid-owner 1337", "--gid-owner 3000"),
       ""},
      {"groups that are excluded", With([](auto& c) {
         c.owner_groups_exclude = {888, 889};
       }),
       kNatBegin + kInboundAll + kOutputBegin + kOwners +
           "-A ISTIO_OUTPUT -m owner --gid-owner 888 -j RETURN\n-A ISTIO_OUTPUT -m owner --gid-owner 889 -j RETURN\n" +
           kLocal + kAll + kEnd,
       ""},
      {"groups that are included", With([](auto& c) {
         c.owner_groups_include = {888, 889};
       }),
       kNatBegin + kInboundAll + kOutputBegin + kOwners +
           "-A ISTIO_OUTPUT -m owner ! --gid-owner 888 -m owner ! --gid-owner 889 -j RETURN\n" + kLocal + kAll + kEnd,
       ""},
      {"another loopback range", With([](auto& c) { c.loopback_cidr = "127.0.0.0/8"; }),
       ReplaceAll(kBasic, "127.0.0.1/32", "127.0.0.0/8"), ""},
      {"DNS capture", With([](auto& c) { c.dns_capture = true; }),
       ReplaceAll(kNatBegin, ":ISTIO_OUTPUT -", ":ISTIO_OUTPUT_DNS - [0:0]\n:ISTIO_OUTPUT -") + kInboundAll +
           kOutputBegin +
           ReplaceAll(ReplaceAll(kOwners, "! --dport 15008", "-m multiport ! --dports 53,15008"), "-o lo -m owner !",
                      "-o lo -p tcp ! --dport 53 -m owner !") +
           R"(-A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS
-A ISTIO_OUTPUT_DNS -p tcp --dport 53 -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -j REDIRECT --to-port 15053
)" + kLocal +
           kAll + kEnd +
           R"(*raw
:ISTIO_OUTPUT_DNS - [0:0]
:ISTIO_INBOUND - [0:0]
-A OUTPUT -j ISTIO_OUTPUT_DNS
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner 1337 -j CT --zone 1
-A ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner --uid-owner 1337 -j CT --zone 2
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --gid-owner 1337 -j CT --zone 1
-A ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner --gid-owner 1337 -j CT --zone 2
-A PREROUTING -j ISTIO_INBOUND
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -j CT --zone 2
-A ISTIO_INBOUND -p udp --sport 53 -j CT --zone 1
COMMIT
)",
       ""},
      {"TPROXY", With([](auto& c) { c.interception_mode = "TPROXY"; }),
       R"(*mangle
:ISTIO_DIVERT - [0:0]
:ISTIO_TPROXY - [0:0]
:ISTIO_INBOUND - [0:0]
-A ISTIO_DIVERT -j MARK --set-mark 1337
-A ISTIO_DIVERT -j ACCEPT
-A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT
-A ISTIO_INBOUND -p tcp -j ISTIO_TPROXY
-A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
-A OUTPUT -p tcp -o lo -m mark --mark 1337 -j RETURN
-A OUTPUT ! -d 127.0.0.1/32 -p tcp -o lo -m owner --uid-owner 1337 -j MARK --set-mark 1338
-A OUTPUT ! -d 127.0.0.1/32 -p tcp -o lo -m owner --gid-owner 1337 -j MARK --set-mark 1338
-A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark
-I ISTIO_INBOUND 1 -p tcp -m mark --mark 1337 -j RETURN
-I ISTIO_INBOUND 2 -p tcp -s 127.0.0.6/32 -i lo -j RETURN
-I ISTIO_INBOUND 3 -p tcp -i lo -m mark ! --mark 1338 -j RETURN
COMMIT
)" + kNatBegin +
           kOutputBegin + kOwners + kLocal + kAll + kEnd,
       ""},
      {"ambient", AmbientConfig{}, kAmbientDefault, Ambient6(kAmbientDefault)},
      {"ambient without IPv6", Ambient([](auto& c) { c.ipv6 = false; }), kAmbientDefault, ""},
      {"ambient without DNS capture", Ambient([](auto& c) { c.dns_capture = false; }),
       kAmbientMangle + kAmbientNat + kProbeIn + kProbeOut + kPlaintext + kAmbientOut,
       Ambient6(kAmbientMangle + kAmbientNat + kProbeIn + kProbeOut + kPlaintext + kAmbientOut)},
      {"ambient with inbound bypass", Ambient([](auto& c) {
         c.dns_capture = false;
         c.bypass_inbound = true;
       }),
       kAmbientMangle + kAmbientNat + kProbeOut + kAmbientOut,
       Ambient6(kAmbientMangle + kAmbientNat + kProbeOut + kAmbientOut)},
      {"ambient with virtual interfaces", Ambient([](auto& c) {
         c.dns_capture = false;
         c.reroute_interfaces = {"fake1s0f0"};
       }),
       kAmbientMangle + kAmbientNat +
           "-A ISTIO_PRERT -i fake1s0f0 -p tcp -j REDIRECT --to-ports 15001\n-A ISTIO_PRERT -i fake1s0f0 -p tcp -j "
           "RETURN\n" +
           kProbeIn + kProbeOut + kPlaintext + kAmbientOut,
       Ambient6(
           kAmbientMangle + kAmbientNat +
           "-A ISTIO_PRERT -i fake1s0f0 -p tcp -j REDIRECT --to-ports 15001\n-A ISTIO_PRERT -i fake1s0f0 -p tcp -j "
           "RETURN\n" +
           kProbeIn + kProbeOut + kPlaintext + kAmbientOut)},
  };
  return cases;
}

class Rules : public NamespaceTest {
 protected:
  // A namespace whose first global address is v4, with a v6 one as well where the case wants it.
  static UniqueFd Pod(const Case& c) {
    UniqueFd ns = New();
    bool v6 = !c.v6.empty() && std::holds_alternative<SidecarConfig>(c.config);
    Ip(ns,
       "link add eth0 type veth peer name peer\nlink set eth0 up\nlink set peer up\naddr add 10.9.0.2/24 dev eth0\n" +
           std::string(v6 ? "addr add fd09::2/64 dev eth0 nodad\n" : ""));
    return ns;
  }
  static std::string Save(const UniqueFd& ns, kernel::Iptables which, bool v6) {
    std::string text;
    Status s = In(ns, [&]() -> Status {
      FL_ASSIGN(text, kernel::IptablesSave(which, v6));
      return {};
    });
    EXPECT_TRUE(s.ok()) << s.error().message;
    return NormalSave(text);
  }
};

class IptablesRules : public Rules {
 protected:
  void SetUp() override {
    Rules::SetUp();
    if (netns.valid() &&
        !In(netns, [] {
           return kernel::IptablesSave(kernel::Iptables::kNft, false).ok() ? Status() : MakeError(Code::kNotFound, "");
         }).ok())
      GTEST_SKIP() << "iptables is not installed";
  }
};

TEST_F(IptablesRules, EqualIstiosInTheKernel) {
  for (auto [kind, which] : {std::pair{BackendKind::kIptablesNft, kernel::Iptables::kNft},
                             {BackendKind::kIptablesLegacy, kernel::Iptables::kLegacy}})
    for (const Case& c : Cases()) {
      SCOPED_TRACE(std::string(c.name) + ", " + BackendName(kind));
      UniqueFd ours = Pod(c), istios = New();
      auto applied = programmer.Apply(ours.get(), c.config, kind);
      ASSERT_TRUE(applied.ok()) << applied.error().message;
      EXPECT_EQ(*applied, Programmed::kWritten);
      for (bool v6 : {false, true}) {
        const std::string& text = v6 ? c.v6 : c.v4;
        if (text.empty()) continue;
        Status s = In(istios, [&] { return kernel::IptablesRestore(which, v6, text); });
        ASSERT_TRUE(s.ok()) << s.error().message;
        EXPECT_EQ(Save(ours, which, v6), Save(istios, which, v6));
      }
      EXPECT_EQ(*programmer.Apply(ours.get(), c.config, kind), Programmed::kUnchanged);
      EXPECT_TRUE(programmer.Verify(ours.get(), c.config, kind).ok());
      EXPECT_EQ(*programmer.Recognise(ours.get(), c.config), kind);
    }
}

TEST_F(Rules, OfNftSayTheSameAsTheIptablesOnes) {
  // iptables-translate's view of each rule is not stable between versions, so both are stated: this is nft's own text.
  const std::string ambient = R"(add table inet istio-ambient-nat
add chain inet istio-ambient-nat prerouting { type nat hook prerouting priority -100 ; }
add chain inet istio-ambient-nat output { type nat hook output priority -100 ; }
add chain inet istio-ambient-nat istio-prerouting
add chain inet istio-ambient-nat istio-output
add rule inet istio-ambient-nat output jump istio-output
add rule inet istio-ambient-nat prerouting jump istio-prerouting
add rule inet istio-ambient-nat istio-prerouting meta l4proto tcp ip saddr 169.254.7.127 counter accept
add rule inet istio-ambient-nat istio-output meta l4proto tcp ip daddr 169.254.7.127 counter accept
add rule inet istio-ambient-nat istio-prerouting ip daddr != 127.0.0.1/32 tcp dport != 15008 mark and 0xfff != 0x539 counter redirect to :15006
add rule inet istio-ambient-nat istio-output oifname != lo mark and 0xfff != 0x539 udp dport 53 counter redirect to :15053
add rule inet istio-ambient-nat istio-output ip daddr != 127.0.0.1/32 tcp dport 53 mark and 0xfff != 0x539 counter redirect to :15053
add rule inet istio-ambient-nat istio-output meta l4proto tcp mark and 0xfff == 0x111 counter accept
add rule inet istio-ambient-nat istio-output oifname lo ip daddr != 127.0.0.1/32 counter accept
add rule inet istio-ambient-nat istio-output meta l4proto tcp ip daddr != 127.0.0.1/32 mark and 0xfff != 0x539 counter redirect to :15001
add table inet istio-ambient-mangle
add chain inet istio-ambient-mangle prerouting { type filter hook prerouting priority -150 ; }
add chain inet istio-ambient-mangle output { type route hook output priority -150 ; }
add chain inet istio-ambient-mangle istio-prerouting
add chain inet istio-ambient-mangle istio-output
add rule inet istio-ambient-mangle prerouting jump istio-prerouting
add rule inet istio-ambient-mangle output jump istio-output
add rule inet istio-ambient-mangle istio-prerouting meta mark & 0xfff == 0x539 counter ct mark set ct mark & 0xfffff000 | 0x111
add rule inet istio-ambient-mangle istio-output ct mark and 0xfff == 0x111 counter meta mark set ct mark
add table inet istio-ambient-raw
add chain inet istio-ambient-raw prerouting { type filter hook prerouting priority -300 ; }
add chain inet istio-ambient-raw output { type filter hook output priority -300 ; }
add chain inet istio-ambient-raw istio-prerouting
add chain inet istio-ambient-raw istio-output
add rule inet istio-ambient-raw prerouting jump istio-prerouting
add rule inet istio-ambient-raw output jump istio-output
add rule inet istio-ambient-raw istio-output udp dport 53 meta mark and 0xfff == 0x539 counter ct zone set 1
add rule inet istio-ambient-raw istio-prerouting udp sport 53 meta mark and 0xfff != 0x539 counter ct zone set 1
)";
  const std::string sidecar = R"(add table inet istio-proxy-nat
add chain inet istio-proxy-nat prerouting { type nat hook prerouting priority -100 ; }
add chain inet istio-proxy-nat output { type nat hook output priority -100 ; }
add chain inet istio-proxy-nat istio-inbound
add chain inet istio-proxy-nat istio-redirect
add chain inet istio-proxy-nat istio-in-redirect
add chain inet istio-proxy-nat istio-output
add rule inet istio-proxy-nat istio-inbound meta l4proto tcp tcp dport 15008 counter return
add rule inet istio-proxy-nat istio-redirect meta l4proto tcp counter redirect to :15001
add rule inet istio-proxy-nat istio-in-redirect meta l4proto tcp counter redirect to :15006
add rule inet istio-proxy-nat prerouting meta l4proto tcp counter jump istio-inbound
add rule inet istio-proxy-nat istio-inbound meta l4proto tcp tcp dport 15020 counter return
add rule inet istio-proxy-nat istio-inbound meta l4proto tcp tcp dport 15021 counter return
add rule inet istio-proxy-nat istio-inbound meta l4proto tcp tcp dport 15090 counter return
add rule inet istio-proxy-nat istio-inbound meta l4proto tcp counter jump istio-in-redirect
add rule inet istio-proxy-nat output counter jump istio-output
add rule inet istio-proxy-nat istio-output meta l4proto tcp tcp dport 15020 counter return
add rule inet istio-proxy-nat istio-output meta l4proto udp udp dport 15020 counter return
add rule inet istio-proxy-nat istio-output oifname lo ip saddr 127.0.0.6/32 counter return
add rule inet istio-proxy-nat istio-output oifname lo meta l4proto tcp ip daddr != 127.0.0.1/32 tcp dport != 15008 skuid 1337 counter jump istio-in-redirect
add rule inet istio-proxy-nat istio-output oifname lo skuid != 1337 counter return
add rule inet istio-proxy-nat istio-output skuid 1337 counter return
add rule inet istio-proxy-nat istio-output oifname lo meta l4proto tcp ip daddr != 127.0.0.1/32 tcp dport != 15008 skgid 1337 counter jump istio-in-redirect
add rule inet istio-proxy-nat istio-output oifname lo skgid != 1337 counter return
add rule inet istio-proxy-nat istio-output skgid 1337 counter return
add rule inet istio-proxy-nat istio-output ip daddr 127.0.0.1/32 counter return
add rule inet istio-proxy-nat istio-output counter jump istio-redirect
)";
  for (const auto& [config, text] : {std::pair<PodConfig, std::string>{SidecarConfig{}, sidecar},
                                     {Ambient([](auto& c) { c.ipv6 = false; }), ambient}}) {
    UniqueFd ours = New(), istios = New();
    auto applied = programmer.Apply(ours.get(), config, BackendKind::kNft);
    ASSERT_TRUE(applied.ok()) << applied.error().message;
    Status s = Nft(istios, text);
    ASSERT_TRUE(s.ok()) << s.error().message;
    auto listed = [](const UniqueFd& ns) {
      std::string out;
      EXPECT_TRUE(In(ns, [&]() -> Status {
                    FL_ASSIGN(out, kernel::NftListJson("list ruleset"));
                    return {};
                  }).ok());
      return NormalRuleset(out);
    };
    EXPECT_EQ(listed(ours), listed(istios));
  }
}

TEST_F(Rules, OfEveryVariantGoInOnceWithNft) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    UniqueFd ns = Pod(c);
    auto first = programmer.Apply(ns.get(), c.config, BackendKind::kNft);
    ASSERT_TRUE(first.ok()) << first.error().message;
    EXPECT_EQ(*first, Programmed::kWritten);
    Status s = programmer.Verify(ns.get(), c.config, BackendKind::kNft);
    EXPECT_TRUE(s.ok()) << s.error().message;
    EXPECT_EQ(*programmer.Apply(ns.get(), c.config, BackendKind::kNft), Programmed::kUnchanged)
        << "an update that changes nothing writes nothing";
    EXPECT_EQ(*programmer.Recognise(ns.get(), c.config), BackendKind::kNft);
    ASSERT_TRUE(programmer.Remove(ns.get(), c.config).ok());
    EXPECT_EQ(*programmer.Recognise(ns.get(), c.config), std::nullopt);
    EXPECT_EQ(programmer.Verify(ns.get(), c.config, BackendKind::kNft).error().code, Code::kNotFound);
  }
}

TEST_F(Rules, DriftIsNoticedAndPutRight) {
  SidecarConfig config;
  ASSERT_TRUE(programmer.Apply(netns.get(), config, BackendKind::kNft).ok());
  ASSERT_TRUE(Nft(netns, "add table inet foreign").ok());
  for (const char* damage :
       {"flush chain inet istio-proxy-nat istio-output", "delete table inet istio-proxy-nat",
        "insert rule inet istio-proxy-nat output counter return", "add table inet istio-proxy-raw"}) {
    ASSERT_TRUE(Nft(netns, damage).ok()) << damage;
    EXPECT_FALSE(programmer.Verify(netns.get(), config, BackendKind::kNft).ok()) << damage;
    EXPECT_EQ(*programmer.Apply(netns.get(), config, BackendKind::kNft), Programmed::kWritten) << damage;
    EXPECT_TRUE(programmer.Verify(netns.get(), config, BackendKind::kNft).ok()) << damage;
  }
  EXPECT_TRUE(Nft(netns, "list table inet foreign").ok()) << "tables of others stay";
}

TEST_F(IptablesRules, OfOthersStayAndHalfARestoreIsCompleted) {
  SidecarConfig config = With([](auto& c) { c.dns_capture = true; });
  for (auto [kind, which] : {std::pair{BackendKind::kIptablesNft, kernel::Iptables::kNft},
                             {BackendKind::kIptablesLegacy, kernel::Iptables::kLegacy}}) {
    UniqueFd ns = New();
    ASSERT_TRUE(In(ns, [&] {
                  return kernel::IptablesRestore(which, false, "*nat\n-A OUTPUT -p tcp --dport 7 -j RETURN\nCOMMIT\n");
                }).ok());
    ASSERT_TRUE(programmer.Apply(ns.get(), config, kind).ok());
    const std::string whole = Save(ns, which, false);
    EXPECT_NE(whole.find("--dport 7"), whole.npos);
    for (const char* damage : {"*raw\n-F\n-X\nCOMMIT\n",  // as after a kill between two tables
                               "*nat\n-F ISTIO_OUTPUT\nCOMMIT\n", "*nat\n:ISTIO_ALIEN - [0:0]\nCOMMIT\n",
                               "*nat\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n"}) {
      ASSERT_TRUE(In(ns, [&] { return kernel::IptablesRestore(which, false, damage); }).ok()) << damage;
      EXPECT_FALSE(programmer.Verify(ns.get(), config, kind).ok()) << damage;
      auto repaired = programmer.Apply(ns.get(), config, kind);
      ASSERT_TRUE(repaired.ok()) << repaired.error().message;
      EXPECT_EQ(Save(ns, which, false), whole) << damage;
    }
    ASSERT_TRUE(programmer.Remove(ns.get(), AmbientConfig{}).ok());
    EXPECT_EQ(*programmer.Recognise(ns.get(), AmbientConfig{}), std::nullopt);
  }
}

}  // namespace
}  // namespace fairlead::redirect
