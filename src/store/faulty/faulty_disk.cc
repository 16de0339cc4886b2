#include "store/faulty/faulty_disk.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace kite::store {
namespace {

/// The first `bytes` bytes of the pieces.
std::vector<std::string_view> Beginning(std::span<const std::string_view> pieces, uint64_t bytes) {
  std::vector<std::string_view> beginning;
  for (const std::string_view piece : pieces) {
    beginning.push_back(piece.substr(0, bytes));
    bytes -= std::min<uint64_t>(bytes, piece.size());
  }
  return beginning;
}

}  // namespace

class FaultyDisk::Appender final : public AppendFile {
 public:
  Appender(std::shared_ptr<FaultyDisk> disk, std::unique_ptr<AppendFile> file, std::string path)
      : disk_(std::move(disk)),
        file_(std::move(file)),
        path_(std::move(path)),
        size_(file_->size()) {}

  using AppendFile::Append;
  Status Append(std::span<const std::string_view> pieces) override {
    uint64_t bytes = 0;
    for (const std::string_view piece : pieces) bytes += piece.size();
    if (file_->size() != size_) {
      return Status::IoError(StatusSubject::kDisk,
                             "'" + path_ + "' was not truncated after a failed append");
    }
    if (const Status failure = disk_->Step(DiskOp::kAppend, path_); !failure.ok())
      return Stop(pieces, bytes / 2, failure);
    const uint64_t fits = disk_->TakeSpace(bytes);
    if (fits < bytes) {
      return Stop(
          pieces, fits,
          Status::Exhausted(StatusSubject::kDisk, "cannot write to '" + path_ + "': it is full"));
    }
    KITE_RETURN_IF_ERROR(file_->Append(pieces));
    size_ = file_->size();
    return {};
  }

  Status Sync() override {
    const Status failure = disk_->Step(DiskOp::kSync, path_);
    if (!failure.ok()) sync_failed_ = true;
    // The kernel reports a lost page once. We go on failing: nothing may depend on a second try.
    if (sync_failed_) {
      return Status::IoError(StatusSubject::kDisk,
                             "cannot sync '" + path_ + "': an earlier sync has failed");
    }
    return file_->Sync();
  }

  [[nodiscard]] uint64_t size() const override { return size_; }

 private:
  /// Leaves a part written, as an interrupted write does.
  Status Stop(std::span<const std::string_view> pieces, uint64_t bytes, const Status& failure) {
    const Status ignored = file_->Append(Beginning(pieces, bytes));
    return failure;
  }

  const std::shared_ptr<FaultyDisk> disk_;
  const std::unique_ptr<AppendFile> file_;
  const std::string path_;
  std::atomic<uint64_t> size_;
  std::atomic<bool> sync_failed_{false};
};

std::shared_ptr<FaultyDisk> FaultyDisk::Make() {
  return std::shared_ptr<FaultyDisk>(new FaultyDisk());
}

void FaultyDisk::FailNth(DiskOp op, uint64_t n) {
  const std::lock_guard lock(mutex_);
  Counter& counter = counters_[static_cast<size_t>(op)];
  counter.fail_at = counter.calls + n;
}

uint64_t FaultyDisk::Calls(DiskOp op) const {
  const std::lock_guard lock(mutex_);
  return counters_[static_cast<size_t>(op)].calls;
}

void FaultyDisk::SetFreeBytes(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  free_bytes_ = bytes;
}

Status FaultyDisk::FlipBit(const std::string& path, uint64_t bit) {
  KITE_ASSIGN_OR_RETURN(std::string bytes, disk_->Read(path, 0, UINT64_MAX));
  if (bit / 8 >= bytes.size())
    return Status::InvalidArgument("'" + path + "' has no bit " + std::to_string(bit));
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<AppendFile> file, disk_->Create(path));
  KITE_RETURN_IF_ERROR(file->Append(bytes));
  return file->Sync();
}

Status FaultyDisk::Step(DiskOp op, const std::string& path) {
  const std::lock_guard lock(mutex_);
  Counter& counter = counters_[static_cast<size_t>(op)];
  if (++counter.calls != counter.fail_at) return {};
  return Status::IoError(StatusSubject::kDisk, "an injected failure at '" + path + "'");
}

uint64_t FaultyDisk::TakeSpace(uint64_t wanted) {
  const std::lock_guard lock(mutex_);
  if (free_bytes_ == UINT64_MAX) return wanted;
  const uint64_t taken = std::min(wanted, free_bytes_);
  free_bytes_ -= taken;
  return taken;
}

Result<std::unique_ptr<AppendFile>> FaultyDisk::Wrap(Result<std::unique_ptr<AppendFile>> file,
                                                     const std::string& path) {
  if (!file.ok()) return file.status();
  return std::make_unique<Appender>(shared_from_this(), std::move(*file), path);
}

Result<std::unique_ptr<AppendFile>> FaultyDisk::OpenAppend(const std::string& path) {
  KITE_RETURN_IF_ERROR(Step(DiskOp::kCreate, path));
  return Wrap(disk_->OpenAppend(path), path);
}

Result<std::unique_ptr<AppendFile>> FaultyDisk::Create(const std::string& path) {
  KITE_RETURN_IF_ERROR(Step(DiskOp::kCreate, path));
  return Wrap(disk_->Create(path), path);
}

Result<std::unique_ptr<MappedFile>> FaultyDisk::Map(const std::string& path) {
  KITE_RETURN_IF_ERROR(Step(DiskOp::kRead, path));
  return disk_->Map(path);
}

Result<std::string> FaultyDisk::Read(const std::string& path, uint64_t offset, uint64_t size) {
  KITE_RETURN_IF_ERROR(Step(DiskOp::kRead, path));
  return disk_->Read(path, offset, size);
}

Status FaultyDisk::Truncate(const std::string& path, uint64_t size) {
  KITE_RETURN_IF_ERROR(Step(DiskOp::kTruncate, path));
  return disk_->Truncate(path, size);
}

Status FaultyDisk::Rename(const std::string& from, const std::string& to) {
  KITE_RETURN_IF_ERROR(Step(DiskOp::kRename, from));
  return disk_->Rename(from, to);
}

Status FaultyDisk::Remove(const std::string& path) {
  KITE_RETURN_IF_ERROR(Step(DiskOp::kRemove, path));
  return disk_->Remove(path);
}

Status FaultyDisk::SyncDir(const std::string& path) {
  KITE_RETURN_IF_ERROR(Step(DiskOp::kSyncDir, path));
  return disk_->SyncDir(path);
}

Result<uint64_t> FaultyDisk::FreeBytes(const std::string& path) {
  KITE_ASSIGN_OR_RETURN(const uint64_t bytes, disk_->FreeBytes(path));
  const std::lock_guard lock(mutex_);
  return std::min(bytes, free_bytes_);
}

}  // namespace kite::store
