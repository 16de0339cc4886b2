#include "store/meta/rocksdb_meta_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>

#include "base/coding.h"
#include "store/meta/local_meta_store.h"
#include "store/meta/meta_backend.h"
#include "store/meta/rocksdb_disk.h"

namespace kite::store {
namespace {

// Keys in the database: "d" + key: an entry; "l" + key: the entry is under a lease; "r": the
// revision.
constexpr char kEntryTag = 'd';
constexpr char kLeasedTag = 'l';
constexpr char kRevisionKey[] = "r";

// Metadata is small and read mostly from the memtable and the page cache. RocksDB takes the disk of
// a whole write buffer for its WAL in advance: so much can still be committed when the disk is
// full.
constexpr size_t kWriteBufferBytes = size_t{1} << 20;
constexpr size_t kManifestAheadBytes = size_t{64} << 10;
constexpr size_t kBlockCacheBytes = size_t{2} << 20;
constexpr int kOpenFilesMax = 64;
constexpr uint64_t kReopenBytesMin =
    4 * kWriteBufferBytes;  // recovery writes the WAL out as a table

std::string Tagged(char tag, const std::string& key) { return tag + key; }

Status FromRocksDb(const rocksdb::Status& status, std::string_view verb) {
  if (status.ok()) return {};
  std::string message = "cannot " + std::string(verb) + " the metadata: " + status.ToString();
  if (status.IsNoSpace()) return Status::Exhausted(StatusSubject::kDisk, std::move(message));
  if (status.IsCorruption()) return Status::Corruption(StatusSubject::kMeta, std::move(message));
  return Status::IoError(StatusSubject::kMeta, std::move(message));
}

class SilentLogger final : public rocksdb::Logger {
 public:
  SilentLogger() : Logger(rocksdb::HEADER_LEVEL) {}
  using Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::Options MakeOptions(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = true;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 2;
  options.max_total_wal_size = kWriteBufferBytes;
  options.max_open_files = kOpenFilesMax;
  options.max_file_opening_threads = 1;
  options.max_background_jobs = 1;
  options.max_manifest_file_size = size_t{4} << 20;
  options.manifest_preallocation_size = kManifestAheadBytes;
  options.info_log = std::make_shared<SilentLogger>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes, 0);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::string EncodeEntry(const MetaEntry& entry) {
  std::string bytes;
  PutVarint(bytes, static_cast<uint64_t>(entry.create_revision));
  PutVarint(bytes, static_cast<uint64_t>(entry.mod_revision));
  bytes += entry.value;
  return bytes;
}

Result<MetaEntry> DecodeEntry(std::string key, std::string_view bytes) {
  BinaryReader reader(bytes);
  MetaEntry entry;
  entry.create_revision = static_cast<int64_t>(reader.Varint());
  entry.mod_revision = static_cast<int64_t>(reader.Varint());
  entry.value = reader.Take(reader.remaining());
  KITE_RETURN_IF_ERROR(reader.Finish(StatusSubject::kMeta, "metadata entry '" + key + "'"));
  entry.key = std::move(key);
  return entry;
}

class RocksDbBackend final : public MetaBackend {
 public:
  /// Without a lock the database is opened for reading only.
  RocksDbBackend(std::shared_ptr<Disk> disk, std::unique_ptr<FileLock> lock, std::string folder)
      : disk_(std::move(disk)),
        lock_(std::move(lock)),
        env_(NewRocksDbEnv(disk_)),
        folder_(std::move(folder)) {}

  Status Open();
  Result<std::optional<MetaEntry>> Get(const std::string& key) override;
  Result<MetaPage> Range(const std::string& prefix, const std::string& after,
                         size_t limit) override;
  Result<int64_t> Revision() override;
  Result<std::vector<std::string>> LeasedKeys() override;
  Status Write(int64_t revision, const MetaChanges& changes) override;

 private:
  [[nodiscard]] Status CheckOpen() const;
  rocksdb::Status OpenFiles(rocksdb::DB** db) const;
  Status Reopen();
  Status LoadLeasedKeys();

  const std::shared_ptr<Disk> disk_;
  const std::unique_ptr<FileLock> lock_;
  const std::unique_ptr<rocksdb::Env> env_;  ///< null: the system's
  const std::string folder_;
  std::shared_mutex mutex_;  ///< exclusive while db_ is replaced
  std::unique_ptr<rocksdb::DB> db_;
  bool failed_ = false;           ///< a write failed: open anew before the next use by the writer
  std::set<std::string> leased_;  ///< touched by the writer only
};

Status RocksDbBackend::CheckOpen() const {
  if (db_ != nullptr) return {};
  return Status::Unavailable(StatusSubject::kMeta, "the metadata could not be opened again");
}

/// After a failed write: what was applied is what the files say. While the disk is full the
/// database stays open as it is, for reading: opening writes.
Status RocksDbBackend::Reopen() {
  KITE_ASSIGN_OR_RETURN(const uint64_t free_bytes, disk_->FreeBytes(folder_));
  if (free_bytes < kReopenBytesMin) {
    return Status::Exhausted(StatusSubject::kDisk, "the disk of '" + folder_ + "' is full");
  }
  return Open();
}

Status RocksDbBackend::Open() {
  const std::unique_lock lock(mutex_);
  db_.reset();
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = OpenFiles(&db);
  if (!opened.ok()) return FromRocksDb(opened, "open");
  db_.reset(db);
  failed_ = false;
  // A reader has no leases to end.
  return lock_ == nullptr ? Status::Ok() : LoadLeasedKeys();
}

rocksdb::Status RocksDbBackend::OpenFiles(rocksdb::DB** db) const {
  const rocksdb::Options options = MakeOptions(env_ ? env_.get() : rocksdb::Env::Default());
  if (lock_ == nullptr) return rocksdb::DB::OpenForReadOnly(options, folder_, db);
  return rocksdb::DB::Open(options, folder_, db);
}

Status RocksDbBackend::LoadLeasedKeys() {
  leased_.clear();
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator({}));
  for (rows->Seek(std::string(1, kLeasedTag));
       rows->Valid() && rows->key().starts_with(std::string(1, kLeasedTag)); rows->Next()) {
    leased_.insert(rows->key().ToString().substr(1));
  }
  return FromRocksDb(rows->status(), "read");
}

Result<std::optional<MetaEntry>> RocksDbBackend::Get(const std::string& key) {
  const std::shared_lock lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckOpen());
  rocksdb::PinnableSlice bytes;
  const rocksdb::Status status =
      db_->Get({}, db_->DefaultColumnFamily(), Tagged(kEntryTag, key), &bytes);
  if (status.IsNotFound()) return std::optional<MetaEntry>();
  KITE_RETURN_IF_ERROR(FromRocksDb(status, "read"));
  KITE_ASSIGN_OR_RETURN(MetaEntry entry, DecodeEntry(key, {bytes.data(), bytes.size()}));
  return std::optional<MetaEntry>(std::move(entry));
}

Result<MetaPage> RocksDbBackend::Range(const std::string& prefix, const std::string& after,
                                       size_t limit) {
  const std::shared_lock lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckOpen());
  MetaPage page;
  size_t bytes = 0;
  const std::string wanted = Tagged(kEntryTag, prefix);
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator({}));
  // The smallest key greater than `after` is `after` and a zero byte.
  rows->Seek(after < prefix ? wanted : Tagged(kEntryTag, after) + '\0');
  for (; rows->Valid() && rows->key().starts_with(wanted); rows->Next()) {
    if (page.entries.size() == limit || bytes > kMetaPageBytesMax) {
      page.next_after = page.entries.back().key;
      break;
    }
    const rocksdb::Slice value = rows->value();
    KITE_ASSIGN_OR_RETURN(MetaEntry entry, DecodeEntry(rows->key().ToString().substr(1),
                                                       {value.data(), value.size()}));
    bytes += entry.value.size();
    page.entries.push_back(std::move(entry));
  }
  KITE_RETURN_IF_ERROR(FromRocksDb(rows->status(), "read"));
  return page;
}

Result<int64_t> RocksDbBackend::Revision() {
  if (failed_) KITE_RETURN_IF_ERROR(Reopen());
  const std::shared_lock lock(mutex_);
  std::string bytes;
  const rocksdb::Status status = db_->Get({}, kRevisionKey, &bytes);
  if (status.IsNotFound()) return int64_t{0};
  KITE_RETURN_IF_ERROR(FromRocksDb(status, "read"));
  BinaryReader reader(bytes);
  const auto revision = reader.Fixed<int64_t>();
  KITE_RETURN_IF_ERROR(reader.Finish(StatusSubject::kMeta, "the metadata's revision"));
  return revision;
}

Result<std::vector<std::string>> RocksDbBackend::LeasedKeys() {
  return std::vector<std::string>(leased_.begin(), leased_.end());
}

Status RocksDbBackend::Write(int64_t revision, const MetaChanges& changes) {
  if (lock_ == nullptr) {
    return Status::FailedPrecondition(StatusSubject::kMeta,
                                      "the metadata was opened for reading only");
  }
  if (failed_) KITE_RETURN_IF_ERROR(Reopen());
  rocksdb::WriteBatch batch;
  for (const auto& [key, state] : changes) {
    if (state) {
      batch.Put(Tagged(kEntryTag, key), EncodeEntry(state->entry));
    } else {
      batch.Delete(Tagged(kEntryTag, key));
    }
    const bool leased = state && state->leased;
    if (leased && !leased_.contains(key)) batch.Put(Tagged(kLeasedTag, key), "");
    if (!leased && leased_.contains(key)) batch.Delete(Tagged(kLeasedTag, key));
  }
  std::string revision_bytes;
  PutFixed(revision_bytes, revision);
  batch.Put(kRevisionKey, revision_bytes);
  rocksdb::WriteOptions durable;
  durable.sync = true;
  const rocksdb::Status written = db_->Write(durable, &batch);
  if (!written.ok()) {
    failed_ = true;
    return FromRocksDb(written, "write");
  }
  for (const auto& [key, state] : changes) {
    if (state && state->leased) {
      leased_.insert(key);
    } else {
      leased_.erase(key);
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<MetaStore>> OpenRocksDbMetaStore(std::shared_ptr<Disk> disk,
                                                        const std::string& folder,
                                                        std::shared_ptr<const Clock> clock) {
  KITE_RETURN_IF_ERROR(disk->CreateDirs(folder));
  // RocksDB locks as well, but has no error code for it.
  Result<std::unique_ptr<FileLock>> lock = disk->Lock(folder + "/KITE_LOCK");
  if (lock.status().Is(StatusKind::kFailedPrecondition)) {
    return Status::FailedPrecondition(StatusSubject::kMeta, lock.status().message());
  }
  KITE_RETURN_IF_ERROR(lock.status());
  auto backend = std::make_unique<RocksDbBackend>(std::move(disk), std::move(*lock), folder);
  KITE_RETURN_IF_ERROR(backend->Open());
  return OpenLocalMetaStore(std::move(backend), std::move(clock));
}

Result<std::unique_ptr<MetaStore>> OpenRocksDbReadOnly(std::shared_ptr<Disk> disk,
                                                       const std::string& folder) {
  auto backend = std::make_unique<RocksDbBackend>(std::move(disk), nullptr, folder);
  KITE_RETURN_IF_ERROR(backend->Open());
  return OpenLocalMetaStore(std::move(backend), Clock::System());
}

}  // namespace kite::store
