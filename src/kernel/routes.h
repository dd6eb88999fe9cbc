// Policy routes that bring packets with a mark to the local stack, in the calling thread's network namespace:
// `ip rule add fwmark MARK/MASK lookup TABLE` and `ip route add local default dev lo table TABLE`.
#pragma once
#include <cstdint>

#include "util/result.h"

namespace fairlead::kernel {

struct LocalRoute {
  bool v6 = false;
  uint32_t mark = 0, mask = 0xffffffff;
  uint32_t table = 0;
  uint32_t priority = 0;  // of the rule; 0: the kernel's choice
};

// true when something had to be added.
Result<bool> AddLocalRoute(const LocalRoute& r);
Result<bool> HasLocalRoute(const LocalRoute& r);
// What is not there any more is fine.
Status DeleteLocalRoute(const LocalRoute& r);

}  // namespace fairlead::kernel
