#include "store/meta/rocksdb_disk.h"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace kite::store {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus ToRocksDb(const Status& status) {
  if (status.ok()) return IOStatus::OK();
  if (status.Is(StatusKind::kExhausted, StatusSubject::kDisk))
    return IOStatus::NoSpace(status.message());
  if (status.Is(StatusKind::kNotFound)) return IOStatus::PathNotFound(status.message());
  if (status.Is(StatusKind::kFailedPrecondition))
    return IOStatus::IOError("lock", status.message());
  return IOStatus::IOError(status.message());
}

/// RocksDB names folders with and without a slash at the end.
std::string Folder(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  SequentialFile(std::shared_ptr<Disk> disk, std::string path)
      : disk_(std::move(disk)), path_(std::move(path)) {}

  IOStatus Read(size_t n, const IOOptions& /*options*/, Slice* result, char* scratch,
                IODebugContext* /*dbg*/) override {
    const Result<std::string> bytes = disk_->Read(path_, position_, n);
    if (!bytes.ok()) return ToRocksDb(bytes.status());
    std::memcpy(scratch, bytes->data(), bytes->size());
    *result = Slice(scratch, bytes->size());
    position_ += bytes->size();
    return IOStatus::OK();
  }

  IOStatus Skip(uint64_t n) override {
    position_ += n;
    return IOStatus::OK();
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::string path_;
  uint64_t position_ = 0;
};

/// RocksDB reads at random only in files that are complete.
class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<MappedFile> file) : file_(std::move(file)) {}

  IOStatus Read(uint64_t offset, size_t n, const IOOptions& /*options*/, Slice* result,
                char* scratch, IODebugContext* /*dbg*/) const override {
    // RocksDB's prefetch buffer takes the bytes from `scratch`, wherever `result` points.
    const size_t got =
        file_->bytes().copy(scratch, n, std::min<uint64_t>(offset, file_->bytes().size()));
    *result = Slice(scratch, got);
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<MappedFile> file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::shared_ptr<Disk> disk, std::string path, std::unique_ptr<AppendFile> file)
      : disk_(std::move(disk)), path_(std::move(path)), file_(std::move(file)) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions& /*options*/,
                  IODebugContext* /*dbg*/) override {
    return ToRocksDb(file_->Append(std::string_view(data.data(), data.size())));
  }
  IOStatus Truncate(uint64_t size, const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
    return size == file_->size() ? IOStatus::OK() : ToRocksDb(disk_->Truncate(path_, size));
  }
  IOStatus Close(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
    return IOStatus::OK();
  }
  IOStatus Sync(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
    return ToRocksDb(file_->Sync());
  }
  [[nodiscard]] bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
    return file_->size();
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::string path_;
  const std::unique_ptr<AppendFile> file_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(std::shared_ptr<Disk> disk, std::string path)
      : disk_(std::move(disk)), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
    return ToRocksDb(disk_->SyncDir(path_));
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::string path_;
};

class HeldLock final : public rocksdb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<kite::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  const std::unique_ptr<kite::FileLock> lock_;
};

class DiskFileSystem final : public rocksdb::FileSystem {
 public:
  explicit DiskFileSystem(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
  [[nodiscard]] const char* Name() const override { return "KiteDisk"; }

  IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& /*options*/,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* /*dbg*/) override {
    if (const Status status = disk_->FileSize(path).status(); !status.ok())
      return ToRocksDb(status);
    *result = std::make_unique<SequentialFile>(disk_, path);
    return IOStatus::OK();
  }

  IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& /*options*/,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext* /*dbg*/) override {
    Result<std::unique_ptr<MappedFile>> file = disk_->Map(path);
    if (!file.ok()) return ToRocksDb(file.status());
    *result = std::make_unique<RandomAccessFile>(std::move(*file));
    return IOStatus::OK();
  }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& /*options*/,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* /*dbg*/) override {
    return Wrap(path, disk_->Create(path), result);
  }

  IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& /*options*/,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* /*dbg*/) override {
    return Wrap(path, disk_->OpenAppend(path), result);
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& /*options*/,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* /*dbg*/) override {
    *result = std::make_unique<Directory>(disk_, Folder(path));
    return IOStatus::OK();
  }

  IOStatus FileExists(const std::string& path, const IOOptions& /*options*/,
                      IODebugContext* /*dbg*/) override {
    if (disk_->FileSize(path).ok() || disk_->List(Folder(path)).ok()) return IOStatus::OK();
    return IOStatus::NotFound(path);
  }

  IOStatus GetChildren(const std::string& path, const IOOptions& /*options*/,
                       std::vector<std::string>* result, IODebugContext* /*dbg*/) override {
    const Result<std::vector<DirEntry>> entries = disk_->List(Folder(path));
    if (!entries.ok()) return ToRocksDb(entries.status());
    result->clear();
    for (const DirEntry& entry : *entries) result->push_back(entry.name);
    return IOStatus::OK();
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions& /*options*/,
                      IODebugContext* /*dbg*/) override {
    return ToRocksDb(disk_->Remove(path));
  }
  IOStatus CreateDir(const std::string& path, const IOOptions& /*options*/,
                     IODebugContext* /*dbg*/) override {
    return ToRocksDb(disk_->CreateDirs(Folder(path)));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& /*options*/,
                              IODebugContext* /*dbg*/) override {
    return ToRocksDb(disk_->CreateDirs(Folder(path)));
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions& /*options*/,
                     IODebugContext* /*dbg*/) override {
    return ToRocksDb(disk_->Remove(Folder(path)));
  }

  IOStatus GetFileSize(const std::string& path, const IOOptions& /*options*/, uint64_t* size,
                       IODebugContext* /*dbg*/) override {
    const Result<uint64_t> result = disk_->FileSize(path);
    if (result.ok()) *size = *result;
    return ToRocksDb(result.status());
  }

  IOStatus GetFileModificationTime(const std::string& /*path*/, const IOOptions& /*options*/,
                                   uint64_t* /*time*/, IODebugContext* /*dbg*/) override {
    return IOStatus::NotSupported("modification times");
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& /*options*/,
                      IODebugContext* /*dbg*/) override {
    return ToRocksDb(disk_->Rename(from, to));
  }

  IOStatus LockFile(const std::string& path, const IOOptions& /*options*/, rocksdb::FileLock** lock,
                    IODebugContext* /*dbg*/) override {
    Result<std::unique_ptr<kite::FileLock>> held = disk_->Lock(path);
    if (held.ok()) *lock = new HeldLock(std::move(*held));  // NOLINT: UnlockFile deletes it
    return ToRocksDb(held.status());
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions& /*options*/,
                      IODebugContext* /*dbg*/) override {
    delete lock;
    return IOStatus::OK();
  }

  IOStatus GetTestDirectory(const IOOptions& /*options*/, std::string* /*path*/,
                            IODebugContext* /*dbg*/) override {
    return IOStatus::NotSupported("test folders");
  }

  IOStatus GetAbsolutePath(const std::string& path, const IOOptions& /*options*/,
                           std::string* result, IODebugContext* /*dbg*/) override {
    *result = path;
    return IOStatus::OK();
  }

  IOStatus GetFreeSpace(const std::string& path, const IOOptions& /*options*/, uint64_t* bytes,
                        IODebugContext* /*dbg*/) override {
    const Result<uint64_t> result = disk_->FreeBytes(path);
    if (result.ok()) *bytes = *result;
    return ToRocksDb(result.status());
  }

  IOStatus IsDirectory(const std::string& path, const IOOptions& /*options*/, bool* is_dir,
                       IODebugContext* /*dbg*/) override {
    *is_dir = disk_->List(Folder(path)).ok();
    return *is_dir ? IOStatus::OK() : ToRocksDb(disk_->FileSize(path).status());
  }

 private:
  IOStatus Wrap(const std::string& path, Result<std::unique_ptr<AppendFile>> file,
                std::unique_ptr<rocksdb::FSWritableFile>* result) {
    if (!file.ok()) return ToRocksDb(file.status());
    *result = std::make_unique<WritableFile>(disk_, path, std::move(*file));
    return IOStatus::OK();
  }

  const std::shared_ptr<Disk> disk_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewRocksDbEnv(std::shared_ptr<Disk> disk) {
  if (disk == Disk::System()) return nullptr;
  return rocksdb::NewCompositeEnv(std::make_shared<DiskFileSystem>(std::move(disk)));
}

}  // namespace kite::store
