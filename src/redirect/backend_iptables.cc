#include "redirect/backends.h"
#include "redirect/iptables_text.h"
#include "util/strings.h"

namespace fairlead::redirect {
namespace {

std::string Serialize(const IptablesTable& table) {
  std::string out;
  for (const auto& [chain, rules] : table) {
    out += ":" + chain + "\n";
    for (const std::string& r : rules) out += r + "\n";
  }
  return out;
}

IptablesTable Deserialize(const std::string& text) {
  IptablesTable out;
  std::string chain;
  for (const std::string& line : Split(text, '\n')) {
    if (line.starts_with(":"))
      out.try_emplace(chain = line.substr(1));
    else if (!line.empty())
      out[chain].push_back(line);
  }
  return out;
}

// A listing's keys are "v4 nat", "v6 mangle", ...
std::string Prefix(bool v6) { return v6 ? "v6 " : "v4 "; }

IptablesTables OfFamily(const Listing& listing, bool v6) {
  IptablesTables out;
  for (const auto& [key, text] : listing)
    if (key.starts_with(Prefix(v6))) out[key.substr(3)] = Deserialize(text);
  return out;
}

class IptablesBackend : public Backend {
 public:
  explicit IptablesBackend(kernel::Iptables which) : which_(which) {}

  Result<Listing> List(const RuleSet& wanted) override {
    FL_ASSIGN(Listing expected, Expect(wanted));
    Listing out;
    for (bool v6 : Families(wanted)) {
      if (which_ == kernel::Iptables::kLegacy && !kernel::HasLegacyTables(v6)) continue;
      FL_ASSIGN(std::string text, kernel::IptablesSave(which_, v6));
      for (const auto& [table, chains] : ParseIptablesSave(text, OfFamily(expected, v6)))
        out[Prefix(v6) + table] = Serialize(chains);
    }
    return out;
  }

  Status Write(const RuleSet& wanted, const Listing& have) override {
    FL_ASSIGN(Listing expected, Expect(wanted));
    for (bool v6 : Families(wanted)) {
      std::string change = IptablesChange(OfFamily(have, v6), OfFamily(expected, v6));
      if (!change.empty()) FL_TRY(kernel::IptablesRestore(which_, v6, change));
    }
    return {};
  }

  Status Remove(const std::string&) override {
    for (bool v6 : {false, true}) {
      if (which_ == kernel::Iptables::kLegacy && !kernel::HasLegacyTables(v6)) continue;
      FL_ASSIGN(std::string text, kernel::IptablesSave(which_, v6));
      std::string change = IptablesChange(ParseIptablesSave(text, {}), {});
      if (!change.empty()) FL_TRY(kernel::IptablesRestore(which_, v6, change));
    }
    return {};
  }

  Result<Listing> Expect(const RuleSet& wanted) override {
    std::string key;
    for (bool v6 : Families(wanted)) key += Prefix(v6) + IptablesChange({}, IptablesWanted(wanted, v6));
    return cache_.Get(key, [&]() -> Result<Listing> {
      Listing out;
      for (bool v6 : Families(wanted)) {
        IptablesTables given = IptablesWanted(wanted, v6);
        FL_TRY(kernel::IptablesRestore(which_, v6, IptablesChange({}, given)));
        FL_ASSIGN(std::string text, kernel::IptablesSave(which_, v6));
        for (const auto& [table, chains] : ParseWholeSave(text)) out[Prefix(v6) + table] = Serialize(chains);
      }
      return out;
    });
  }

  Result<bool> Present(const std::string& prefix) override {
    if (which_ == kernel::Iptables::kLegacy && !kernel::HasLegacyTables(false)) return false;
    FL_ASSIGN(std::string text, kernel::IptablesSave(which_, false));
    return text.find(prefix == "istio-proxy" ? ":ISTIO_REDIRECT " : ":ISTIO_PRERT ") != text.npos;
  }

 private:
  static std::vector<bool> Families(const RuleSet& r) {
    return r.ipv6 ? std::vector<bool>{false, true} : std::vector<bool>{false};
  }
  kernel::Iptables which_;
  ExpectationCache cache_;
};

}  // namespace

std::unique_ptr<Backend> NewIptablesBackend(kernel::Iptables which) { return std::make_unique<IptablesBackend>(which); }

}  // namespace fairlead::redirect
