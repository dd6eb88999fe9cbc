#include "redirect/backend.h"

#include "kernel/netns.h"
#include "redirect/backends.h"

namespace fairlead::redirect {

std::string BackendName(BackendKind kind) {
  switch (kind) {
    case BackendKind::kNft: return "nft";
    case BackendKind::kIptablesNft: return "iptables-nft";
    case BackendKind::kIptablesLegacy: return "iptables-legacy";
  }
  return "";
}

std::optional<BackendKind> BackendByName(const std::string& name) {
  for (BackendKind kind : {BackendKind::kNft, BackendKind::kIptablesNft, BackendKind::kIptablesLegacy})
    if (BackendName(kind) == name) return kind;
  return std::nullopt;
}

std::unique_ptr<Backend> NewBackend(BackendKind kind) {
  if (kind == BackendKind::kNft) return NewNftBackend();
  return NewIptablesBackend(kind == BackendKind::kIptablesNft ? kernel::Iptables::kNft : kernel::Iptables::kLegacy);
}

Result<Listing> ExpectationCache::Get(const std::string& script, const std::function<Result<Listing>()>& write) {
  {
    std::lock_guard lock(mutex_);
    if (auto it = cache_.find(script); it != cache_.end()) return *it->second;
  }
  auto expected = std::make_shared<Listing>();
  FL_ASSIGN(UniqueFd scratch, kernel::CreateNetns());
  FL_TRY(kernel::RunInNetns(scratch.get(), [&]() -> Status {
    FL_ASSIGN(*expected, write());
    return {};
  }));
  std::lock_guard lock(mutex_);
  if (cache_.size() > 256) cache_.clear();
  cache_[script] = expected;
  return *expected;
}

}  // namespace fairlead::redirect
