#include "server/machine_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace kite::server {

uint64_t MachineMemory(const std::string& cgroup) {
  uint64_t bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                   static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
  // Version 2, whose file says "max" where there is no limit, and version 1.
  for (const char* name : {"/memory.max", "/memory/memory.limit_in_bytes"}) {
    std::ifstream file(cgroup + name);
    if (uint64_t limit = 0; file >> limit && limit > 0) bytes = std::min(bytes, limit);
  }
  return bytes;
}

}  // namespace kite::server
