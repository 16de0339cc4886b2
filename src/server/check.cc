// kite check: every checksum and structure of a stopped database. Nothing in its folder changes: the stores are opened
// for reading only, and the log's files are verified without a store.
#include <algorithm>

#include "kite/engine/index.h"
#include "segment/manifest.h"
#include "segment/sealed_segment.h"
#include "server/database.h"
#include "server/layout.h"
#include "store/log/log_verify.h"
#include "store/meta/rocksdb_meta_store.h"
#include "store/object/local_object_store.h"

namespace kite::server {
namespace {

class Checker {
 public:
  Checker(const Context& context, std::shared_ptr<Disk> disk, std::string data_dir,
          std::function<void(uint64_t, uint64_t)> progress)
      : context_(context), disk_(std::move(disk)), data_dir_(std::move(data_dir)), progress_(std::move(progress)) {}

  Result<CheckReport> Run() {
    std::unique_ptr<FileLock> lock;
    // Locking would create it. Without it no process has the database open.
    if (disk_->FileSize(data_dir_ + "/LOCK").ok()) {
      KITE_ASSIGN_OR_RETURN(lock, LockDataDir(*disk_, data_dir_));
    }
    objects_ = store::OpenLocalObjectsReadOnly(disk_, data_dir_);
    KITE_RETURN_IF_ERROR(ReadManifests());
    for (const segment::Manifest& manifest : manifests_) {
      for (const segment::SegmentMeta& segment : manifest.segments) KITE_RETURN_IF_ERROR(CheckSegment(segment));
    }
    KITE_RETURN_IF_ERROR(CheckLog());
    return std::move(report_);
  }

 private:
  Status ReadManifests() {
    auto meta = store::OpenRocksDbReadOnly(disk_, MetaFolder(data_dir_));
    if (!meta.ok()) {
      report_.problems.push_back("metadata: " + meta.status().message());
      return {};
    }
    KITE_ASSIGN_OR_RETURN(const auto collections, store::RangeAll(context_, **meta, "root/collection/"));
    report_.collections = collections.size();
    KITE_ASSIGN_OR_RETURN(const auto pointers, store::RangeAll(context_, **meta, "channel/"));
    for (const store::MetaEntry& pointer : pointers) {
      const Result<std::string> bytes = objects_->Get(context_, pointer.value);
      Result<segment::Manifest> manifest =
          bytes.ok() ? segment::DecodeManifest(*bytes, pointer.value) : Result<segment::Manifest>(bytes.status());
      ++report_.files;
      if (!manifest.ok()) {
        report_.problems.push_back(manifest.status().message());
        continue;
      }
      report_.bytes += bytes->size();
      for (const segment::SegmentMeta& segment : manifest->segments) bytes_total_ += segment.byte_size();
      manifests_.push_back(std::move(*manifest));
    }
    return {};
  }

  Status CheckSegment(const segment::SegmentMeta& segment) {
    ++report_.segments;
    std::vector<segment::FileMeta> files = segment.files;
    for (const segment::VectorIndexMeta& index : segment.indexes) files.push_back(index.file);
    if (!segment.deletes.key.empty()) files.push_back(segment.deletes);
    for (const segment::FileMeta& file : files) {
      KITE_RETURN_IF_ERROR(context_.Check());
      const Status verified = segment::VerifyFile(context_, *objects_, file);
      if (!verified.ok()) report_.problems.push_back(verified.message());
      ++report_.files;
      report_.bytes += file.size;
      bytes_done_ += file.size;
      if (progress_) progress_(bytes_done_, bytes_total_);
    }
    for (const segment::VectorIndexMeta& index : segment.indexes) {
      const auto view = objects_->Map(context_, index.file.key);
      if (!view.ok()) continue;  // reported above
      const Status verified = engine::VerifyIndexFile((*view)->bytes());
      if (!verified.ok()) report_.problems.push_back(index.file.key + ": " + verified.message());
    }
    return {};
  }

  Status CheckLog() {
    Result<store::LogReport> log = store::VerifyFileLog(context_, *disk_, LogFolder(data_dir_));
    KITE_RETURN_IF_ERROR(context_.Check());
    if (!log.ok()) {
      report_.problems.push_back("write-ahead log: " + log.status().message());
      return {};
    }
    report_.log_records = log->records;
    report_.bytes += log->bytes;
    report_.log_tails = std::move(log->tails);
    std::move(log->problems.begin(), log->problems.end(), std::back_inserter(report_.problems));
    return {};
  }

  const Context& context_;
  const std::shared_ptr<Disk> disk_;
  const std::string data_dir_;
  const std::function<void(uint64_t, uint64_t)> progress_;
  std::unique_ptr<store::ObjectStore> objects_;
  std::vector<segment::Manifest> manifests_;
  uint64_t bytes_done_ = 0;
  uint64_t bytes_total_ = 0;
  CheckReport report_;
};

}  // namespace

Result<CheckReport> CheckDatabase(const Context& context, const std::string& data_dir,
                                  const std::function<void(uint64_t, uint64_t)>& progress) {
  const std::shared_ptr<Disk> disk = Disk::System();
  // Opening would create what is not there.
  KITE_RETURN_IF_ERROR(disk->List(MetaFolder(data_dir)).status().WithContext("'" + data_dir + "' holds no database"));
  return Checker(context, disk, data_dir, progress).Run();
}

}  // namespace kite::server
