// A program that runs on every node keeps little memory: few malloc arenas, and what is free goes back to the kernel.
#pragma once
#include <malloc.h>

namespace fairlead::cmd {

inline void KeepMemorySmall() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  mallopt(M_TRIM_THRESHOLD, 64 << 10);
  mallopt(M_TOP_PAD, 16 << 10);
}

}  // namespace fairlead::cmd
