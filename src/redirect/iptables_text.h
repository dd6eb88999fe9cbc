// Rules as iptables-save prints them and iptables-restore reads them, and the difference between two such states.
#pragma once
#include <map>

#include "redirect/rules.h"

namespace fairlead::redirect {

// One table as far as it is ours: rules by chain in their order, each as the words after "-A CHAIN ".
using IptablesTable = std::map<std::string, std::vector<std::string>>;
using IptablesTables = std::map<std::string, IptablesTable>;  // by table

// The tables that the rules amount to, in the words in which they are given to iptables-restore.
IptablesTables IptablesWanted(const RuleSet& rules, bool v6);
// Reads an iptables-save text: istio's chains, jumps to them, and those rules of the built-in chains that stand in
// `wanted` too (they carry no name that tells whose they are).
IptablesTables ParseIptablesSave(const std::string& text, const IptablesTables& wanted);
// The same of a namespace that has no other rules than ours: all of it.
IptablesTables ParseWholeSave(const std::string& text);
// What iptables-restore --noflush must be fed so that `have` becomes `wanted`; "" when they are equal. Each table
// changes in one step. Rules of built-in chains stay where they are when they are right already.
std::string IptablesChange(const IptablesTables& have, const IptablesTables& wanted);

}  // namespace fairlead::redirect
