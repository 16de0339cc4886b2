#include "server/machine_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/temp_folder.h"

namespace kite::server {
namespace {

TEST(MachineMemoryTest, AContainersLimitCounts) {
  const TempFolder cgroup;
  const uint64_t machine = MachineMemory(cgroup.path());
  EXPECT_GT(machine, uint64_t{1} << 27);
  std::ofstream(cgroup.path() + "/memory.max") << "max\n";
  EXPECT_EQ(MachineMemory(cgroup.path()), machine);
  std::ofstream(cgroup.path() + "/memory.max") << "104857600\n";
  EXPECT_EQ(MachineMemory(cgroup.path()), uint64_t{100} << 20);
}

TEST(MachineMemoryTest, AlsoOfTheOlderVersion) {
  const TempFolder cgroup;
  std::filesystem::create_directory(cgroup.path() + "/memory");
  std::ofstream(cgroup.path() + "/memory/memory.limit_in_bytes") << "104857600\n";
  EXPECT_EQ(MachineMemory(cgroup.path()), uint64_t{100} << 20);
  std::ofstream(cgroup.path() + "/memory/memory.limit_in_bytes") << "9223372036854771712\n";
  EXPECT_GT(MachineMemory(cgroup.path()), uint64_t{100} << 20);
}

}  // namespace
}  // namespace kite::server
