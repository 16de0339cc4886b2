// RocksDB's file system over a Disk, so that a disk made for tests is under RocksDB as well.
#pragma once

#include <rocksdb/env.h>

#include <memory>

#include "base/disk.h"

namespace kite::store {

/// null for the system disk: RocksDB's own file system does that best.
std::unique_ptr<rocksdb::Env> NewRocksDbEnv(std::shared_ptr<Disk> disk);

}  // namespace kite::store
