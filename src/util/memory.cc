#include "util/memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstring>

namespace fairlead {

void DropTextPages() {
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  if (!maps) return;
  char line[1024];
  while (std::fgets(line, sizeof line, maps)) {
    unsigned long begin = 0, end = 0, inode = 0;
    char mode[8] = "";
    // Executable and never writable: text. A file has an inode; the kernel's own pages have none.
    if (std::sscanf(line, "%lx-%lx %7s %*s %*s %lu", &begin, &end, mode, &inode) != 4) continue;
    if (inode != 0 && std::strcmp(mode, "r-xp") == 0)
      (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  std::fclose(maps);
}

}  // namespace fairlead
