// ProxyImpl: data operations of clients: resolve names, check, split by channel, plan, merge. Holds no state.
//
//   insert  insert.cc, rows.cc    columns checked against the schema, keys given, split by primary key
//           partial.cc            upserts that change only the columns that they name
//   delete  delete.cc             a filter to keys, keys to channels
//           partition.cc          partitions of rows and reads, partition keys
//           keys.cc               rows by primary key
//           modify.cc             what partial updates and deletes by filter share: writes that follow from a read
//   search  search.cc             plan of a vector search
//   query   query.cc              plan of a filter read
#pragma once

#include <functional>
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
  /// Changes the columns that the request names in the rows that are there; other rows are inserted.
  Result<model::MutationResult> PartialUpsert(const Context& context, const CollectionPtr& collection,
                                              const model::InsertRequest& request, std::optional<int64_t> first_id);
  Result<model::MutationResult> WriteUpsert(const Context& context, const CollectionPtr& collection,
                                            const std::string& partition, model::RowBatch rows,
                                            std::optional<int64_t> first_id,
                                            std::optional<model::Timestamp> read_timestamp);
  Result<model::MutationResult> WriteRows(const Context& context, const CollectionPtr& collection,
                                          const std::string& partition, model::RowBatch rows,
                                          const model::Column& old_keys,
                                          std::optional<model::Timestamp> read_timestamp);
  /// Hands what `plan` selects to `write`, again as long as it answers Conflict; then BackPressure. `write` passes the
  /// timestamp on in its ChannelWrites.
  Result<model::MutationResult> ReadModifyWrite(
      const Context& context, QueryPlan plan,
      const std::function<Result<model::MutationResult>(const QueryRows& rows, model::Timestamp read)>& write);
  /// A search by primary keys as one by the vectors of their rows.
  Result<model::SearchRequest> WithVectorsOfKeys(const Context& context, const ReadTarget& target,
                                                 const model::SearchRequest& request);
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

/// The columns that a partial update names, checked; the primary key is among them.
Result<model::RowBatch> CheckNamedColumns(const model::CollectionSchema& schema,
                                          const std::vector<model::NamedColumn>& columns, uint64_t rows);

/// Appends what a row gets that leaves the field out: its default value or null; else the error names the field.
Status AppendMissing(const model::FieldSchema& field, model::ColumnBuilder& builder);

/// `pk in [keys]`.
Result<std::shared_ptr<const query::Filter>> KeyFilter(const model::CollectionSchema& schema,
                                                       const model::Column& keys);
/// A key for messages.
std::string KeyText(const model::Column& keys, size_t row);
/// For each of `keys` the row of `stored`, whose keys ascend; or its number of rows when there is none.
std::vector<size_t> FindStored(const model::Column& keys, const model::Column& stored);
/// Where the value of each row lies: in vector columns null rows take no place.
std::vector<size_t> Places(const model::Column& column);

/// One write per channel and partition that gets rows or deletes. Keys and rows go to the shard of their key. The
/// partition of row i, and of what deleted_keys[i] was replaced by, is partitions[i], or partitions[0] of all.
std::vector<ChannelWrite> SplitWrites(const model::CollectionMeta& collection,
                                      const std::vector<model::PartitionId>& partitions, model::RowBatch rows,
                                      const model::Column& deleted_keys);

/// The hash of a value below `buckets`: the shard of a primary key, the partition of a partition key.
uint32_t BucketOf(const model::Column& values, size_t row, uint32_t buckets);

/// The given rows (ascending) of a batch as a batch of their own.
model::RowBatch TakeRows(const model::RowBatch& batch, const model::CollectionSchema& schema,
                         const std::vector<uint32_t>& rows);

Result<OutputFields> ResolveOutputFields(const model::CollectionSchema& schema, const std::vector<std::string>& asked,
                                         bool with_key);

/// A partition that a request names ("": none): NotFound(Partition), or InvalidArgument with a partition key.
Status CheckPartition(const model::CollectionMeta& collection, const std::string& name);

/// Where rows go: one partition for all, or one per row. `name` is checked.
std::vector<model::PartitionId> PartitionsOf(const model::CollectionMeta& collection, const std::string& name,
                                             const model::RowBatch& rows);
/// The partitions of values of the partition key.
std::vector<model::PartitionId> PartitionsOf(const model::CollectionMeta& collection, const model::Column& values);

/// The partitions that can hold rows which `filter` selects; `partitions` when it says nothing of the partition key.
std::vector<model::PartitionId> PrunePartitions(const model::CollectionMeta& collection, const query::Filter& filter,
                                                std::vector<model::PartitionId> partitions);

}  // namespace kite::roles
