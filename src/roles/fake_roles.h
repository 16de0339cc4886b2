// For tests: roles that keep in memory what they were asked, and answer what they were told to.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "roles/roles.h"

namespace kite::roles {

/// Channels with sealed segments that a test puts there; growing rows are a number.
class FakeDataNode : public DataNode {
 public:
  struct State {
    std::vector<segment::SegmentMeta> sealed;
    int64_t growing_rows = 0;
  };

  void FailNext(Status status) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(status);
  }
  void AddSegment(model::ChannelId channel, segment::SegmentMeta meta) {
    const std::lock_guard lock(mutex_);
    channels_[channel].sealed.push_back(std::move(meta));
  }
  void RemoveSegment(model::ChannelId channel, model::SegmentId id) {
    const std::lock_guard lock(mutex_);
    std::erase_if(channels_[channel].sealed,
                  [&](const segment::SegmentMeta& meta) { return meta.id == id; });
  }
  void SetGrowing(model::ChannelId channel, int64_t rows) {
    const std::lock_guard lock(mutex_);
    channels_[channel].growing_rows = rows;
  }
  [[nodiscard]] std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  [[nodiscard]] bool IsOpen(model::ChannelId channel) const {
    const std::lock_guard lock(mutex_);
    return channels_.contains(channel);
  }
  [[nodiscard]] size_t open() const {
    const std::lock_guard lock(mutex_);
    return channels_.size();
  }
  /// Indexes added to sealed segments of the channel and not removed.
  [[nodiscard]] size_t indexes(model::ChannelId channel) const {
    const std::lock_guard lock(mutex_);
    size_t sum = 0;
    const auto found = channels_.find(channel);
    if (found == channels_.end()) return 0;
    for (const auto& meta : found->second.sealed) sum += meta.indexes.size();
    return sum;
  }

  Status OpenChannel(const Context&, const CollectionPtr& collection, uint32_t shard) override {
    const std::lock_guard lock(mutex_);
    KITE_RETURN_IF_ERROR(Record("open " + collection->name() + " " + std::to_string(shard)));
    channels_[{collection->id, shard}];
    return {};
  }
  Status DropChannel(const Context&, model::ChannelId channel) override {
    const std::lock_guard lock(mutex_);
    KITE_RETURN_IF_ERROR(Record("drop " + std::to_string(channel.shard)));
    channels_.erase(channel);
    return {};
  }
  Result<WriteResult> Write(const Context&, const CollectionPtr&,
                            std::vector<ChannelWrite>) override {
    return WriteResult{};
  }
  Status Truncate(const Context&, model::ChannelId channel) override {
    const std::lock_guard lock(mutex_);
    KITE_RETURN_IF_ERROR(Record("truncate " + std::to_string(channel.shard)));
    channels_[channel] = {};
    return {};
  }
  Status DropPartition(const Context&, model::ChannelId channel, model::PartitionId) override {
    const std::lock_guard lock(mutex_);
    return Record("drop partition " + std::to_string(channel.shard));
  }
  Result<FlushedSegments> Flush(const Context&, model::ChannelId) override {
    return FlushedSegments{};
  }
  Status CheckCurrent(const Context&, const std::vector<model::ChannelId>&) override { return {}; }
  Result<int64_t> Position(model::ChannelId) override { return int64_t{0}; }
  Result<model::Timestamp> CloseTimestamp(const std::vector<model::ChannelId>&) override {
    return model::Timestamp();
  }
  Result<int64_t> CountRows(model::ChannelId channel, std::optional<model::PartitionId>) override {
    const std::lock_guard lock(mutex_);
    int64_t rows = channels_[channel].growing_rows;
    for (const auto& meta : channels_[channel].sealed) rows += static_cast<int64_t>(meta.rows);
    return rows;
  }
  Result<std::vector<SegmentInfo>> ListSegments(model::ChannelId channel) override {
    const std::lock_guard lock(mutex_);
    std::vector<SegmentInfo> infos;
    for (const auto& meta : channels_[channel].sealed) {
      SegmentInfo info;
      info.id = meta.id;
      info.collection = channel.collection;
      info.sealed = true;
      info.rows = static_cast<int64_t>(meta.rows);
      infos.push_back(info);
    }
    return infos;
  }
  Result<std::vector<segment::SegmentMeta>> SealedSegments(model::ChannelId channel) override {
    const std::lock_guard lock(mutex_);
    KITE_RETURN_IF_ERROR(std::exchange(failure_, Status()));
    const auto found = channels_.find(channel);
    if (found == channels_.end()) return Status::NotFound(StatusSubject::kChannel, "no channel");
    return found->second.sealed;
  }
  Status AddIndex(const Context&, model::ChannelId channel, model::SegmentId id,
                  const segment::VectorIndexMeta& index) override {
    const std::lock_guard lock(mutex_);
    for (auto& meta : channels_[channel].sealed) {
      if (meta.id != id) continue;
      meta.indexes.push_back(index);
      return {};
    }
    return Status::NotFound(StatusSubject::kSegment, "no segment");
  }
  Status RemoveIndex(const Context&, model::ChannelId channel, model::IndexId index) override {
    const std::lock_guard lock(mutex_);
    KITE_RETURN_IF_ERROR(Record("remove index " + std::to_string(channel.shard)));
    for (auto& meta : channels_[channel].sealed) {
      std::erase_if(meta.indexes,
                    [&](const segment::VectorIndexMeta& built) { return built.index == index; });
    }
    return {};
  }
  Result<bool> CompactOnce(const Context&, model::ChannelId, bool) override { return false; }

 private:
  Status Record(std::string call) {
    calls_.push_back(std::move(call));
    return std::exchange(failure_, Status());
  }

  mutable std::mutex mutex_;
  std::map<model::ChannelId, State> channels_;
  std::vector<std::string> calls_;
  Status failure_;
};

class FakeQueryCoord : public QueryCoord {
 public:
  void SetLoaded(model::CollectionId id, std::optional<model::LoadMeta> load) {
    const std::lock_guard lock(mutex_);
    loaded_.erase(id);
    if (load) loaded_[id] = *load;
  }
  [[nodiscard]] int dropped() const { return dropped_; }

  Status Load(const Context&, const LoadRequest&) override { return {}; }
  Status Release(const Context&, const CollectionName&, const std::vector<std::string>&) override {
    return {};
  }
  Result<int64_t> LoadingProgress(const Context&, const CollectionName&,
                                  const std::vector<std::string>&) override {
    return int64_t{100};
  }
  Result<LoadState> GetLoadState(const Context&, const CollectionName&,
                                 const std::vector<std::string>&) override {
    return LoadState::kNotLoad;
  }
  std::optional<model::LoadMeta> Loaded(model::CollectionId id) override {
    const std::lock_guard lock(mutex_);
    const auto found = loaded_.find(id);
    if (found == loaded_.end()) return std::nullopt;
    return found->second;
  }
  void OnCollectionDropped(model::CollectionId) override { ++dropped_; }

 private:
  std::mutex mutex_;
  std::map<model::CollectionId, model::LoadMeta> loaded_;
  std::atomic<int> dropped_{0};
};

class FakeIndexCoord : public IndexCoord {
 public:
  void Add(model::IndexPtr index) {
    const std::lock_guard lock(mutex_);
    indexes_.push_back(std::move(index));
  }
  [[nodiscard]] int dropped() const { return dropped_; }

  Status CreateIndex(const Context&, const CreateIndexRequest&) override { return {}; }
  Status DropIndex(const Context&, const CollectionName&, const std::string&,
                   const std::string&) override {
    return {};
  }
  Status AlterIndex(const Context&, const CollectionName&, const std::string&,
                    const model::Properties&, const std::vector<std::string>&) override {
    return {};
  }
  Result<std::vector<IndexDescription>> DescribeIndex(const Context&, const CollectionName&,
                                                      const std::string&,
                                                      const std::string&) override {
    return std::vector<IndexDescription>{};
  }
  std::vector<model::IndexPtr> Indexes(model::CollectionId id) override {
    const std::lock_guard lock(mutex_);
    std::vector<model::IndexPtr> own;
    for (const auto& index : indexes_) {
      if (index->collection == id) own.push_back(index);
    }
    return own;
  }
  void OnSegmentsChanged(model::ChannelId) override {}
  void OnCollectionDropped(model::CollectionId) override { ++dropped_; }

 private:
  std::mutex mutex_;
  std::vector<model::IndexPtr> indexes_;
  std::atomic<int> dropped_{0};
};

/// Collections that a test puts there; no changes.
class FakeRootCoord : public RootCoord {
 public:
  void Put(CollectionPtr collection) {
    const std::lock_guard lock(mutex_);
    collections_[collection->name()] = std::move(collection);
  }
  void Remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    collections_.erase(name);
  }

  Status CreateDatabase(const Context&, const std::string&, const model::Properties&) override {
    return {};
  }
  Status DropDatabase(const Context&, const std::string&) override { return {}; }
  Status AlterDatabase(const Context&, const std::string&, const model::Properties&,
                       const std::vector<std::string>&) override {
    return {};
  }
  Result<model::DatabaseMeta> GetDatabase(const Context&, const std::string&) override {
    return model::DatabaseMeta{};
  }
  Result<std::vector<model::DatabaseMeta>> ListDatabases(const Context&) override {
    return std::vector<model::DatabaseMeta>{};
  }
  Status CreateCollection(const Context&, const CreateCollectionRequest&) override { return {}; }
  Status DropCollection(const Context&, const CollectionName&) override { return {}; }
  Status RenameCollection(const Context&, const CollectionName&, const CollectionName&) override {
    return {};
  }
  Status AlterCollection(const Context&, const CollectionName&, const model::Properties&,
                         const std::vector<std::string>&) override {
    return {};
  }
  Status AlterField(const Context&, const CollectionName&, const std::string&,
                    const model::Properties&, const std::vector<std::string>&) override {
    return {};
  }
  Status TruncateCollection(const Context&, const CollectionName&) override { return {}; }
  Result<CollectionPtr> GetCollection(const Context&, const CollectionName& name) override {
    const std::lock_guard lock(mutex_);
    const auto found = collections_.find(name.collection);
    if (found != collections_.end()) return found->second;
    return Status::NotFound(StatusSubject::kCollection, "collection not found");
  }
  Result<CollectionPtr> GetCollection(const Context&, model::CollectionId id) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, collection] : collections_) {
      if (collection->id == id) return collection;
    }
    return Status::NotFound(StatusSubject::kCollection, "collection not found");
  }
  Result<std::vector<CollectionPtr>> ListCollections(const Context&,
                                                     const std::optional<std::string>&) override {
    const std::lock_guard lock(mutex_);
    std::vector<CollectionPtr> all;
    for (const auto& [name, collection] : collections_) all.push_back(collection);
    return all;
  }
  Status CreatePartition(const Context&, const CollectionName&, const std::string&) override {
    return {};
  }
  Status DropPartition(const Context&, const CollectionName&, const std::string&) override {
    return {};
  }
  Status CreateAlias(const Context&, const CollectionName&, const std::string&) override {
    return {};
  }
  Status AlterAlias(const Context&, const CollectionName&, const std::string&) override {
    return {};
  }
  Status DropAlias(const Context&, const std::string&, const std::string&) override { return {}; }
  Result<int64_t> AllocIds(const Context&, int64_t count) override {
    return next_id_.fetch_add(count);
  }
  model::Timestamp AllocTimestamp() override {
    return model::Timestamp(static_cast<uint64_t>(next_id_.fetch_add(1)));
  }

 private:
  std::mutex mutex_;
  std::map<std::string, CollectionPtr> collections_;
  std::atomic<int64_t> next_id_{1000};
};

}  // namespace kite::roles
