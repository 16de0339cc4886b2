// The roles' interfaces. A role knows the others only through this file; in one process a call is a call, across
// processes a stub stands behind the same class. All methods are thread-safe; those that may wait take a Context.
//
// Names are (database, name-or-alias) as the client gave them; errors repeat those names, never ids.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "kite/engine/index.h"
#include "model/collection.h"
#include "model/request.h"
#include "query/filter/filter.h"
#include "segment/segment_meta.h"

namespace kite::roles {

using model::CollectionName;
using model::CollectionPtr;

// ---- RootCoord: databases, collections, partitions, aliases, ids -------------------------------------------------

struct CreateCollectionRequest {
  std::string database;
  model::CollectionSchema schema;  ///< as sent; checked and completed by PrepareSchema
  uint32_t shards = 1;             ///< 0 = 1
  model::ConsistencyLevel consistency = model::ConsistencyLevel::kBounded;
  model::Properties properties;
  int64_t partitions = 0;          ///< partition-key collections
};

class RootCoord {
 public:
  virtual ~RootCoord() = default;

  virtual Status CreateDatabase(const Context&, const std::string& name, const model::Properties& properties) = 0;
  /// FailedPrecondition when it still has collections.
  virtual Status DropDatabase(const Context&, const std::string& name) = 0;
  virtual Status AlterDatabase(const Context&, const std::string& name, const model::Properties& set,
                               const std::vector<std::string>& remove) = 0;
  virtual Result<model::DatabaseMeta> GetDatabase(const Context&, const std::string& name) = 0;
  virtual Result<std::vector<model::DatabaseMeta>> ListDatabases(const Context&) = 0;

  /// The same schema again is Ok; a different one is AlreadyExists.
  virtual Status CreateCollection(const Context&, const CreateCollectionRequest&) = 0;
  /// A missing collection is Ok (as in Milvus).
  virtual Status DropCollection(const Context&, const CollectionName&) = 0;
  virtual Status RenameCollection(const Context&, const CollectionName& from, const CollectionName& to) = 0;
  virtual Status AlterCollection(const Context&, const CollectionName&, const model::Properties& set,
                                 const std::vector<std::string>& remove) = 0;
  virtual Status AlterField(const Context&, const CollectionName&, const std::string& field,
                            const model::Properties& set, const std::vector<std::string>& remove) = 0;
  virtual Status TruncateCollection(const Context&, const CollectionName&) = 0;
  /// By name or alias. NotFound(Collection) or NotFound(Database).
  virtual Result<CollectionPtr> GetCollection(const Context&, const CollectionName&) = 0;
  virtual Result<CollectionPtr> GetCollection(const Context&, model::CollectionId) = 0;
  /// Of one database, by name; every database when `database` is nullopt.
  virtual Result<std::vector<CollectionPtr>> ListCollections(const Context&,
                                                             const std::optional<std::string>& database) = 0;

  /// An existing partition is Ok (as in Milvus).
  virtual Status CreatePartition(const Context&, const CollectionName&, const std::string& partition) = 0;
  virtual Status DropPartition(const Context&, const CollectionName&, const std::string& partition) = 0;

  virtual Status CreateAlias(const Context&, const CollectionName&, const std::string& alias) = 0;
  virtual Status AlterAlias(const Context&, const CollectionName&, const std::string& alias) = 0;
  virtual Status DropAlias(const Context&, const std::string& database, const std::string& alias) = 0;

  /// The first of `count` consecutive ids, never given before or again.
  virtual Result<int64_t> AllocIds(const Context&, int64_t count) = 0;
  virtual model::Timestamp AllocTimestamp() = 0;
};

// ---- IndexCoord: index definitions and their builds --------------------------------------------------------------

struct CreateIndexRequest {
  CollectionName name;
  std::string field;
  std::string index_name;  ///< "" = the field's name
  model::Properties params;  ///< index_type, metric_type, params (JSON) or single build parameters
};

enum class IndexState { kFinished, kInProgress, kFailed };

struct IndexDescription {
  model::IndexPtr index;
  std::string field_name;
  IndexState state = IndexState::kFinished;
  std::string fail_reason;
  int64_t indexed_rows = 0;
  int64_t total_rows = 0;
  int64_t pending_rows = 0;
};

class IndexCoord {
 public:
  virtual ~IndexCoord() = default;
  /// The same definition again is Ok; a different one on the field is AlreadyExists(Index). Builds run in the background.
  virtual Status CreateIndex(const Context&, const CreateIndexRequest&) = 0;
  /// "" drops every index of the field. FailedPrecondition while a vector field's collection is loaded.
  virtual Status DropIndex(const Context&, const CollectionName&, const std::string& field,
                           const std::string& index_name) = 0;
  virtual Status AlterIndex(const Context&, const CollectionName&, const std::string& index_name,
                            const model::Properties& set, const std::vector<std::string>& remove) = 0;
  /// Filtered by field and name where not empty. NotFound(Index) when nothing matches.
  virtual Result<std::vector<IndexDescription>> DescribeIndex(const Context&, const CollectionName&,
                                                              const std::string& field,
                                                              const std::string& index_name) = 0;
  /// Definitions of a collection, for loads, builds and plans. Does not wait.
  virtual std::vector<model::IndexPtr> Indexes(model::CollectionId) = 0;
  /// A flush or a compaction has made sealed segments: builds what they lack, in the background. Does not wait.
  virtual void OnSegmentsChanged(model::ChannelId) = 0;
  /// The collection is gone: forget its indexes and stop its builds.
  virtual void OnCollectionDropped(model::CollectionId) = 0;
};

// ---- QueryCoord: what is loaded -----------------------------------------------------------------------------------

enum class LoadState { kNotExist = 0, kNotLoad = 1, kLoading = 2, kLoaded = 3 };  // the wire's numbers

struct LoadRequest {
  CollectionName name;
  std::vector<std::string> partitions;  ///< empty = the collection
  int32_t replicas = 1;
  bool refresh = false;
};

class QueryCoord {
 public:
  virtual ~QueryCoord() = default;
  /// Starts loading; refuses with NotFound(Index) without an index on every vector field, Exhausted(Memory) with the
  /// figures when it does not fit. Loading ends loaded or failed with the segment and the cause.
  virtual Status Load(const Context&, const LoadRequest&) = 0;
  virtual Status Release(const Context&, const CollectionName&, const std::vector<std::string>& partitions) = 0;
  /// FailedPrecondition(Collection) "collection not loaded" when it is not; the failure of a failed load.
  virtual Result<int64_t> LoadingProgress(const Context&, const CollectionName&,
                                          const std::vector<std::string>& partitions) = 0;
  /// kNotExist for an unknown collection.
  virtual Result<LoadState> GetLoadState(const Context&, const CollectionName&,
                                         const std::vector<std::string>& partitions) = 0;
  /// What a read may use: nullopt when not loaded. Does not wait.
  virtual std::optional<model::LoadMeta> Loaded(model::CollectionId) = 0;
  virtual void OnCollectionDropped(model::CollectionId) = 0;
};

// ---- DataCoord: segments, flush, compaction, statistics -----------------------------------------------------------

struct FlushedSegments {
  std::vector<int64_t> segments;  ///< ids that hold the flushed rows
  model::Timestamp flush_timestamp;
};

struct SegmentInfo {
  model::SegmentId id;
  model::CollectionId collection;
  model::PartitionId partition;
  uint32_t shard = 0;
  bool sealed = false;
  int64_t rows = 0;
  int64_t deleted_rows = 0;
  int64_t bytes = 0;
  std::vector<model::IndexId> indexes;  ///< built
};

struct CompactionState {
  bool completed = true;
  int64_t executing = 0;
  int64_t done = 0;
  int64_t failed = 0;
};

class DataCoord {
 public:
  virtual ~DataCoord() = default;
  /// Every acknowledged row of the collection is in sealed segments when it returns.
  virtual Result<FlushedSegments> Flush(const Context&, const CollectionName&) = 0;
  /// Exact live rows; of one partition when `partition` is not empty.
  virtual Result<int64_t> CountRows(const Context&, const CollectionName&, const std::string& partition) = 0;
  virtual Result<std::vector<SegmentInfo>> ListSegments(const Context&, const CollectionName&) = 0;
  /// Starts a compaction of everything worth it; its id, or -1 when there is nothing to do.
  virtual Result<int64_t> Compact(const Context&, const CollectionName&) = 0;
  virtual Result<CompactionState> GetCompactionState(const Context&, int64_t id) = 0;
};

// ---- DataNode: owner of channels, the only writer ------------------------------------------------------------------

/// One channel's part of a write: delete `deleted_keys`, then insert `rows`, at one timestamp in one record.
struct ChannelWrite {
  model::ChannelId channel;
  model::PartitionId partition;
  model::Column deleted_keys;  ///< type kNone: nothing to delete
  model::PartitionId delete_partition;  ///< deletes apply to this partition only; 0: to all
  model::RowBatch rows;        ///< every field of the schema; checked by the proxy
  /// Read-modify-write: the timestamp that was read at; Conflict, and no channel is written to, when a row of
  /// `deleted_keys` came or went since.
  std::optional<model::Timestamp> read_timestamp;
};

struct WriteResult {
  model::Timestamp timestamp;
  int64_t deleted = 0;  ///< rows that were there and are gone now
};

class DataNode {
 public:
  virtual ~DataNode() = default;
  virtual Status OpenChannel(const Context&, const CollectionPtr&, uint32_t shard) = 0;
  /// Gives back memory and disk of the channel.
  virtual Status DropChannel(const Context&, model::ChannelId) = 0;
  /// Durable and visible when it returns Ok. Unavailable: nothing was appended. Several channels are written side by side.
  virtual Result<WriteResult> Write(const Context&, const CollectionPtr&, std::vector<ChannelWrite>) = 0;
  virtual Status Truncate(const Context&, model::ChannelId) = 0;
  virtual Status DropPartition(const Context&, model::ChannelId, model::PartitionId) = 0;
  virtual Result<FlushedSegments> Flush(const Context&, model::ChannelId) = 0;
  /// Ok when what is here of these channels is all that was acknowledged. Unavailable: that cannot be told now, or
  /// another server writes them. Before Position and CloseTimestamp, unless a read may be stale.
  virtual Status CheckCurrent(const Context&, const std::vector<model::ChannelId>&) = 0;
  /// Position after everything acknowledged so far.
  virtual Result<int64_t> Position(model::ChannelId) = 0;
  /// A timestamp T that is closed: every acknowledged row of these channels is <= T, and nothing <= T comes later.
  virtual Result<model::Timestamp> CloseTimestamp(const std::vector<model::ChannelId>&) = 0;
  virtual Result<int64_t> CountRows(model::ChannelId, std::optional<model::PartitionId>) = 0;
  virtual Result<std::vector<SegmentInfo>> ListSegments(model::ChannelId) = 0;
  /// Segments of the channel that have rows of `field` but no index `index` yet.
  virtual Result<std::vector<segment::SegmentMeta>> SealedSegments(model::ChannelId) = 0;
  /// Adds a built index to a segment. NotFound(Segment) when a compaction has replaced it: drop the build.
  virtual Status AddIndex(const Context&, model::ChannelId, model::SegmentId, const segment::VectorIndexMeta&) = 0;
  virtual Status RemoveIndex(const Context&, model::ChannelId, model::IndexId) = 0;
  /// Runs at most one compaction; false when nothing is worth it.
  virtual Result<bool> CompactOnce(const Context&, model::ChannelId, bool forced) = 0;
};

// ---- IndexNode: builds ---------------------------------------------------------------------------------------------

struct BuildTask {
  CollectionPtr collection;
  uint32_t shard = 0;
  segment::SegmentMeta segment;
  model::IndexPtr index;
};

class IndexNode {
 public:
  virtual ~IndexNode() = default;
  /// Builds and stores the index file; blocks. `progress`: 0-1.
  virtual Result<segment::VectorIndexMeta> Build(const Context&, const BuildTask&,
                                                 const std::function<void(double)>& progress) = 0;
};

// ---- QueryNode: reads ----------------------------------------------------------------------------------------------

/// A search on all channels of a collection that one node serves, planned by the proxy.
struct SearchPlan {
  CollectionPtr collection;
  std::vector<model::ChannelId> channels;
  std::vector<model::PartitionId> partitions;  ///< empty = all
  std::shared_ptr<const query::Filter> filter;  ///< null = none
  model::FieldId field;
  engine::Metric metric = engine::Metric::kL2;
  std::vector<std::string_view> queries;
  engine::SearchParams params;                 ///< params.k = offset + limit
  std::vector<model::FieldId> output_fields;
  std::optional<model::FieldId> group_by;      ///< params.k groups of params.group_size hits
  bool fill_groups = false;                    ///< every group has all the hits it can have
  std::optional<model::Timestamp> pinned;      ///< read exactly at T
  bool keep_history = false;                   ///< an iterator: keep the history back to T for its next page
  std::vector<int64_t> positions;              ///< per channel: wait until applied; 0 = what is there
  bool ignore_growing = false;
  size_t skip = 0;                             ///< leading hits, or groups, to drop per query (offset)
  bool with_ties = false;                      ///< also every hit that scores as the last one does
};

struct QueryPlan {
  CollectionPtr collection;
  std::vector<model::ChannelId> channels;
  std::vector<model::PartitionId> partitions;
  std::shared_ptr<const query::Filter> filter;
  std::vector<model::FieldId> output_fields;
  std::optional<model::Timestamp> pinned;
  bool keep_history = false;  ///< an iterator: keep the history back to T for its next page
  std::vector<int64_t> positions;
  bool ignore_growing = false;
  size_t skip = 0;
  size_t limit = 0;         ///< rows wanted, smallest keys first
  bool count_only = false;
};

struct QueryRows {
  size_t rows = 0;
  std::vector<model::Column> columns;  ///< as output_fields
  int64_t count = 0;
};

class QueryNode {
 public:
  virtual ~QueryNode() = default;
  /// Best hits over the channels, one per primary key, ties by key ascending. Fills hits, keys, scores, columns,
  /// group_values.
  virtual Result<model::SearchResult> Search(const Context&, const SearchPlan&) = 0;
  virtual Result<QueryRows> Query(const Context&, const QueryPlan&) = 0;
  /// Loads the indexes of the channel's segments for reading; progress 0-1.
  virtual Status LoadChannel(const Context&, const CollectionPtr&, uint32_t shard,
                             const std::vector<model::IndexPtr>& indexes,
                             const std::function<void(double)>& progress) = 0;
  virtual Status ReleaseChannel(model::ChannelId) = 0;
  /// Bytes that LoadChannel would need.
  virtual Result<size_t> EstimateLoadBytes(model::ChannelId, const std::vector<model::IndexPtr>& indexes) = 0;
};

// ---- Proxy: data operations of clients -----------------------------------------------------------------------------

class Proxy {
 public:
  virtual ~Proxy() = default;
  virtual Result<model::MutationResult> Insert(const Context&, const model::InsertRequest&) = 0;
  virtual Result<model::MutationResult> Delete(const Context&, const model::DeleteRequest&) = 0;
  virtual Result<model::SearchResult> Search(const Context&, const model::SearchRequest&) = 0;
  virtual Result<model::QueryResult> Query(const Context&, const model::QueryRequest&) = 0;
};

/// The roles that one client-facing process can reach.
struct Roles {
  Proxy* proxy = nullptr;
  RootCoord* root_coord = nullptr;
  DataCoord* data_coord = nullptr;
  QueryCoord* query_coord = nullptr;
  IndexCoord* index_coord = nullptr;
};

}  // namespace kite::roles
