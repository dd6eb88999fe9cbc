// What a program that runs on every node asks of the kernel. It keeps little memory: few malloc arenas, and what is
// free goes back.
#pragma once
#include <malloc.h>
#include <sys/resource.h>

namespace fairlead::cmd {

inline void KeepMemorySmall() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  mallopt(M_TRIM_THRESHOLD, 64 << 10);
  mallopt(M_TOP_PAD, 16 << 10);
}

// An agent holds a descriptor for each pod of its node, and two sets of them while it hands over: as many as it may
// have.
inline void AllowManyDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace fairlead::cmd
