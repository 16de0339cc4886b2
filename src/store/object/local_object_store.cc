#include "store/object/local_object_store.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

namespace kite::store {
namespace {

constexpr auto kOpenPatience =
    std::chrono::seconds(5);  // for another opener, which needs milliseconds
constexpr auto kOpenPause = std::chrono::milliseconds(5);

Status NoObject(const std::string& key) {
  return Status::NotFound(StatusSubject::kObject, "object '" + key + "' does not exist");
}

/// What the Disk said about a path, said about the key.
Status AboutKey(const Status& status, const std::string& key) {
  if (status.Is(StatusKind::kNotFound, StatusSubject::kObject)) return NoObject(key);
  return status.WithContext("object '" + key + "'");
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

/// Folders of one store; shared with writers, which may outlive the store object.
struct Places {
  std::shared_ptr<Disk> disk;
  std::string objects;
  std::string uploads;  ///< empty: read-only
  std::unique_ptr<FileLock> uploads_lock;
  std::atomic<uint64_t> next_upload{0};
  std::mutex put_new;  ///< between looking whether a key is free and taking it

  ~Places() {
    if (uploads.empty()) return;
    // Leftovers are no harm: the next one to open removes them.
    Status ignored = disk->RemoveTree(uploads);
    (void)ignored;
  }

  [[nodiscard]] std::string PathOf(const std::string& key) const { return objects + "/" + key; }
  [[nodiscard]] std::string NewUpload() {
    return uploads + "/" + std::to_string(next_upload.fetch_add(1, std::memory_order_relaxed));
  }
};

class LocalObjectWriter final : public ObjectWriter {
 public:
  LocalObjectWriter(std::shared_ptr<Places> places, std::string key, std::string upload,
                    std::unique_ptr<AppendFile> file)
      : places_(std::move(places)),
        key_(std::move(key)),
        upload_(std::move(upload)),
        file_(std::move(file)) {}

  ~LocalObjectWriter() override {
    file_.reset();
    if (finished_) return;
    Status ignored = places_->disk->Remove(upload_);
    (void)ignored;
  }

  Status Append(std::string_view bytes) override {
    KITE_RETURN_IF_ERROR(failure_);
    failure_ = AboutKey(file_->Append(bytes), key_);
    return failure_;
  }

  Status Finish() override {
    KITE_RETURN_IF_ERROR(failure_);
    failure_ = Status::FailedPrecondition(StatusSubject::kObject,
                                          "object '" + key_ + "' is already finished");
    KITE_RETURN_IF_ERROR(AboutKey(file_->Sync(), key_));
    file_.reset();
    const std::string path = places_->PathOf(key_);
    Status moved = places_->disk->Rename(upload_, path);
    // The folder is missing for a first object in it, or because a Delete just emptied and removed
    // it.
    for (int attempt = 0; attempt < 3 && moved.Is(StatusKind::kNotFound); ++attempt) {
      KITE_RETURN_IF_ERROR(AboutKey(places_->disk->CreateDirs(FolderOf(path)), key_));
      moved = places_->disk->Rename(upload_, path);
    }
    KITE_RETURN_IF_ERROR(moved.WithContext("object '" + key_ + "'"));
    finished_ = true;
    return AboutKey(places_->disk->SyncDir(FolderOf(path)), key_);
  }

 private:
  const std::shared_ptr<Places> places_;
  const std::string key_;
  const std::string upload_;
  std::unique_ptr<AppendFile> file_;
  Status failure_;
  bool finished_ = false;
};

class MappedObject final : public ObjectView {
 public:
  MappedObject(std::unique_ptr<MappedFile> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  [[nodiscard]] std::string_view bytes() const override { return file_->bytes(); }
  [[nodiscard]] std::string path() const override { return path_; }

 private:
  const std::unique_ptr<MappedFile> file_;
  const std::string path_;
};

/// One page of a depth-first walk in key order.
class Lister {
 public:
  Lister(Disk& disk, const std::string& objects, const std::string& prefix,
         const std::string& after, size_t limit)
      : disk_(disk), objects_(objects), prefix_(prefix), after_(after), limit_(limit) {}

  Result<ObjectPage> Run() && {
    const size_t slash = prefix_.rfind('/');
    KITE_RETURN_IF_ERROR(Walk(slash == std::string::npos ? "" : prefix_.substr(0, slash + 1)));
    return std::move(page_);
  }

 private:
  /// `folder` is "" or ends with '/'. Stops when the page is full and it is known that more
  /// follows.
  Status Walk(const std::string& folder) {
    const std::string path = objects_ + "/" + folder;
    Result<std::vector<DirEntry>> listed = disk_.List(path.substr(0, path.size() - 1));
    if (listed.status().Is(StatusKind::kNotFound)) return {};
    KITE_RETURN_IF_ERROR(listed.status());
    // "a-b" sorts before what lies in the folder "a", because '-' is less than '/'.
    for (DirEntry& entry : *listed) entry.name = folder + entry.name + (entry.is_dir ? "/" : "");
    std::sort(listed->begin(), listed->end(),
              [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
    for (const DirEntry& entry : *listed) {
      if (full_) return {};
      if (entry.is_dir) {
        if (MayHoldMatches(entry.name)) KITE_RETURN_IF_ERROR(Walk(entry.name));
      } else if (entry.name.starts_with(prefix_) && entry.name > after_) {
        Add(entry);
      }
    }
    return {};
  }

  [[nodiscard]] bool MayHoldMatches(const std::string& folder) const {
    const size_t shared = std::min(folder.size(), prefix_.size());
    if (folder.compare(0, shared, prefix_, 0, shared) != 0) return false;
    return folder > after_ || after_.starts_with(folder);
  }

  void Add(const DirEntry& entry) {
    if (page_.objects.size() == limit_) {
      page_.next_after = page_.objects.back().key;
      full_ = true;
      return;
    }
    page_.objects.push_back({entry.name, entry.size});
  }

  Disk& disk_;
  const std::string& objects_;
  const std::string& prefix_;
  const std::string& after_;
  const size_t limit_;
  ObjectPage page_;
  bool full_ = false;
};

class LocalObjectStore final : public ObjectStore {
 public:
  explicit LocalObjectStore(std::shared_ptr<Places> places) : places_(std::move(places)) {}

  Status Put(const Context& context, const std::string& key, std::string_view bytes) override {
    KITE_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, OpenWriter(context, key));
    KITE_RETURN_IF_ERROR(writer->Append(bytes));
    KITE_RETURN_IF_ERROR(context.Check());
    return writer->Finish();
  }

  Status PutNew(const Context& context, const std::string& key, std::string_view bytes) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    const std::lock_guard lock(places_->put_new);
    if (disk().FileSize(places_->PathOf(key)).ok())
      return Status::AlreadyExists(StatusSubject::kObject, "object '" + key + "' exists already");
    return Put(context, key, bytes);
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const Context& context,
                                                   const std::string& key) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    KITE_RETURN_IF_ERROR(context.Check());
    KITE_RETURN_IF_ERROR(CheckWritable());
    std::string upload = places_->NewUpload();
    Result<std::unique_ptr<AppendFile>> file = disk().Create(upload);
    if (!file.ok()) return file.status().WithContext("object '" + key + "'");
    return std::make_unique<LocalObjectWriter>(places_, key, std::move(upload), std::move(*file));
  }

  Result<std::string> Get(const Context& context, const std::string& key) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    KITE_RETURN_IF_ERROR(context.Check());
    Result<std::string> bytes = disk().Read(places_->PathOf(key), 0, UINT64_MAX);
    if (!bytes.ok()) return AboutKey(bytes.status(), key);
    return bytes;
  }

  Result<std::string> GetRange(const Context& context, const std::string& key, uint64_t offset,
                               uint64_t size) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    KITE_RETURN_IF_ERROR(context.Check());
    Result<std::string> bytes = disk().Read(places_->PathOf(key), offset, size);
    if (!bytes.ok()) return AboutKey(bytes.status(), key);
    if (bytes->size() == size) return bytes;
    return Status::InvalidArgument(StatusSubject::kObject,
                                   "object '" + key + "' ends before the " + std::to_string(size) +
                                       " bytes asked for from position " + std::to_string(offset));
  }

  Result<std::shared_ptr<const ObjectView>> Map(const Context& context,
                                                const std::string& key) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    KITE_RETURN_IF_ERROR(context.Check());
    Result<std::unique_ptr<MappedFile>> file = disk().Map(places_->PathOf(key));
    if (!file.ok()) return AboutKey(file.status(), key);
    return std::make_shared<const MappedObject>(std::move(*file), places_->PathOf(key));
  }

  Result<ObjectInfo> Head(const Context& context, const std::string& key) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    KITE_RETURN_IF_ERROR(context.Check());
    const Result<uint64_t> size = disk().FileSize(places_->PathOf(key));
    if (!size.ok()) return AboutKey(size.status(), key);
    return ObjectInfo{key, *size};
  }

  Result<ObjectPage> List(const Context& context, const std::string& prefix,
                          const std::string& after, size_t limit) override {
    KITE_RETURN_IF_ERROR(ValidateObjectPageLimit(limit));
    KITE_RETURN_IF_ERROR(ValidateObjectPrefix(prefix));
    KITE_RETURN_IF_ERROR(context.Check());
    return Lister(disk(), places_->objects, prefix, after, limit).Run();
  }

  Status Delete(const Context& context, const std::vector<std::string>& keys) override {
    KITE_RETURN_IF_ERROR(CheckWritable());
    for (const std::string& key : keys) {
      KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
      KITE_RETURN_IF_ERROR(context.Check());
      const std::string path = places_->PathOf(key);
      // A folder of that name is not this object.
      if (disk().FileSize(path).status().Is(StatusKind::kNotFound)) continue;
      KITE_RETURN_IF_ERROR(AboutKey(disk().Remove(path), key));
      RemoveEmptyFolders(FolderOf(path));
    }
    return {};
  }

 private:
  Disk& disk() const { return *places_->disk; }

  [[nodiscard]] Status CheckWritable() const {
    if (!places_->uploads.empty()) return {};
    return Status::FailedPrecondition(
        StatusSubject::kObject,
        "the objects in '" + places_->objects + "' were opened for reading only");
  }

  /// A folder that cannot be removed, because it is in use again, costs nothing.
  void RemoveEmptyFolders(std::string folder) const {
    while (folder.size() > places_->objects.size() && disk().Remove(folder).ok())
      folder = FolderOf(folder);
  }

  const std::shared_ptr<Places> places_;
};

/// Held while uploads folders are made or cleaned up.
Result<std::unique_ptr<FileLock>> LockTmp(Disk& disk, const std::string& tmp) {
  const auto give_up = std::chrono::steady_clock::now() + kOpenPatience;
  while (true) {
    Result<std::unique_ptr<FileLock>> lock = disk.Lock(tmp + "/LOCK");
    if (lock.ok() || !lock.status().Is(StatusKind::kFailedPrecondition)) return lock;
    if (std::chrono::steady_clock::now() >= give_up) return lock;
    std::this_thread::sleep_for(kOpenPause);
  }
}

/// Removes the uploads of stores that are gone and returns a number that is free.
Result<uint64_t> CleanTmp(Disk& disk, const std::string& tmp) {
  uint64_t next = 0;
  KITE_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, disk.List(tmp));
  for (const DirEntry& entry : entries) {
    uint64_t number = 0;
    const char* end = entry.name.data() + entry.name.size();
    const auto [parsed, error] = std::from_chars(entry.name.data(), end, number);
    if (!entry.is_dir || parsed != end || error != std::errc()) continue;
    next = std::max(next, number + 1);
    const std::string folder = tmp + "/" + entry.name;
    const Result<std::unique_ptr<FileLock>> abandoned = disk.Lock(folder + "/LOCK");
    if (abandoned.ok()) KITE_RETURN_IF_ERROR(disk.RemoveTree(folder));
  }
  return next;
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> OpenLocalObjectStore(std::shared_ptr<Disk> disk,
                                                          std::string root) {
  const std::string tmp = root + "/tmp";
  KITE_RETURN_IF_ERROR(disk->CreateDirs(root + "/objects"));
  KITE_RETURN_IF_ERROR(disk->CreateDirs(tmp));
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> opening, LockTmp(*disk, tmp));
  KITE_ASSIGN_OR_RETURN(const uint64_t number, CleanTmp(*disk, tmp));
  auto places = std::make_shared<Places>();
  places->disk = disk;
  places->objects = root + "/objects";
  places->uploads = tmp + "/" + std::to_string(number);
  KITE_RETURN_IF_ERROR(disk->CreateDirs(places->uploads));
  KITE_ASSIGN_OR_RETURN(places->uploads_lock, disk->Lock(places->uploads + "/LOCK"));
  return std::make_unique<LocalObjectStore>(std::move(places));
}

std::unique_ptr<ObjectStore> OpenLocalObjectsReadOnly(std::shared_ptr<Disk> disk,
                                                      const std::string& root) {
  auto places = std::make_shared<Places>();
  places->disk = std::move(disk);
  places->objects = root + "/objects";
  return std::make_unique<LocalObjectStore>(std::move(places));
}

}  // namespace kite::store
