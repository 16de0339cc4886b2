#include "base/disk_memory.h"

#include <algorithm>
#include <utility>

namespace kite {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kCapacityBytes = uint64_t{1} << 40;

Status Missing(const std::string& path) {
  return Status::NotFound(StatusSubject::kObject, "'" + path + "' does not exist");
}

Status PowerLost(const std::string& path) {
  return Status::IoError(StatusSubject::kDisk,
                         "cannot use '" + path + "': the disk has lost power");
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

class MemoryDisk::Appender final : public AppendFile {
 public:
  Appender(std::shared_ptr<MemoryDisk> disk, SharedFile file, std::string path)
      : disk_(std::move(disk)),
        file_(std::move(file)),
        path_(std::move(path)),
        generation_(disk_->generation_) {}

  using AppendFile::Append;
  Status Append(std::span<const std::string_view> pieces) override {
    const std::lock_guard lock(disk_->mutex_);
    KITE_RETURN_IF_ERROR(Check());
    if (file_->data.use_count() > 1) file_->data = std::make_shared<std::string>(*file_->data);
    for (const std::string_view piece : pieces) file_->data->append(piece);
    return {};
  }

  Status Sync() override {
    const std::lock_guard lock(disk_->mutex_);
    KITE_RETURN_IF_ERROR(Check());
    file_->synced = file_->data->size();
    file_->before_cut.reset();
    return {};
  }

  [[nodiscard]] uint64_t size() const override {
    const std::lock_guard lock(disk_->mutex_);
    return file_->data->size();
  }

 private:
  [[nodiscard]] Status Check() const {
    return generation_ == disk_->generation_ ? Status::Ok() : PowerLost(path_);
  }

  const std::shared_ptr<MemoryDisk> disk_;
  const SharedFile file_;
  const std::string path_;
  const uint64_t generation_;
};

class MemoryDisk::Mapped final : public MappedFile {
 public:
  explicit Mapped(std::shared_ptr<const std::string> data) : data_(std::move(data)) {}
  [[nodiscard]] std::string_view bytes() const override { return *data_; }

 private:
  const std::shared_ptr<const std::string> data_;
};

class MemoryDisk::Held final : public FileLock {
 public:
  Held(std::shared_ptr<MemoryDisk> disk, std::string path)
      : disk_(std::move(disk)), path_(std::move(path)), generation_(disk_->generation_) {}
  ~Held() override {
    const std::lock_guard lock(disk_->mutex_);
    if (generation_ == disk_->generation_) disk_->locked_.erase(path_);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  const std::shared_ptr<MemoryDisk> disk_;
  const std::string path_;
  const uint64_t generation_;
};

std::shared_ptr<MemoryDisk> MemoryDisk::Make() {
  return std::shared_ptr<MemoryDisk>(new MemoryDisk());
}

// ---- power

void MemoryDisk::PowerOff() {
  const std::lock_guard lock(mutex_);
  powered_ = false;
  ++generation_;
  locked_.clear();
}

void MemoryDisk::Restart() {
  const std::lock_guard lock(mutex_);
  powered_ = true;
}

void MemoryDisk::PowerOn(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  Random random(seed);
  // Half of the time names survive in order, as with a journal; else each for itself.
  const bool in_order = random() % 2 == 0;
  const size_t kept = random() % (changes_.size() + 1);
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (in_order ? i < kept : random() % 2 == 0) Apply(changes_[i], durable_names_);
  }
  changes_.clear();
  names_ = durable_names_;
  std::set<File*> seen;
  for (const auto& [path, file] : names_) {
    if (seen.insert(file.get()).second) Tear(*file, random);
    for (std::string folder = ParentOf(path); folder.size() > 1; folder = ParentOf(folder))
      folders_.insert(folder);
  }
  powered_ = true;
}

void MemoryDisk::Tear(File& file, Random& random) {
  std::string bytes = *file.data;
  if (file.before_cut && random() % 2 == 0) {
    bytes = *file.before_cut;
  } else if (bytes.size() > file.synced) {
    const uint64_t unsynced = bytes.size() - file.synced;
    switch (random() % 4) {
      case 0:
        bytes.resize(file.synced);
        break;
      case 1:
        bytes.resize(file.synced + random() % (unsynced + 1));
        break;
      case 2:
        break;
      default:  // sectors reached the disk in any order, or in part
        bytes.resize(file.synced + random() % (unsynced + 1));
        for (uint64_t at = file.synced; at < bytes.size();
             at = (at / kSectorBytes + 1) * kSectorBytes) {
          const uint64_t end =
              std::min<uint64_t>(bytes.size(), (at / kSectorBytes + 1) * kSectorBytes);
          const uint64_t fate = random() % 4;
          if (fate == 0) std::fill(bytes.begin() + int64_t(at), bytes.begin() + int64_t(end), '\0');
          if (fate == 1)
            std::generate(bytes.begin() + int64_t(at), bytes.begin() + int64_t(end),
                          std::ref(random));
        }
    }
  }
  file.synced = bytes.size();
  file.before_cut.reset();
  file.data = std::make_shared<std::string>(std::move(bytes));
}

void MemoryDisk::Apply(const NameChange& change, Names& names) {
  switch (change.kind) {
    case NameChange::Kind::kRename:
      names.erase(change.from);
      [[fallthrough]];
    case NameChange::Kind::kCreate:
      names[change.path] = change.file;
      break;
    case NameChange::Kind::kRemove:
      names.erase(change.path);
      break;
  }
}

Status MemoryDisk::CheckPower(const std::string& path) const {
  return powered_ ? Status::Ok() : PowerLost(path);
}

// ---- files

Result<MemoryDisk::SharedFile> MemoryDisk::Find(const std::string& path) const {
  KITE_RETURN_IF_ERROR(CheckPower(path));
  const auto found = names_.find(path);
  if (found == names_.end()) return Missing(path);
  return found->second;
}

void MemoryDisk::Cut(File& file, uint64_t size) {
  if (size >= file.data->size()) return;
  if (size < file.synced) {
    if (!file.before_cut) file.before_cut = file.data->substr(0, file.synced);
    file.synced = size;
  }
  file.data = std::make_shared<std::string>(file.data->substr(0, size));
}

Result<std::unique_ptr<AppendFile>> MemoryDisk::OpenFile(const std::string& path, bool empty) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckPower(path));
  if (!folders_.contains(ParentOf(path)) || folders_.contains(path)) return Missing(path);
  SharedFile& file = names_[path];
  if (file == nullptr) {
    file = std::make_shared<File>();
    changes_.push_back({NameChange::Kind::kCreate, path, "", file});
  }
  if (empty) Cut(*file, 0);
  return std::make_unique<Appender>(shared_from_this(), file, path);
}

Result<std::unique_ptr<AppendFile>> MemoryDisk::OpenAppend(const std::string& path) {
  return OpenFile(path, false);
}

Result<std::unique_ptr<AppendFile>> MemoryDisk::Create(const std::string& path) {
  return OpenFile(path, true);
}

Result<std::unique_ptr<MappedFile>> MemoryDisk::Map(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_ASSIGN_OR_RETURN(const SharedFile file, Find(path));
  return std::make_unique<Mapped>(file->data);
}

Result<std::string> MemoryDisk::Read(const std::string& path, uint64_t offset, uint64_t size) {
  const std::lock_guard lock(mutex_);
  KITE_ASSIGN_OR_RETURN(const SharedFile file, Find(path));
  return file->data->substr(std::min<uint64_t>(offset, file->data->size()), size);
}

Result<uint64_t> MemoryDisk::FileSize(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_ASSIGN_OR_RETURN(const SharedFile file, Find(path));
  return file->data->size();
}

Status MemoryDisk::Truncate(const std::string& path, uint64_t size) {
  const std::lock_guard lock(mutex_);
  KITE_ASSIGN_OR_RETURN(const SharedFile file, Find(path));
  Cut(*file, size);
  if (size > file->data->size()) {
    file->data = std::make_shared<std::string>(*file->data);
    file->data->resize(size);
  }
  return {};
}

Status MemoryDisk::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  KITE_ASSIGN_OR_RETURN(const SharedFile file, Find(from));
  if (!folders_.contains(ParentOf(to))) return Missing(to);
  if (folders_.contains(to)) {
    return Status::IoError(StatusSubject::kDisk,
                           "cannot rename '" + from + "' to '" + to + "': it is a folder");
  }
  names_.erase(from);
  names_[to] = file;
  changes_.push_back({NameChange::Kind::kRename, to, from, file});
  return {};
}

// ---- folders

bool MemoryDisk::HasChildren(const std::string& folder) const {
  const std::string inside = folder == "/" ? folder : folder + "/";
  const auto file = names_.lower_bound(inside);
  if (file != names_.end() && file->first.starts_with(inside)) return true;
  const auto child = folders_.upper_bound(inside);
  return child != folders_.end() && child->starts_with(inside);
}

Status MemoryDisk::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckPower(path));
  if (names_.erase(path) > 0) changes_.push_back({NameChange::Kind::kRemove, path, "", nullptr});
  if (!folders_.contains(path)) return {};
  if (HasChildren(path)) {
    return Status::FailedPrecondition(StatusSubject::kDisk,
                                      "cannot remove '" + path + "': it is not empty");
  }
  folders_.erase(path);
  return {};
}

Status MemoryDisk::RemoveTree(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckPower(path));
  const auto inside = [&](const std::string& name) {
    return name == path || name.starts_with(path + "/");
  };
  for (const auto& [name, file] : names_) {
    if (inside(name)) changes_.push_back({NameChange::Kind::kRemove, name, "", nullptr});
  }
  std::erase_if(names_, [&](const auto& entry) { return inside(entry.first); });
  std::erase_if(folders_, inside);
  return {};
}

Status MemoryDisk::CreateDirs(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckPower(path));
  for (std::string folder = path; folder.size() > 1 && folder != "."; folder = ParentOf(folder)) {
    if (names_.contains(folder)) {
      return Status::IoError(StatusSubject::kDisk,
                             "cannot create the folder '" + folder + "': it is a file");
    }
    folders_.insert(folder);
  }
  return {};
}

Status MemoryDisk::SyncDir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckPower(path));
  if (!folders_.contains(path)) return Missing(path);
  std::vector<NameChange> rest;
  for (NameChange& change : changes_) {
    if (ParentOf(change.path) != path) {
      rest.push_back(std::move(change));
      continue;
    }
    // A durable rename has moved the file for good: its creation under the old name cannot come
    // back.
    if (change.kind == NameChange::Kind::kRename) {
      std::erase_if(rest, [&](const NameChange& earlier) { return earlier.file == change.file; });
    }
    Apply(change, durable_names_);
  }
  changes_ = std::move(rest);
  return {};
}

Result<std::vector<DirEntry>> MemoryDisk::List(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckPower(path));
  if (!folders_.contains(path)) return Missing(path);
  const std::string inside = path == "/" ? path : path + "/";
  std::vector<DirEntry> entries;
  for (auto file = names_.lower_bound(inside);
       file != names_.end() && file->first.starts_with(inside); ++file) {
    if (ParentOf(file->first) != path) continue;
    entries.push_back({file->first.substr(inside.size()), false, file->second->data->size()});
  }
  for (auto child = folders_.upper_bound(inside);
       child != folders_.end() && child->starts_with(inside); ++child) {
    if (ParentOf(*child) == path) entries.push_back({child->substr(inside.size()), true, 0});
  }
  std::sort(entries.begin(), entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  return entries;
}

Result<std::unique_ptr<FileLock>> MemoryDisk::Lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckPower(path));
  if (!folders_.contains(ParentOf(path))) return Missing(path);
  if (!locked_.insert(path).second) {
    return Status::FailedPrecondition(StatusSubject::kDisk,
                                      "'" + path + "' is locked by another user of this disk");
  }
  return std::make_unique<Held>(shared_from_this(), path);
}

Result<uint64_t> MemoryDisk::FreeBytes(const std::string& path) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckPower(path));
  uint64_t used = 0;
  for (const auto& [name, file] : names_) used += file->data->size();
  return kCapacityBytes - std::min(used, kCapacityBytes);
}

}  // namespace kite
