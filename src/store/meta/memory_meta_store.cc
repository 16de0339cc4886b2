#include "store/meta/memory_meta_store.h"

#include <map>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "store/meta/local_meta_store.h"

namespace kite::store {

class MetaMemory {
 public:
  std::shared_mutex mutex;
  std::map<std::string, StoredMeta> entries;
  int64_t revision = 0;
};

namespace {

class MemoryBackend final : public MetaBackend {
 public:
  explicit MemoryBackend(std::shared_ptr<MetaMemory> memory) : memory_(std::move(memory)) {}

  Result<std::optional<MetaEntry>> Get(const std::string& key) override {
    const std::shared_lock lock(memory_->mutex);
    const auto found = memory_->entries.find(key);
    if (found == memory_->entries.end()) return std::optional<MetaEntry>();
    return std::optional<MetaEntry>(found->second.entry);
  }

  Result<MetaPage> Range(const std::string& prefix, const std::string& after,
                         size_t limit) override {
    const std::shared_lock lock(memory_->mutex);
    MetaPage page;
    size_t bytes = 0;
    auto row =
        after < prefix ? memory_->entries.lower_bound(prefix) : memory_->entries.upper_bound(after);
    for (; row != memory_->entries.end() && row->first.starts_with(prefix); ++row) {
      if (page.entries.size() == limit || bytes > kMetaPageBytesMax) {
        page.next_after = page.entries.back().key;
        break;
      }
      bytes += row->second.entry.value.size();
      page.entries.push_back(row->second.entry);
    }
    return page;
  }

  Result<int64_t> Revision() override {
    const std::shared_lock lock(memory_->mutex);
    return memory_->revision;
  }

  Result<std::vector<std::string>> LeasedKeys() override {
    const std::shared_lock lock(memory_->mutex);
    std::vector<std::string> keys;
    for (const auto& [key, stored] : memory_->entries) {
      if (stored.leased) keys.push_back(key);
    }
    return keys;
  }

  Status Write(int64_t revision, const MetaChanges& changes) override {
    const std::unique_lock lock(memory_->mutex);
    for (const auto& [key, state] : changes) {
      if (state) {
        memory_->entries[key] = *state;
      } else {
        memory_->entries.erase(key);
      }
    }
    memory_->revision = revision;
    return {};
  }

 private:
  const std::shared_ptr<MetaMemory> memory_;
};

}  // namespace

std::shared_ptr<MetaMemory> NewMetaMemory() { return std::make_shared<MetaMemory>(); }

Result<std::unique_ptr<MetaStore>> OpenMemoryMetaStore(std::shared_ptr<MetaMemory> memory,
                                                       std::shared_ptr<const Clock> clock) {
  return OpenLocalMetaStore(std::make_unique<MemoryBackend>(std::move(memory)), std::move(clock));
}

}  // namespace kite::store
