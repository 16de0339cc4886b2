// QueryNodeImpl: reads of the channels that this process holds.
//
//   search  search.cc   wait for the position, pin the segments, execute, fetch
//   query   query.cc    the same for filters and counts
//   load    load.cc     indexes of a channel's segments
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "channel/registry.h"
#include "query/execute.h"
#include "roles/roles.h"

namespace kite::roles {

struct QueryNodeDeps {
  std::shared_ptr<channel::Registry> registry;
  std::shared_ptr<const Clock> clock;
  DataNode* data_node = nullptr;  ///< says which index files the segments have
  Executor* search = nullptr;  ///< outlives the node
};

/// Thread-safe.
class QueryNodeImpl final : public QueryNode {
 public:
  explicit QueryNodeImpl(QueryNodeDeps deps) : deps_(std::move(deps)), coalescer_(deps_.search->parallelism()) {}

  Result<model::SearchResult> Search(const Context&, const SearchPlan&) override;
  Result<QueryRows> Query(const Context&, const QueryPlan&) override;
  Status LoadChannel(const Context&, const CollectionPtr&, uint32_t shard, const std::vector<model::IndexPtr>& indexes,
                     const std::function<void(double)>& progress) override;
  Status ReleaseChannel(model::ChannelId) override;
  Result<size_t> EstimateLoadBytes(model::ChannelId, const std::vector<model::IndexPtr>& indexes) override;

 private:
  /// What every read begins with: which channels and partitions, how fresh.
  struct ReadScope {
    const std::vector<model::ChannelId>& channels;
    const std::vector<int64_t>& positions;
    const std::vector<model::PartitionId>& partitions;
    std::optional<model::Timestamp> pinned;
    bool keep_history = false;
    bool ignore_growing = false;
  };
  Result<std::vector<query::PinnedSegment>> Pin(const Context& context, const ReadScope& scope) const;

  const QueryNodeDeps deps_;
  query::Coalescer coalescer_;
};

}  // namespace kite::roles
