// The iptables programs, run in the calling thread's network namespace.
#pragma once
#include <string>

#include "util/result.h"

namespace fairlead::kernel {

// Which of the two implementations: rules of one are invisible to the other.
enum class Iptables { kNft, kLegacy };

// The text of iptables-save (or ip6tables-save). kNotFound: the program is not installed.
Result<std::string> IptablesSave(Iptables which, bool v6);
// Feeds iptables-restore --noflush; each table in the text changes in one step.
Status IptablesRestore(Iptables which, bool v6, const std::string& text);
// Whether this namespace has legacy tables at all: without them there is nothing to list, and listing would make them.
bool HasLegacyTables(bool v6);

}  // namespace fairlead::kernel
