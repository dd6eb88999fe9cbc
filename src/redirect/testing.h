// What the tests of this module share: namespaces, and rules in a form that does not depend on the order of matches.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "kernel/iptables.h"
#include "kernel/netns.h"
#include "kernel/nft.h"
#include "redirect/program.h"
#include "util/strings.h"
#include "util/subprocess.h"

namespace fairlead::redirect {

class NamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to make network namespaces";
    netns = New();
  }
  static UniqueFd New() {
    auto made = kernel::CreateNetns();
    EXPECT_TRUE(made.ok()) << made.error().message;
    if (!made.ok()) return UniqueFd();
    Ip(*made, "link set lo up\n");
    return std::move(*made);
  }
  static Status In(const UniqueFd& where, const std::function<Status()>& work) {
    return kernel::RunInNetns(where.get(), work);
  }
  static Status Nft(const UniqueFd& where, const std::string& script) {
    return In(where, [&] { return kernel::NftRun(script); });
  }
  // iproute2 commands, one a line.
  static void Ip(const UniqueFd& where, const std::string& batch) {
    Status s = In(where, [&]() -> Status {
      FL_ASSIGN(RunResult r, RunProgram({"ip", "-batch", "-"}, {.input = batch}));
      return r.exit_status == 0 ? Status() : MakeError(Code::kInternal, r.err);
    });
    EXPECT_TRUE(s.ok()) << s.error().message;
  }
  UniqueFd netns;
  Programmer programmer;
};

// "-A X -p tcp ! --dport 1 -j Y" as a sorted list of options, so that the order in which matches were given is nothing.
inline std::string SortedWords(const std::string& rule) {
  std::multiset<std::string> options;
  std::string option;
  for (const std::string& word : SplitNonEmpty(rule, ' ')) {
    bool starts = word == "!" || (word.starts_with("-") && option != "!");
    if (starts && !option.empty()) options.insert(std::exchange(option, ""));
    option += (option.empty() ? "" : " ") + word;
  }
  options.insert(option);
  std::string out;
  for (const char* implied : {"-m tcp", "-m udp"}) options.erase(implied);  // by -p, and nothing without options
  for (const std::string& o : options) out += o + " ";
  return out;
}

// An iptables-save text without comments and counters; rules of a chain stay in order.
inline std::string NormalSave(const std::string& text) {
  std::map<std::string, std::string> chains;
  std::string table;
  for (const std::string& line : Split(text, '\n')) {
    if (line.starts_with("*")) table = line.substr(1);
    if (line.starts_with(":ISTIO")) chains[table + " " + line.substr(1, line.find(' ') - 1)];
    if (line.starts_with("-A "))
      chains[table + " " + line.substr(3, line.find(' ', 3) - 3)] +=
          "  " + SortedWords(line.substr(line.find(' ', 3))) + "\n";
  }
  std::string out;
  for (const auto& [chain, rules] : chains) out += chain + "\n" + rules;
  return out;
}

// nft's JSON listing of the whole namespace by chain, each rule's expressions sorted.
inline std::string NormalRuleset(const std::string& text) {
  Json listing = *value::ParseJson(text, "nft");
  std::map<std::string, std::string> out;
  for (const Json& entry : listing["nftables"])
    for (const auto& [kind, body] : entry.items()) {
      std::string where = value::Str(body, "table");
      if (kind == "chain")
        out[where + " chain " + value::Str(body, "name")] += value::Str(body, "hook") + " " + value::Str(body, "type") +
                                                             " " + std::to_string(value::Int(body, "prio")) + "\n";
      if (kind != "rule") continue;
      std::multiset<std::string> expressions;
      for (const Json& e : body["expr"]) expressions.insert(e.contains("counter") ? "counter" : value::Dump(e));
      std::string& rules = out[where + " rules " + value::Str(body, "chain")];
      rules += " ";
      for (const std::string& e : expressions) rules += " " + e;
      rules += "\n";
    }
  std::string all;
  for (const auto& [where, rules] : out) all += where + "\n" + rules;
  return all;
}

}  // namespace fairlead::redirect
