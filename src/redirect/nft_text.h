// Rules in nft's language, in tables of family inet with istio's names.
#pragma once
#include <map>

#include "redirect/rules.h"

namespace fairlead::redirect {

// What makes each table as it shall be, by the table's name; a table without rules is removed. Each text empties its
// table first, so any of them together are one transaction with a known end.
std::map<std::string, std::string> NftTables(const RuleSet& rules);
// The tables that such a rule set may have.
std::vector<std::string> NftTableNames(const std::string& prefix);

}  // namespace fairlead::redirect
