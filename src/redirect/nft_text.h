// Rules in nft's language, in tables of family inet with istio's names.
#pragma once
#include <map>

#include "redirect/rules.h"

namespace fairlead::redirect {

// What makes one table. Taking one away has the kernel wait for its readers (some 10 ms), so that is only done to one
// that is there.
struct NftTable {
  std::string remove;  // whether it is there or not
  std::string create;  // "": it shall not be there
};
// By the table's name. Any of these texts together are one transaction.
std::map<std::string, NftTable> NftTables(const RuleSet& rules);
// The tables that such a rule set may have.
std::vector<std::string> NftTableNames(const std::string& prefix);

}  // namespace fairlead::redirect
