// How much memory there is.
#pragma once

#include <cstdint>
#include <string>

namespace kite::server {

/// Bytes that this process may use: the machine's, or its container's limit where that is less.
/// `cgroup` is where the kernel shows the container's limits.
uint64_t MachineMemory(const std::string& cgroup = "/sys/fs/cgroup");

}  // namespace kite::server
