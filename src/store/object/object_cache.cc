#include "store/object/object_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/coding.h"
#include "base/crc32c.h"

namespace kite::store {
namespace {

constexpr std::string_view kMagic = "KITEOC01";
constexpr size_t kTailBytes = 4 + 4 + kMagic.size();
constexpr size_t kNameBytes = 32;
constexpr std::string_view kUnfinished = ".new";

std::string NameOf(const std::string& key) {
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  std::array<char, kNameBytes + 1> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text.data();
}

/// What follows the object's bytes in its file.
std::string Footer(const ObjectCache::Version& version, uint32_t crc) {
  std::string footer;
  PutBytes(footer, version.key);
  PutBytes(footer, version.tag);
  PutFixed(footer, version.size);
  PutFixed(footer, crc);
  const auto bytes = static_cast<uint32_t>(footer.size());
  const uint32_t footer_crc = Crc32c(0, footer.data(), footer.size());
  PutFixed(footer, bytes);
  PutFixed(footer, footer_crc);
  footer += kMagic;
  return footer;
}

/// The checksum of the object's bytes, when `file` is that version's.
Result<uint32_t> CheckFooter(std::string_view file, const ObjectCache::Version& version) {
  const Status damaged = Status::Corruption(StatusSubject::kObject, "a damaged file of the cache");
  if (file.size() < kTailBytes || !file.ends_with(kMagic)) return damaged;
  BinaryReader tail(file.substr(file.size() - kTailBytes));
  const auto bytes = tail.Fixed<uint32_t>();
  const auto crc = tail.Fixed<uint32_t>();
  file.remove_suffix(kTailBytes);
  if (bytes > file.size()) return damaged;
  const std::string_view footer = file.substr(file.size() - bytes);
  if (Crc32c(0, footer.data(), footer.size()) != crc) return damaged;
  BinaryReader reader(footer);
  const std::string_view key = reader.Bytes();
  const std::string_view tag = reader.Bytes();
  const auto size = reader.Fixed<uint64_t>();
  const auto content_crc = reader.Fixed<uint32_t>();
  KITE_RETURN_IF_ERROR(reader.Finish(StatusSubject::kObject, "a file of the cache"));
  if (key != version.key || tag != version.tag || size != version.size ||
      size != file.size() - bytes)
    return Status::NotFound(StatusSubject::kObject, "another version");
  return content_crc;
}

}  // namespace

struct ObjectCache::Charge {
  Charge(std::shared_ptr<std::atomic<uint64_t>> all, uint64_t size)
      : total(std::move(all)), bytes(size) {
    total->fetch_add(bytes);
  }
  ~Charge() { total->fetch_sub(bytes); }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

  const std::shared_ptr<std::atomic<uint64_t>> total;
  const uint64_t bytes;
};

class ObjectCache::View final : public ObjectView {
 public:
  View(std::unique_ptr<MappedFile> file, uint64_t size, std::string path,
       std::shared_ptr<const Charge> charge)
      : charge_(std::move(charge)), file_(std::move(file)), size_(size), path_(std::move(path)) {}
  [[nodiscard]] std::string_view bytes() const override { return file_->bytes().substr(0, size_); }
  [[nodiscard]] std::string path() const override { return path_; }

 private:
  const std::shared_ptr<const Charge> charge_;
  const std::unique_ptr<MappedFile> file_;
  const uint64_t size_;
  const std::string path_;
};

ObjectCache::ObjectCache(std::shared_ptr<Disk> disk, std::string folder, uint64_t bytes_max)
    : disk_(std::move(disk)),
      folder_(std::move(folder)),
      bytes_max_(bytes_max),
      bytes_(std::make_shared<std::atomic<uint64_t>>(0)) {}

Result<std::unique_ptr<ObjectCache>> ObjectCache::Open(std::shared_ptr<Disk> disk,
                                                       const std::string& folder,
                                                       uint64_t bytes_max) {
  KITE_RETURN_IF_ERROR(disk->CreateDirs(folder));
  auto cache = std::unique_ptr<ObjectCache>(new ObjectCache(std::move(disk), folder, bytes_max));
  KITE_ASSIGN_OR_RETURN(cache->folder_lock_, cache->disk_->Lock(folder + "/LOCK"));
  KITE_RETURN_IF_ERROR(cache->LoadFolder());
  return cache;
}

Status ObjectCache::LoadFolder() {
  KITE_ASSIGN_OR_RETURN(const std::vector<DirEntry> files, disk_->List(folder_));
  for (const DirEntry& file : files) {
    if (file.is_dir) continue;
    if (file.name.ends_with(kUnfinished)) {
      KITE_RETURN_IF_ERROR(disk_->Remove(PathOf(file.name)));
    } else if (file.name.size() == kNameBytes) {
      entries_[file.name].charge = std::make_shared<const Charge>(bytes_, file.size);
    }
  }
  if (bytes_max_ == 0) {
    KITE_ASSIGN_OR_RETURN(const uint64_t free, disk_->FreeBytes(folder_));
    bytes_max_ = (free + *bytes_) / 10 * 9;
  }
  while (*bytes_ > bytes_max_ && EvictOne()) {
  }
  return {};
}

Result<std::shared_ptr<const ObjectView>> ObjectCache::Map(const Context& context,
                                                           const Version& version,
                                                           const Fetch& fetch) {
  const std::string name = NameOf(version.key);
  std::unique_lock lock(mutex_);
  KITE_RETURN_IF_ERROR(Wait(context, lock, name));
  Entry& entry = entries_[name];
  entry.used = ++clock_;
  if (std::shared_ptr<const View> view = entry.view.lock();
      view != nullptr && entry.tag == version.tag) {
    ++counts_.hits;
    return view;
  }
  // From here on the entry is this reader's; the others wait. Busy entries stay where they are.
  entry.busy = true;
  const auto release = [&] {
    entry.busy = false;
    if (entry.charge == nullptr) entries_.erase(name);
    changed_.notify_all();
  };
  if (entry.charge != nullptr) {
    lock.unlock();
    Result<std::shared_ptr<const View>> verified = Verify(version, entry);
    lock.lock();
    if (verified.ok()) {
      ++counts_.hits;
      entry.tag = version.tag;
      entry.view = *verified;
      release();
      return std::move(*verified);
    }
    Drop(entry, name);
  }
  ++counts_.misses;
  Result<std::shared_ptr<const Charge>> charge =
      MakeRoom(version.size + Footer(version, 0).size(), version);
  if (!charge.ok()) {
    release();
    return charge.status();
  }
  lock.unlock();
  Result<std::shared_ptr<const View>> filled = Fill(version, name, fetch, *charge);
  lock.lock();
  if (filled.ok()) {
    entry.tag = version.tag;
    entry.charge = std::move(*charge);
    entry.view = *filled;
  }
  release();
  if (!filled.ok()) return filled.status();
  return std::move(*filled);
}

/// Until nobody is busy with the entry.
Status ObjectCache::Wait(const Context& context, std::unique_lock<std::mutex>& lock,
                         const std::string& name) {
  const auto idle = [&] {
    const auto found = entries_.find(name);
    return found == entries_.end() || !found->second.busy;
  };
  // A wait without end is no wait_until: the clock's maximum overflows inside of it.
  const bool ready = context.has_deadline()
                         ? changed_.wait_until(lock, context.stop_token(), context.deadline(), idle)
                         : changed_.wait(lock, context.stop_token(), idle);
  if (ready) return {};
  return context.cancelled() ? Status::Cancelled() : Status::DeadlineExceeded();
}

Result<std::shared_ptr<const ObjectCache::View>> ObjectCache::Verify(const Version& version,
                                                                     const Entry& entry) const {
  const std::string path = PathOf(NameOf(version.key));
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file, disk_->Map(path));
  KITE_ASSIGN_OR_RETURN(const uint32_t crc, CheckFooter(file->bytes(), version));
  if (entry.tag.empty() && Crc32c(0, file->bytes().data(), version.size) != crc)
    return Status::Corruption(StatusSubject::kObject, "a damaged file of the cache");
  return std::make_shared<const View>(std::move(file), version.size, path, entry.charge);
}

Result<std::shared_ptr<const ObjectCache::View>> ObjectCache::Fill(
    const Version& version, const std::string& name, const Fetch& fetch,
    std::shared_ptr<const Charge> charge) {
  const std::string unfinished = PathOf(name) + std::string(kUnfinished);
  const auto write = [&]() -> Status {
    KITE_ASSIGN_OR_RETURN(const std::unique_ptr<AppendFile> file, disk_->Create(unfinished));
    uint32_t crc = 0;
    KITE_RETURN_IF_ERROR(fetch([&](std::string_view bytes) {
      crc = Crc32c(crc, bytes.data(), bytes.size());
      return file->Append(bytes);
    }));
    if (file->size() != version.size) {
      return Status::IoError(StatusSubject::kObject,
                             "object '" + version.key + "' has " + std::to_string(version.size) +
                                 " bytes, but " + std::to_string(file->size()) + " came");
    }
    KITE_RETURN_IF_ERROR(file->Append(Footer(version, crc)));
    return disk_->Rename(unfinished, PathOf(name));
  };
  if (Status written = write(); !written.ok()) {
    Status ignored = disk_->Remove(unfinished);  // the next start removes it
    (void)ignored;
    return written;
  }
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file, disk_->Map(PathOf(name)));
  return std::make_shared<const View>(std::move(file), version.size, PathOf(name), std::move(charge));
}

Result<std::shared_ptr<const ObjectCache::Charge>> ObjectCache::MakeRoom(uint64_t bytes,
                                                                         const Version& version) {
  while (*bytes_ + bytes > bytes_max_) {
    if (EvictOne()) continue;
    return Status::Exhausted(StatusSubject::kDisk,
                             "object '" + version.key + "' (" + std::to_string(bytes) +
                                 " bytes) does not fit into the cache in '" + folder_ + "': " +
                                 std::to_string(*bytes_) + " of its " + std::to_string(bytes_max_) +
                                 " bytes are in use; raise its limit or load less");
  }
  return std::make_shared<const Charge>(bytes_, bytes);
}

bool ObjectCache::EvictOne() {
  auto oldest = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    const Entry& entry = it->second;
    if (entry.busy || entry.charge == nullptr || !entry.view.expired()) continue;
    if (oldest == entries_.end() || entry.used < oldest->second.used) oldest = it;
  }
  if (oldest == entries_.end()) return false;
  ++counts_.evictions;
  Drop(oldest->second, oldest->first);
  entries_.erase(oldest);
  return true;
}

/// A file that cannot be removed is written over, or removed by a later eviction after a restart.
void ObjectCache::Drop(Entry& entry, const std::string& name) {
  Status ignored = disk_->Remove(PathOf(name));
  (void)ignored;
  entry.tag.clear();
  entry.charge.reset();
  entry.view.reset();
}

void ObjectCache::Forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(NameOf(key));
  if (found == entries_.end() || found->second.busy) return;
  Drop(found->second, found->first);
  entries_.erase(found);
}

ObjectCache::Stats ObjectCache::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = counts_;
  stats.bytes = *bytes_;
  return stats;
}

}  // namespace kite::store
