// One request to the kernel's routing socket and its answers, in the calling thread's network namespace.
#pragma once
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <functional>
#include <string>

#include "util/result.h"

namespace fairlead::kernel {

class RtRequest {
 public:
  // `header` is the family's message: rtmsg, ifaddrmsg, fib_rule_hdr, ...
  template <class Header>
  RtRequest(uint16_t type, uint16_t flags, const Header& header) : type_(type), flags_(flags) {
    body_.assign(reinterpret_cast<const char*>(&header), sizeof header);
    Pad();
  }
  RtRequest& Attribute(uint16_t type, const void* data, size_t size);
  RtRequest& Attribute(uint16_t type, uint32_t value) { return Attribute(type, &value, sizeof value); }

  // Sends it and waits for the kernel's verdict: 0, or an errno (EEXIST, ESRCH, ...). An error is the socket's.
  Result<int> Send() const;
  // Sends it as a dump; `each` sees every answer's header message and the attributes after it.
  using Each = std::function<void(const nlmsghdr& message)>;
  Status Dump(const Each& each) const;

 private:
  void Pad() { body_.append((4 - body_.size() % 4) % 4, '\0'); }
  std::string Message(uint16_t extra_flags) const;
  uint16_t type_, flags_;
  std::string body_;
};

}  // namespace fairlead::kernel
