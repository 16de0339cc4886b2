// ProxyImpl: data operations of clients: resolve names, check, split by channel, plan, merge. Holds no state.
//
//   insert  insert.cc, rows.cc    columns checked against the schema, keys given, split by primary key
//   delete  delete.cc             a filter to keys, keys to channels
//   search  search.cc             plan of a vector search
//   query   query.cc              plan of a filter read
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "roles/roles.h"

namespace kite::roles {

struct ProxyDeps {
  RootCoord* root_coord = nullptr;
  QueryCoord* query_coord = nullptr;
  IndexCoord* index_coord = nullptr;
  DataNode* data_node = nullptr;
  QueryNode* query_node = nullptr;
};

/// Bounds on requests, Milvus's.
struct RequestLimits {
  int64_t queries_max = 16384;
  int64_t window_max = 16384;  ///< offset + limit
  int64_t group_size_max = 10;
};

/// Output fields as asked for, resolved against the schema.
struct OutputFields {
  std::vector<model::FieldId> fetch;    ///< columns to read, each once; `$meta` for dynamic keys
  std::vector<std::string> names;       ///< as the client expects them back
  bool count = false;                   ///< count(*)
};

/// Thread-safe.
class ProxyImpl final : public Proxy {
 public:
  explicit ProxyImpl(ProxyDeps deps) : deps_(deps) {}

  Result<model::MutationResult> Insert(const Context&, const model::InsertRequest&) override;
  Result<model::MutationResult> Delete(const Context&, const model::DeleteRequest&) override;
  Result<model::SearchResult> Search(const Context&, const model::SearchRequest&) override;
  Result<model::QueryResult> Query(const Context&, const model::QueryRequest&) override;

 private:
  /// What a read works on: a loaded collection, its partitions, its channels, and how fresh.
  struct ReadTarget {
    CollectionPtr collection;
    std::vector<model::ChannelId> channels;
    std::vector<int64_t> positions;
    std::vector<model::PartitionId> partitions;  ///< empty: all
    std::optional<model::Timestamp> pinned;
    model::Timestamp session;                    ///< to answer an iterator's first request with
  };
  Result<ReadTarget> ResolveRead(const Context& context, const CollectionName& name,
                                 const std::vector<std::string>& partitions, const model::Consistency& consistency,
                                 bool is_iterator, const std::string& verb);
  Result<model::MutationResult> DeleteKeys(const Context& context, const CollectionPtr& collection,
                                           const model::Column& keys, model::PartitionId partition,
                                           std::optional<model::Timestamp> read_timestamp);
  Result<model::MutationResult> DeleteByFilter(const Context& context, const CollectionPtr& collection,
                                               std::shared_ptr<const query::Filter> filter,
                                               model::PartitionId partition);
  Result<SearchPlan> PlanSearch(const ReadTarget& target, const model::SearchRequest& request,
                                const OutputFields& output);

  const ProxyDeps deps_;
  const RequestLimits limits_;
};

/// Checks `columns` against the schema and completes them: auto ids from `first_id`, defaults, nulls, the dynamic
/// column. The result has every field of the schema in its order. Errors name the field and the row.
Result<model::RowBatch> CheckRows(const model::CollectionSchema& schema, const std::vector<model::NamedColumn>& columns,
                                  uint64_t rows, bool upsert, std::optional<int64_t> first_id);

/// `rows` keys from `first_id` on, as the primary key's type wants them.
model::Column AutoIds(const model::FieldSchema& field, uint64_t rows, int64_t first_id);

/// One write per channel that gets rows or deletes. Keys and rows go to the shard of their key.
std::vector<ChannelWrite> SplitByShard(const model::CollectionMeta& collection, model::PartitionId partition,
                                       model::RowBatch rows, const model::Column& deleted_keys);

/// Channel (shard) of row `row` of a primary-key column.
uint32_t ShardOf(const model::Column& keys, size_t row, uint32_t shards);

/// The given rows (ascending) of a batch as a batch of their own.
model::RowBatch TakeRows(const model::RowBatch& batch, const model::CollectionSchema& schema,
                         const std::vector<uint32_t>& rows);

Result<OutputFields> ResolveOutputFields(const model::CollectionSchema& schema, const std::vector<std::string>& asked,
                                         bool with_key);

/// The partition's id; NotFound(Partition) names it.
Result<model::PartitionId> ResolvePartition(const model::CollectionMeta& collection, const std::string& name);

}  // namespace kite::roles
