#include "redirect/iptables_text.h"

#include "util/strings.h"

namespace fairlead::redirect {
namespace {

bool IsOurs(const std::string& chain) { return chain.starts_with("ISTIO_"); }

std::string WithMask(uint32_t value, uint32_t mask) {
  return mask == 0xffffffff ? Hex(value) : Hex(value) + "/" + Hex(mask);
}

// Matches in the order in which iptables-save prints what was given so: addresses and interfaces, protocol, ports, the
// rest.
std::string Words(const Rule& r, bool v6) {
  std::string out;
  auto not_if = [](bool negate) { return negate ? "! " : ""; };
  if (r.src) out += not_if(r.src->negate) + ("-s " + r.src->cidr) + " ";
  if (r.dst) out += not_if(r.dst->negate) + ("-d " + r.dst->cidr) + " ";
  if (!r.iif.empty()) out += "-i " + r.iif + " ";
  if (!r.oif.empty()) out += not_if(r.not_oif) + ("-o " + r.oif) + " ";
  if (!r.protocol.empty()) out += "-p " + r.protocol + " ";
  if (r.dport.size() == 1)
    out += "-m " + r.protocol + " " + not_if(r.not_dport) + "--dport " + std::to_string(r.dport[0]) + " ";
  if (r.dport.size() > 1) {
    std::vector<std::string> ports;
    for (uint16_t p : r.dport) ports.push_back(std::to_string(p));
    out += std::string("-m multiport ") + not_if(r.not_dport) + "--dports " + Join(ports, ",") + " ";
  }
  if (r.sport) out += "-m " + r.protocol + " --sport " + std::to_string(r.sport) + " ";
  if (!r.ct_state.empty()) out += "-m conntrack --ctstate " + r.ct_state + " ";
  if (r.mark)
    out += std::string("-m mark ") + not_if(r.mark->negate) + "--mark " + WithMask(r.mark->value, r.mark->mask) + " ";
  if (r.connmark)
    out += std::string("-m connmark ") + not_if(r.connmark->negate) + "--mark " +
           WithMask(r.connmark->value, r.connmark->mask) + " ";
  for (const Owner& o : r.owners)
    out += std::string("-m owner ") + not_if(o.negate) + (o.kind == Owner::kUser ? "--uid-owner " : "--gid-owner ") +
           std::to_string(o.id) + " ";
  const Verdict& v = r.verdict;
  switch (v.kind) {
    case Verdict::kReturn: return out + "-j RETURN";
    case Verdict::kAccept: return out + "-j ACCEPT";
    case Verdict::kDrop: return out + "-j DROP";
    case Verdict::kJump: return out + "-j " + v.chain;
    case Verdict::kRedirect: return out + "-j REDIRECT --to-ports " + std::to_string(v.number);
    case Verdict::kTproxy:
      return out + "-j TPROXY --on-port " + std::to_string(v.number) + " --on-ip " + (v6 ? "::" : "0.0.0.0") +
             " --tproxy-mark " + Hex(v.value) + "/0xffffffff";
    case Verdict::kSetMark: return out + "-j MARK --set-xmark " + Hex(v.value) + "/0xffffffff";
    case Verdict::kSetConnmark: return out + "-j CONNMARK --set-xmark " + Hex(v.value) + "/" + Hex(v.mask);
    case Verdict::kSaveMark: return out + "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff";
    case Verdict::kRestoreMark: return out + "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff";
    case Verdict::kZone: return out + "-j CT --zone " + std::to_string(v.number);
  }
  return out;
}

std::string TargetOf(const std::string& words) {
  size_t at = words.rfind("-j ");
  std::string rest = at == words.npos ? "" : words.substr(at + 3);
  return rest.substr(0, rest.find(' '));
}

}  // namespace

IptablesTables IptablesWanted(const RuleSet& rules, bool v6) {
  IptablesTables out;
  for (const Rule& r : rules.rules) {
    if (r.ip == (v6 ? Ip::kV4 : Ip::kV6)) continue;
    IptablesTable& table = out[r.table];
    table[r.chain].push_back(Words(r, v6));
    if (r.verdict.kind == Verdict::kJump) table.try_emplace(r.verdict.chain);
  }
  return out;
}

// `ours` decides about the rules of built-in chains.
static IptablesTables Parse(
    const std::string& text,
    const std::function<bool(const std::string& table, const std::string& chain, const std::string& words)>& ours) {
  IptablesTables out;
  std::string table;
  for (const std::string& line : Split(text, '\n')) {
    if (line.starts_with("*")) table = line.substr(1);
    if (line.starts_with(":") && IsOurs(line.substr(1))) out[table].try_emplace(line.substr(1, line.find(' ') - 1));
    size_t space = line.starts_with("-A ") ? line.find(' ', 3) : line.npos;
    if (space == line.npos) continue;
    std::string chain = line.substr(3, space - 3), words(Trim(line.substr(space + 1)));
    if (IsOurs(chain) || IsOurs(TargetOf(words)) || ours(table, chain, words)) out[table][chain].push_back(words);
  }
  return out;
}

IptablesTables ParseIptablesSave(const std::string& text, const IptablesTables& wanted) {
  return Parse(text, [&](const std::string& table, const std::string& chain, const std::string& words) {
    auto t = wanted.find(table);
    if (t == wanted.end()) return false;
    auto c = t->second.find(chain);
    return c != t->second.end() && std::find(c->second.begin(), c->second.end(), words) != c->second.end();
  });
}

IptablesTables ParseWholeSave(const std::string& text) {
  return Parse(text, [](const std::string&, const std::string&, const std::string&) { return true; });
}

std::string IptablesChange(const IptablesTables& have, const IptablesTables& wanted) {
  static const IptablesTable kNone;
  std::string out;
  std::vector<std::string> tables;
  for (const IptablesTables* side : {&have, &wanted})
    for (const auto& [name, table] : *side)
      if (std::find(tables.begin(), tables.end(), name) == tables.end()) tables.push_back(name);
  for (const std::string& name : tables) {
    const IptablesTable& old = have.contains(name) ? have.at(name) : kNone;
    const IptablesTable& now = wanted.contains(name) ? wanted.at(name) : kNone;
    if (old == now) continue;
    std::string declare, remove, add, drop;
    for (const auto& [chain, rules] : now)
      if (IsOurs(chain)) declare += ":" + chain + " - [0:0]\n";  // makes it, or empties it
    for (const auto& [chain, rules] : old)
      if (IsOurs(chain) && !now.contains(chain)) {
        declare += ":" + chain + " - [0:0]\n";
        drop += "-X " + chain + "\n";
      }
    for (const auto& [chain, rules] : old)
      if (!IsOurs(chain) && !(now.contains(chain) && now.at(chain) == rules))
        for (const std::string& r : rules) remove += "-D " + chain + " " + r + "\n";
    for (const auto& [chain, rules] : now) {
      if (!IsOurs(chain) && old.contains(chain) && old.at(chain) == rules) continue;
      for (const std::string& r : rules) add += "-A " + chain + " " + r + "\n";
    }
    out += "*" + name + "\n" + declare + remove + add + drop + "COMMIT\n";
  }
  return out;
}

}  // namespace fairlead::redirect
