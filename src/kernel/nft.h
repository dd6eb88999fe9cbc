// nftables through libnftables, in the calling thread's network namespace: a thread that has used it stays in that one.
#pragma once
#include <string>

#include "util/result.h"

namespace fairlead::kernel {

// Runs a script as `nft -f` does: one transaction, all of it or nothing. The error is nft's own text.
Status NftRun(const std::string& script);
// Runs a list command with JSON output (`list tables`, `list table inet x`). kNotFound when the table does not exist.
Result<std::string> NftListJson(const std::string& command);

}  // namespace fairlead::kernel
