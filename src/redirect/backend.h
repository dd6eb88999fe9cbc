// How rules get into the kernel: nftables, or one of the two iptables. A backend works in the calling thread's network
// namespace and only ever touches what carries istio's names.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "redirect/rules.h"
#include "util/result.h"

namespace fairlead::redirect {

enum class BackendKind { kNft, kIptablesNft, kIptablesLegacy };
std::string BackendName(BackendKind kind);  // nft, iptables-nft, iptables-legacy
std::optional<BackendKind> BackendByName(const std::string& name);

// What a namespace has of ours, in a form in which equal rules are equal: text by table. Absent tables are missing.
using Listing = std::map<std::string, std::string>;

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Result<Listing> List(const RuleSet& wanted) = 0;
  // Makes it so, knowing what there is. nft: one transaction; iptables: one for each table and family.
  virtual Status Write(const RuleSet& wanted, const Listing& have) = 0;
  // Takes away everything of that prefix (istio-proxy, istio-ambient).
  virtual Status Remove(const std::string& prefix) = 0;
  // What List says of a namespace that has the rules and nothing else. The kernel is asked: they are written once into
  // an empty namespace.
  virtual Result<Listing> Expect(const RuleSet& wanted) = 0;
  // Which of its tables hold something with istio's names, whoever wrote it: a quick look.
  virtual Result<bool> Present(const std::string& prefix) = 0;
};

std::unique_ptr<Backend> NewBackend(BackendKind kind);

}  // namespace fairlead::redirect
