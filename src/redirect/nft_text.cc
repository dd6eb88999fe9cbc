#include "redirect/nft_text.h"

#include "util/strings.h"

namespace fairlead::redirect {
namespace {

constexpr const char* kTables[] = {"nat", "mangle", "raw"};

std::string Quote(const std::string& name) { return name == "lo" ? name : "\"" + name + "\""; }

std::string ChainName(const std::string& chain) {
  if (chain == "ISTIO_PRERT") return "istio-prerouting";
  std::string out;
  for (char c : chain) out += c == '_' ? '-' : static_cast<char>(tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string BaseChain(const std::string& table, const std::string& chain) {
  if (table == "nat") return "type nat hook " + chain + " priority -100";
  if (table == "raw") return "type filter hook " + chain + " priority -300";
  return std::string(chain == "output" ? "type route" : "type filter") + " hook " + chain + " priority -150";
}

std::string Compare(const std::string& what, const Mark& m) {
  std::string masked = m.mask == 0xffffffff ? what : what + " and " + Hex(m.mask);
  return masked + (m.negate ? " != " : " == ") + Hex(m.value) + " ";
}

std::string Match(const Rule& r) {
  std::string out;
  if (!r.iif.empty()) out += "iifname " + Quote(r.iif) + " ";
  if (!r.oif.empty()) out += std::string("oifname ") + (r.not_oif ? "!= " : "") + Quote(r.oif) + " ";
  bool addressed = r.src || r.dst;
  if (r.ip != Ip::kBoth && !addressed) out += r.ip == Ip::kV4 ? "meta nfproto ipv4 " : "meta nfproto ipv6 ";
  if (!r.protocol.empty()) out += "meta l4proto " + r.protocol + " ";
  std::string family = r.ip == Ip::kV6 ? "ip6 " : "ip ";
  if (r.src) out += family + "saddr " + (r.src->negate ? "!= " : "") + r.src->cidr + " ";
  if (r.dst) out += family + "daddr " + (r.dst->negate ? "!= " : "") + r.dst->cidr + " ";
  if (!r.dport.empty()) {
    std::vector<std::string> ports;
    for (uint16_t p : r.dport) ports.push_back(std::to_string(p));
    std::string set = ports.size() == 1 ? ports[0] : "{ " + Join(ports, ", ") + " }";
    out += r.protocol + " dport " + (r.not_dport ? "!= " : "") + set + " ";
  }
  if (r.sport) out += r.protocol + " sport " + std::to_string(r.sport) + " ";
  if (r.ct_state == "INVALID") out += "ct state invalid ";
  if (r.ct_state == "RELATED,ESTABLISHED") out += "ct state related,established ";
  if (r.mark) out += Compare("meta mark", *r.mark);
  if (r.connmark) out += Compare("ct mark", *r.connmark);
  for (const Owner& o : r.owners)
    out += std::string("meta ") + (o.kind == Owner::kUser ? "skuid " : "skgid ") + (o.negate ? "!= " : "") +
           std::to_string(o.id) + " ";
  return out;
}

std::string Action(const Rule& r) {
  const Verdict& v = r.verdict;
  switch (v.kind) {
    case Verdict::kReturn: return "return";
    case Verdict::kAccept: return "accept";
    case Verdict::kDrop: return "drop";
    case Verdict::kJump: return "jump " + ChainName(v.chain);
    case Verdict::kRedirect: return "redirect to :" + std::to_string(v.number);
    case Verdict::kTproxy:
      return std::string("tproxy ") + (r.ip == Ip::kV6 ? "ip6" : "ip") + " to :" + std::to_string(v.number) +
             " meta mark set " + std::to_string(v.value) + " accept";
    case Verdict::kSetMark: return "meta mark set " + std::to_string(v.value);
    case Verdict::kSetConnmark: return "ct mark set ct mark and " + Hex(~v.mask) + " or " + Hex(v.value);
    case Verdict::kSaveMark: return "ct mark set meta mark";
    case Verdict::kRestoreMark: return "meta mark set ct mark";
    case Verdict::kZone: return "ct zone set " + std::to_string(v.number);
  }
  return "";
}

// The text of one table: its chains in the order in which rules and jumps first name them, then its rules.
NftTable TableText(const RuleSet& set, const std::string& table) {
  const std::string name = set.nft_prefix + "-" + table;
  std::vector<std::string> chains;
  std::string lines;
  auto need = [&](const std::string& chain) {
    if (std::find(chains.begin(), chains.end(), chain) == chains.end()) chains.push_back(chain);
  };
  for (const Rule& r : set.rules) {
    if (r.table != table || (r.ip == Ip::kV6 && !set.ipv6)) continue;
    need(ChainName(r.chain));
    if (r.verdict.kind == Verdict::kJump) need(ChainName(r.verdict.chain));
    lines += "add rule inet " + name + " " + ChainName(r.chain) + " " + Match(r) + (r.counted ? "counter " : "") +
             Action(r) + "\n";
  }
  NftTable out{"add table inet " + name + "\ndelete table inet " + name + "\n", ""};
  if (lines.empty()) return out;
  out.create = "add table inet " + name + "\n";
  for (const std::string& c : chains) {
    bool base = c == "prerouting" || c == "output";
    out.create += "add chain inet " + name + " " + c + (base ? " { " + BaseChain(table, c) + " ; }" : "") + "\n";
  }
  out.create += lines;
  return out;
}

}  // namespace

std::vector<std::string> NftTableNames(const std::string& prefix) {
  std::vector<std::string> out;
  for (const char* t : kTables) out.push_back(prefix + "-" + t);
  return out;
}

std::map<std::string, NftTable> NftTables(const RuleSet& rules) {
  std::map<std::string, NftTable> out;
  for (const char* t : kTables) out[rules.nft_prefix + "-" + t] = TableText(rules, t);
  return out;
}

}  // namespace fairlead::redirect
