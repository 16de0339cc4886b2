// The machine's file system behind Disk: plain POSIX calls, no buffering of its own.
#include "base/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace kite {
namespace {

Status DiskError(int error, std::string_view verb, const std::string& path) {
  std::string message =
      "cannot " + std::string(verb) + " '" + path + "': " + std::generic_category().message(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Status::Exhausted(StatusSubject::kDisk, std::move(message));
    case ENOENT:
    case ENOTDIR:
      return Status::NotFound(StatusSubject::kObject, std::move(message));
    case ENOTEMPTY:
      return Status::FailedPrecondition(StatusSubject::kDisk, std::move(message));
    default:
      return Status::IoError(StatusSubject::kDisk, std::move(message));
  }
}

/// To our callers, who look for a file, a folder is none.
Status NotAFile(const std::string& path) {
  return Status::NotFound(StatusSubject::kObject, "'" + path + "' is a folder, not a file");
}

/// Repeats a system call that a signal interrupted.
template <typename Call>
auto Retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> OpenFile(const std::string& path, int flags, std::string_view verb) {
  const int fd = Retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0644); });
  if (fd < 0) return DiskError(errno, verb, path);
  return Descriptor(fd);
}

Result<uint64_t> SizeOf(const Descriptor& file, const std::string& path) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return DiskError(errno, "read the size of", path);
  if (S_ISDIR(info.st_mode)) return NotAFile(path);
  return static_cast<uint64_t>(info.st_size);
}

std::string ParentOf(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

class PosixAppendFile final : public AppendFile {
 public:
  PosixAppendFile(Descriptor file, std::string path, uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  using AppendFile::Append;
  Status Append(std::span<const std::string_view> pieces) override {
    uint64_t end = size_;
    std::array<iovec, 64> batch;
    while (!pieces.empty()) {
      size_t count = 0;
      for (; count < std::min(batch.size(), pieces.size()); ++count) {
        batch[count] = {const_cast<char*>(pieces[count].data()), pieces[count].size()};
      }
      KITE_RETURN_IF_ERROR(WriteAll(std::span(batch).first(count), &end));
      pieces = pieces.subspan(count);
    }
    size_ = end;
    return {};
  }

  Status Sync() override {
    if (Retry([&] { return ::fdatasync(file_.get()); }) != 0)
      return DiskError(errno, "sync", path_);
    return {};
  }

  [[nodiscard]] uint64_t size() const override { return size_; }

 private:
  Status WriteAll(std::span<iovec> batch, uint64_t* end) {
    while (true) {
      while (!batch.empty() && batch.front().iov_len == 0) batch = batch.subspan(1);
      if (batch.empty()) return {};
      const ssize_t written = Retry([&] {
        return ::pwritev(file_.get(), batch.data(), static_cast<int>(batch.size()),
                         static_cast<off_t>(*end));
      });
      if (written < 0) return DiskError(errno, "write to", path_);
      if (written == 0) return DiskError(EIO, "write to", path_);
      *end += static_cast<uint64_t>(written);
      for (auto left = static_cast<size_t>(written); left > 0;) {
        iovec& piece = batch.front();
        const size_t step = std::min(left, piece.iov_len);
        piece.iov_base = static_cast<char*>(piece.iov_base) + step;
        piece.iov_len -= step;
        left -= step;
        if (piece.iov_len == 0) batch = batch.subspan(1);
      }
    }
  }

  Descriptor file_;
  const std::string path_;
  uint64_t size_;
};

class PosixMappedFile final : public MappedFile {
 public:
  PosixMappedFile(void* address, size_t size) : address_(address), size_(size) {}
  ~PosixMappedFile() override {
    if (address_ != nullptr) ::munmap(address_, size_);
  }
  PosixMappedFile(const PosixMappedFile&) = delete;
  PosixMappedFile& operator=(const PosixMappedFile&) = delete;
  [[nodiscard]] std::string_view bytes() const override {
    return {static_cast<const char*>(address_), size_};
  }

 private:
  void* address_;
  size_t size_;
};

/// flock belongs to the open file description, so a second Lock in this process is refused as well.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;
};

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) override {
    KITE_ASSIGN_OR_RETURN(Descriptor file, OpenFile(path, O_WRONLY | O_CREAT, "open"));
    KITE_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(file, path));
    return std::make_unique<PosixAppendFile>(std::move(file), path, size);
  }

  Result<std::unique_ptr<AppendFile>> Create(const std::string& path) override {
    KITE_ASSIGN_OR_RETURN(Descriptor file, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, "create"));
    return std::make_unique<PosixAppendFile>(std::move(file), path, 0);
  }

  Result<std::unique_ptr<MappedFile>> Map(const std::string& path) override {
    KITE_ASSIGN_OR_RETURN(const Descriptor file, OpenFile(path, O_RDONLY, "open"));
    KITE_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(file, path));
    if (size == 0) return std::make_unique<PosixMappedFile>(nullptr, 0);
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (address == MAP_FAILED) return DiskError(errno, "map", path);
    return std::make_unique<PosixMappedFile>(address, size);
  }

  Result<std::string> Read(const std::string& path, uint64_t offset, uint64_t size) override {
    KITE_ASSIGN_OR_RETURN(const Descriptor file, OpenFile(path, O_RDONLY, "open"));
    KITE_ASSIGN_OR_RETURN(const uint64_t file_size, SizeOf(file, path));
    std::string bytes(std::min(size, file_size - std::min(offset, file_size)), '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t got = Retry([&] {
        return ::pread(file.get(), bytes.data() + done, bytes.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) return DiskError(errno, "read", path);
      if (got == 0) break;  // it became shorter meanwhile
      done += static_cast<size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }

  Result<uint64_t> FileSize(const std::string& path) override {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return DiskError(errno, "read the size of", path);
    if (S_ISDIR(info.st_mode)) return NotAFile(path);
    return static_cast<uint64_t>(info.st_size);
  }

  Status Truncate(const std::string& path, uint64_t size) override {
    if (Retry([&] { return ::truncate(path.c_str(), static_cast<off_t>(size)); }) != 0) {
      return DiskError(errno, "truncate", path);
    }
    return {};
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return DiskError(errno, "rename '" + from + "' to", to);
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
    const int error = errno;
    if ((error == EISDIR || error == EPERM) && (::rmdir(path.c_str()) == 0 || errno == ENOENT))
      return {};
    return DiskError(errno == ENOTEMPTY ? ENOTEMPTY : error, "remove", path);
  }

  Status RemoveTree(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return DiskError(error.value(), "remove the folder", path);
    return {};
  }

  Status CreateDirs(const std::string& path) override {
    if (::mkdir(path.c_str(), 0755) == 0) return SyncDir(ParentOf(path));
    const int error = errno;
    if (error == EEXIST) {
      struct stat info {};
      if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
      return DiskError(EEXIST, "create the folder", path);
    }
    const std::string parent = ParentOf(path);
    if (error != ENOENT || parent == path) return DiskError(error, "create the folder", path);
    KITE_RETURN_IF_ERROR(CreateDirs(parent));
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
      return DiskError(errno, "create the folder", path);
    return SyncDir(parent);
  }

  Status SyncDir(const std::string& path) override {
    KITE_ASSIGN_OR_RETURN(const Descriptor folder, OpenFile(path, O_RDONLY | O_DIRECTORY, "open"));
    if (Retry([&] { return ::fsync(folder.get()); }) != 0)
      return DiskError(errno, "sync the folder", path);
    return {};
  }

  Result<std::vector<DirEntry>> List(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
    if (!folder) return DiskError(errno, "list the folder", path);
    std::vector<DirEntry> entries;
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(folder.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat info {};
      if (::fstatat(::dirfd(folder.get()), entry->d_name, &info, 0) != 0) {
        if (errno == ENOENT) continue;  // removed meanwhile
        return DiskError(errno, "read the size of", path + "/" + entry->d_name);
      }
      const bool is_dir = S_ISDIR(info.st_mode);
      entries.push_back(
          {std::string(name), is_dir, is_dir ? 0 : static_cast<uint64_t>(info.st_size)});
    }
    if (errno != 0) return DiskError(errno, "list the folder", path);
    std::sort(entries.begin(), entries.end(),
              [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
    return entries;
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    KITE_ASSIGN_OR_RETURN(Descriptor file, OpenFile(path, O_RDWR | O_CREAT, "open"));
    if (Retry([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return DiskError(errno, "lock", path);
      return Status::FailedPrecondition(
          StatusSubject::kDisk, "'" + path +
                                    "' is locked: another process (or another user of this folder "
                                    "in this process) has it open");
    }
    return std::make_unique<PosixFileLock>(std::move(file));
  }

  Result<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs info {};
    if (Retry([&] { return ::statvfs(path.c_str(), &info); }) != 0) {
      return DiskError(errno, "read the free space of", path);
    }
    return uint64_t{info.f_bavail} * info.f_frsize;
  }
};

}  // namespace

std::shared_ptr<Disk> Disk::System() {
  static const auto disk = std::make_shared<PosixDisk>();
  return disk;
}

}  // namespace kite
