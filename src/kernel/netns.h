// Network namespaces. A thread that enters one never comes back to ordinary work: RunInNetns uses a thread of its own.
#pragma once
#include <functional>

#include "util/fd.h"

namespace fairlead::kernel {

struct NetnsId {
  uint64_t device = 0, inode = 0;
  bool operator==(const NetnsId&) const = default;
  std::string ToString() const;  // "4:4026532281"
};

// Opens a namespace file and checks that it is one. kNotFound: no such path. kInvalid: something else than a netns.
Result<UniqueFd> OpenNetns(const std::string& path);
Result<NetnsId> IdentifyNetns(int fd);
// Runs `work` in that namespace on a thread of its own and returns its result.
Status RunInNetns(int netns_fd, const std::function<Status()>& work);
// A new, empty network namespace; it lives as long as the descriptor (or a bind mount of it).
Result<UniqueFd> CreateNetns();

// Whether the text is an IPv4 or IPv6 address; an address with a prefix length.
bool IsAddress(const std::string& text);
bool IsCidr(const std::string& text);

// Addresses of the calling thread's namespace that are neither loopback nor link local, as text.
Result<std::vector<std::string>> GlobalAddresses();
// Sets lo up in the calling thread's namespace.
Status SetLoopbackUp();
// Adds a /128 to lo in the calling thread's namespace; present already is fine.
Status AddLoopbackAddress6(const std::string& address);
// Whether the calling thread's namespace has IPv6 at all.
bool HasIpv6();

}  // namespace fairlead::kernel
