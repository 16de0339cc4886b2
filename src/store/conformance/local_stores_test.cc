// The conformance suites over the embedded stores, those in memory, and faulty ones without faults.
#include <thread>

#include "base/disk_memory.h"
#include "base/temp_folder.h"
#include "store/conformance/log_store_conformance.h"
#include "store/conformance/meta_store_conformance.h"
#include "store/conformance/object_store_conformance.h"
#include "store/faulty/faulty_disk.h"
#include "store/faulty/faulty_stores.h"
#include "store/log/file_log_store.h"
#include "store/meta/memory_meta_store.h"
#include "store/meta/rocksdb_meta_store.h"
#include "store/object/local_object_store.h"

namespace kite::store {
namespace {

/// A disk and a root folder on it that live as long as the harness.
struct Place {
  std::unique_ptr<TempFolder> folder;
  std::shared_ptr<Disk> disk;
  std::string root;
};

Place OnSystemDisk() {
  auto folder = std::make_unique<TempFolder>();
  std::string root = folder->path();
  return {std::move(folder), Disk::System(), std::move(root)};
}
Place InMemory() { return {nullptr, MemoryDisk::Make(), "/root"}; }
Place OnFaultyDisk() { return {nullptr, FaultyDisk::Make(), "/root"}; }

// ---- log

class FileLogHarness final : public LogStoreHarness {
 public:
  FileLogHarness(Place place, FileLogOptions options)
      : place_(std::move(place)), options_(options) {}
  Result<std::unique_ptr<LogStore>> Open() override {
    return OpenFileLogStore(place_.disk, place_.root, options_);
  }

 private:
  const Place place_;
  const FileLogOptions options_;
};

class FaultyLogHarness final : public LogStoreHarness {
 public:
  Result<std::unique_ptr<LogStore>> Open() override {
    Result<std::unique_ptr<LogStore>> opened = OpenFileLogStore(place_.disk, place_.root);
    if (!opened.ok()) return opened;
    return MakeFaulty(std::move(*opened), std::make_shared<FaultPolicy>());
  }

 private:
  const Place place_ = InMemory();
};

LogStoreCase FileLogCase(std::string name, Place (*place)(), uint64_t file_bytes_max) {
  const FileLogOptions options{.streams = 2, .file_bytes_max = file_bytes_max};
  return {std::move(name), [=] { return std::make_unique<FileLogHarness>(place(), options); }};
}

INSTANTIATE_TEST_SUITE_P(
    Local, LogStoreConformance,
    testing::Values(FileLogCase("file", OnSystemDisk, 64 << 20),
                    FileLogCase("file_rolling", OnSystemDisk, 1000),
                    FileLogCase("memory", InMemory, 64 << 20),
                    FileLogCase("memory_rolling", InMemory, 5000),
                    FileLogCase("faulty_disk", OnFaultyDisk, 64 << 20),
                    LogStoreCase{"faulty", [] { return std::make_unique<FaultyLogHarness>(); }}),
    LogStoreCaseName);

// ---- metadata

class RocksDbHarness final : public MetaStoreHarness {
 public:
  explicit RocksDbHarness(Place place) : place_(std::move(place)) {}
  Result<std::unique_ptr<MetaStore>> Open() override {
    return OpenRocksDbMetaStore(place_.disk, place_.root + "/meta", clock_);
  }
  void PassTime(std::chrono::milliseconds time) override { clock_->Advance(time.count() * 1000); }

 private:
  const Place place_;
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(1'700'000'000'000'000);
};

class MemoryMetaHarness final : public MetaStoreHarness {
 public:
  explicit MemoryMetaHarness(std::shared_ptr<FaultPolicy> policy) : policy_(std::move(policy)) {}
  Result<std::unique_ptr<MetaStore>> Open() override {
    Result<std::unique_ptr<MetaStore>> opened = OpenMemoryMetaStore(memory_, clock_);
    if (!opened.ok() || policy_ == nullptr) return opened;
    return MakeFaulty(std::move(*opened), policy_);
  }
  void PassTime(std::chrono::milliseconds time) override { clock_->Advance(time.count() * 1000); }

 private:
  const std::shared_ptr<FaultPolicy> policy_;
  const std::shared_ptr<MetaMemory> memory_ = NewMetaMemory();
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(1'700'000'000'000'000);
};

/// Leases on the machine's clock, ended by the store's own thread.
class RealTimeMetaHarness final : public MetaStoreHarness {
 public:
  Result<std::unique_ptr<MetaStore>> Open() override { return OpenMemoryMetaStore(memory_); }
  void PassTime(std::chrono::milliseconds time) override { std::this_thread::sleep_for(time); }

 private:
  const std::shared_ptr<MetaMemory> memory_ = NewMetaMemory();
};

INSTANTIATE_TEST_SUITE_P(
    Local, MetaStoreConformance,
    testing::Values(
        MetaStoreCase{"rocksdb", [] { return std::make_unique<RocksDbHarness>(OnSystemDisk()); }},
        MetaStoreCase{"rocksdb_memory",
                      [] { return std::make_unique<RocksDbHarness>(InMemory()); }},
        MetaStoreCase{"rocksdb_faulty_disk",
                      [] { return std::make_unique<RocksDbHarness>(OnFaultyDisk()); }},
        MetaStoreCase{"memory", [] { return std::make_unique<MemoryMetaHarness>(nullptr); }},
        MetaStoreCase{"memory_real_time", [] { return std::make_unique<RealTimeMetaHarness>(); }},
        MetaStoreCase{
            "faulty",
            [] { return std::make_unique<MemoryMetaHarness>(std::make_shared<FaultPolicy>()); }}),
    MetaStoreCaseName);

// ---- objects

class LocalObjectHarness final : public ObjectStoreHarness {
 public:
  LocalObjectHarness(Place place, std::shared_ptr<FaultPolicy> policy)
      : place_(std::move(place)), policy_(std::move(policy)) {}
  Result<std::unique_ptr<ObjectStore>> Open() override {
    Result<std::unique_ptr<ObjectStore>> opened =
        OpenLocalObjectStore(place_.disk, place_.root + "/objects");
    if (!opened.ok() || policy_ == nullptr) return opened;
    return MakeFaulty(std::move(*opened), policy_);
  }

 private:
  const Place place_;
  const std::shared_ptr<FaultPolicy> policy_;
};

ObjectStoreCase LocalObjectCase(std::string name, Place (*place)(),
                                std::shared_ptr<FaultPolicy> policy) {
  return {std::move(name), [=] { return std::make_unique<LocalObjectHarness>(place(), policy); }};
}

INSTANTIATE_TEST_SUITE_P(Local, ObjectStoreConformance,
                         testing::Values(LocalObjectCase("local", OnSystemDisk, nullptr),
                                         LocalObjectCase("memory", InMemory, nullptr),
                                         LocalObjectCase("faulty_disk", OnFaultyDisk, nullptr),
                                         LocalObjectCase("faulty", InMemory,
                                                         std::make_shared<FaultPolicy>())),
                         ObjectStoreCaseName);

}  // namespace
}  // namespace kite::store
