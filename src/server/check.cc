// kite check: every checksum and structure of a stopped database. Nothing in its folder changes: the stores are opened
// for reading only, and the log's files are verified without a store. Nor does anything in stores on servers: no bucket
// or topic is made, no ownership taken; who has the database is asked before and after.
#include <algorithm>
#include <map>

#include "base/temp_folder.h"
#include "kite/engine/index.h"
#include "model/collection.h"
#include "model/meta_keys.h"
#include "segment/manifest.h"
#include "segment/sealed_segment.h"
#include "server/database.h"
#include "server/layout.h"
#include "server/object_claim.h"
#include "server/ownership.h"
#include "store/log/log_verify.h"
#include "store/meta/rocksdb_meta_store.h"
#include "store/object/local_object_store.h"

namespace kite::server {
namespace {

class Checker {
 public:
  Checker(const Context& context, std::shared_ptr<Disk> disk, std::string data_dir, ExternalStores external,
          std::function<void(uint64_t, uint64_t)> progress)
      : context_(context),
        disk_(std::move(disk)),
        data_dir_(std::move(data_dir)),
        external_(std::move(external)),
        progress_(std::move(progress)) {}

  Result<CheckReport> Run() {
    std::unique_ptr<FileLock> lock;
    // Locking would create it. Without it no process has the database open.
    if (disk_->FileSize(data_dir_ + "/LOCK").ok()) {
      KITE_ASSIGN_OR_RETURN(lock, LockDataDir(*disk_, data_dir_));
    }
    KITE_RETURN_IF_ERROR(OpenMetadata());
    KITE_RETURN_IF_ERROR(OpenObjects(0));
    if (meta_ != nullptr) KITE_RETURN_IF_ERROR(ReadManifests());
    KITE_RETURN_IF_ERROR(OpenObjects(LargestIndex()));
    for (const segment::Manifest& manifest : manifests_) {
      for (const segment::SegmentMeta& segment : manifest.segments) KITE_RETURN_IF_ERROR(CheckSegment(segment));
    }
    KITE_RETURN_IF_ERROR(external_.kafka ? CheckLogOnServer() : CheckLogFiles());
    if (external_.etcd) KITE_RETURN_IF_ERROR(ExpectNobodyCame());
    return std::move(report_);
  }

 private:
  /// Damage is put into the report; a store that does not answer ends the check.
  Status Note(const Status& failure) {
    KITE_RETURN_IF_ERROR(context_.Check());
    if (IsStoreOutage(failure, external_)) return failure;
    report_.problems.push_back(failure.message());
    return {};
  }

  Status OpenMetadata() {
    if (!external_.etcd) {
      auto meta = store::OpenRocksDbReadOnly(disk_, MetaFolder(data_dir_));
      if (!meta.ok()) return Note(meta.status().WithContext("metadata"));
      meta_ = std::move(*meta);
      return {};
    }
    KITE_ASSIGN_OR_RETURN(meta_, store::OpenEtcdMetaStore(*external_.etcd));
    owner_.database = DescribeMeta(external_, data_dir_);
    constexpr size_t kLongest = 64;
    const Result<std::string> node_id = disk_->Read(data_dir_ + "/node-id", 0, kLongest);
    if (node_id.ok()) owner_.node_id = *node_id;
    KITE_RETURN_IF_ERROR(AwaitNoOwner(context_, *meta_, owner_));
    KITE_ASSIGN_OR_RETURN(term_, LastTerm(context_, *meta_));
    if (!term_.empty()) return {};
    return Status::NotFound(StatusSubject::kMeta, owner_.database + " holds no Kite database");
  }

  /// What happened meanwhile would look like damage.
  Status ExpectNobodyCame() {
    KITE_ASSIGN_OR_RETURN(const std::string term, LastTerm(context_, *meta_));
    if (term == term_) return {};
    return Status::FailedPrecondition(StatusSubject::kNode, "a server was started on the database in " +
                                                                owner_.database +
                                                                " while it was checked; stop it and check again");
  }

  /// `mapped_bytes_max`: of an object that is mapped. Those on a server come to a temporary folder, one at a time.
  Status OpenObjects(uint64_t mapped_bytes_max) {
    if (!external_.s3) {
      objects_ = store::OpenLocalObjectsReadOnly(disk_, data_dir_);
      return {};
    }
    constexpr uint64_t kBesideObject = uint64_t{1} << 20;  // what the cache's files have more
    store::S3Options options = *external_.s3;
    options.create_bucket = false;
    options.cache_dir = cache_.path();
    options.cache_bytes_max = mapped_bytes_max + kBesideObject;
    objects_.reset();  // one at a time has the cache
    KITE_ASSIGN_OR_RETURN(objects_, store::OpenS3ObjectStore(context_, options));
    return {};
  }

  uint64_t LargestIndex() const {
    uint64_t largest = 0;
    for (const segment::Manifest& manifest : manifests_) {
      for (const segment::SegmentMeta& segment : manifest.segments) {
        for (const segment::VectorIndexMeta& index : segment.indexes) largest = std::max(largest, index.file.size);
      }
    }
    return largest;
  }

  Status ReadManifests() {
    if (external_.s3) {
      const Status claimed = CheckClaim(context_, *meta_, *objects_, DescribeObjects(external_, data_dir_));
      if (claimed.Is(StatusKind::kFailedPrecondition, StatusSubject::kNode)) return claimed;
      if (!claimed.ok()) KITE_RETURN_IF_ERROR(Note(claimed));
    }
    KITE_ASSIGN_OR_RETURN(const auto collections, store::RangeAll(context_, *meta_, model::kCollectionPrefix));
    report_.collections = collections.size();
    for (const store::MetaEntry& entry : collections) {
      const Result<model::CollectionMeta> collection = model::CollectionFromJson(entry.value);
      if (collection.ok()) {
        streams_[collection->id] = collection->streams;
      } else {
        report_.problems.push_back("metadata '" + entry.key + "': " + collection.status().message());
      }
    }
    KITE_ASSIGN_OR_RETURN(const auto pointers, store::RangeAll(context_, *meta_, "channel/"));
    for (const store::MetaEntry& pointer : pointers) {
      const Result<std::string> bytes = objects_->Get(context_, pointer.value);
      Result<segment::Manifest> manifest =
          bytes.ok() ? segment::DecodeManifest(*bytes, pointer.value) : Result<segment::Manifest>(bytes.status());
      ++report_.files;
      if (!manifest.ok()) {
        KITE_RETURN_IF_ERROR(Note(manifest.status()));
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
    for (const segment::FileMeta& file : segment.files) KITE_RETURN_IF_ERROR(CheckFile(file).status());
    if (!segment.deletes.key.empty()) KITE_RETURN_IF_ERROR(CheckFile(segment.deletes).status());
    for (const segment::VectorIndexMeta& index : segment.indexes) {
      KITE_ASSIGN_OR_RETURN(const bool sound, CheckFile(index.file));
      if (!sound) continue;
      KITE_ASSIGN_OR_RETURN(const auto view, objects_->Map(context_, index.file.key));
      const Status verified = engine::VerifyIndexFile(view->bytes());
      if (!verified.ok()) report_.problems.push_back(index.file.key + ": " + verified.message());
    }
    return {};
  }

  /// Whether its checksums hold.
  Result<bool> CheckFile(const segment::FileMeta& file) {
    KITE_RETURN_IF_ERROR(context_.Check());
    const Status verified = segment::VerifyFile(context_, *objects_, file);
    if (!verified.ok()) KITE_RETURN_IF_ERROR(Note(verified));
    ++report_.files;
    report_.bytes += file.size;
    bytes_done_ += file.size;
    if (progress_) progress_(bytes_done_, bytes_total_);
    return verified.ok();
  }

  Status CheckLogFiles() {
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

  /// Reads every record as a restart would; each is verified by who reads it.
  Status CheckLogOnServer() {
    store::KafkaLogOptions options = *external_.kafka;
    options.create_topic = false;
    KITE_ASSIGN_OR_RETURN(const auto log, store::OpenKafkaLogStore(context_, options));
    for (store::StreamId stream = 0; stream < log->streams(); ++stream) {
      const Status read = CheckStream(*log, stream);
      if (!read.ok()) KITE_RETURN_IF_ERROR(Note(read));
    }
    return {};
  }

  Status CheckStream(store::LogStore& log, store::StreamId stream) {
    constexpr size_t kReadBytes = size_t{8} << 20;
    KITE_ASSIGN_OR_RETURN(const store::StreamInfo info, log.Info(context_, stream));
    for (const segment::Manifest& manifest : manifests_) {
      const auto streams = streams_.find(manifest.collection);
      if (streams == streams_.end() || manifest.shard >= streams->second.size()) continue;
      if (streams->second[manifest.shard] % log.streams() != stream || manifest.checkpoint <= info.end) continue;
      report_.problems.push_back("stream " + std::to_string(stream) + " of the log in " +
                                 DescribeLog(external_, data_dir_) + " ends at offset " + std::to_string(info.end) +
                                 ", and offset " + std::to_string(manifest.checkpoint - 1) +
                                 " was there before: records are missing");
    }
    for (store::LogOffset next = info.begin; next < info.end;) {
      const store::LogOffset from = next;
      KITE_ASSIGN_OR_RETURN(const auto records, log.Read(context_, stream, from, kReadBytes, &next));
      report_.log_records += records.size();
      for (const store::LogRecord& record : records) report_.bytes += record.payload.size();
      if (next == from) break;  // the rest is none that counts
    }
    return {};
  }

  const Context& context_;
  const std::shared_ptr<Disk> disk_;
  const std::string data_dir_;
  const ExternalStores external_;
  const std::function<void(uint64_t, uint64_t)> progress_;
  const TempFolder cache_;
  std::unique_ptr<store::MetaStore> meta_;
  OwnerOptions owner_;
  std::string term_;
  std::unique_ptr<store::ObjectStore> objects_;
  std::vector<segment::Manifest> manifests_;
  std::map<model::CollectionId, std::vector<uint32_t>> streams_;  ///< of the log, per shard
  uint64_t bytes_done_ = 0;
  uint64_t bytes_total_ = 0;
  CheckReport report_;
};

}  // namespace

Result<CheckReport> CheckDatabase(const Context& context, const std::string& data_dir, const ExternalStores& external,
                                  const std::function<void(uint64_t, uint64_t)>& progress) {
  const std::shared_ptr<Disk> disk = Disk::System();
  // Opening would create what is not there.
  if (!external.etcd) {
    KITE_RETURN_IF_ERROR(disk->List(MetaFolder(data_dir)).status().WithContext("'" + data_dir + "' holds no database"));
  }
  return Checker(context, disk, data_dir, external, progress).Run();
}

}  // namespace kite::server
