// Redirection rules as data: what a pod's namespace shall do, independent of the program that puts it into the kernel.
// nft_text.h and iptables_text.h write them in the two programs' languages, with istio's names of tables and chains.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fairlead::redirect {

// Which address families a rule is for. In the iptables backend these are two programs, in nftables one table.
enum class Ip { kBoth, kV4, kV6 };

// The ports of a sidecar, and of ztunnel in a pod.
inline constexpr uint16_t kOutboundPort = 15001, kInboundPort = 15006, kTunnelPort = 15008, kDnsPort = 15053;

struct Address {
  std::string cidr;
  bool negate = false;
  bool operator==(const Address&) const = default;
};
struct Mark {
  uint32_t value = 0, mask = 0xffffffff;
  bool negate = false;
  bool operator==(const Mark&) const = default;
};
struct Owner {
  enum Kind { kUser, kGroup } kind = kUser;
  uint32_t id = 0;
  bool negate = false;
  bool operator==(const Owner&) const = default;
};

// What a rule does with a packet that it matches.
struct Verdict {
  enum Kind {
    kReturn,
    kAccept,
    kDrop,
    kJump,         // to `chain`
    kRedirect,     // to local port `number`
    kTproxy,       // to local port `number`, marking the packet `value`
    kSetMark,      // packet mark := value
    kSetConnmark,  // connection mark := value within mask
    kSaveMark,     // connection mark := packet mark
    kRestoreMark,  // packet mark := connection mark
    kZone,         // conntrack zone `number`
  } kind = kReturn;
  std::string chain;
  uint16_t number = 0;
  uint32_t value = 0, mask = 0xffffffff;
};

struct Rule {
  std::string table;  // nat, mangle, raw
  std::string chain;  // PREROUTING, OUTPUT, or one of istio's: ISTIO_OUTPUT, ...
  Ip ip = Ip::kBoth;
  std::string iif, oif;
  bool not_oif = false;
  std::string protocol;  // "", tcp, udp
  std::optional<Address> src, dst;
  std::vector<uint16_t> dport;
  bool not_dport = false;
  uint16_t sport = 0;    // 0: any
  std::string ct_state;  // "", INVALID, RELATED,ESTABLISHED
  std::optional<Mark> mark, connmark;
  std::vector<Owner> owners;
  Verdict verdict;
  bool counted = true;  // nftables only: istio's ambient jumps have no counter
};

// A policy route that brings packets with a mark to the local stack.
struct MarkRoute {
  uint32_t mark = 0, mask = 0xffffffff;
  uint32_t table = 0;
  uint32_t priority = 0;  // 0: the kernel's choice
};

// Everything that one pod needs. The order of rules is the order within their chains.
struct RuleSet {
  std::string nft_prefix;  // istio-proxy or istio-ambient: tables are <prefix>-nat, ...
  bool ipv6 = false;       // otherwise rules for v6 are left out
  std::vector<Rule> rules;
  std::vector<MarkRoute> routes;
  std::string loopback6;  // address that lo needs as well, or ""
};

// What may stand in an annotation as an interface's name: nothing that a rule's text could be broken with.
bool IsInterfaceName(const std::string& name);

}  // namespace fairlead::redirect
