// Requests and results of data operations, in our own types: what `api/` decodes to and encodes from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/collection.h"
#include "model/column.h"
#include "model/template_value.h"
#include "model/timestamp.h"

namespace kite::model {

/// Names a collection as the client did: database ("" = default) and name or alias.
struct CollectionName {
  std::string database;
  std::string collection;
};

/// The read's freshness. `guarantee` as on the wire: 0 strong, 1 eventually, 2 bounded, else "visible up to then".
struct Consistency {
  bool use_collection_default = false;
  std::optional<ConsistencyLevel> level;  ///< as the client named it
  uint64_t guarantee = 0;
};

/// A column as the client sent it: by field name, not yet checked against the schema. Null encoding is normalised:
/// scalars padded, vectors compact (column.h).
struct NamedColumn {
  std::string field;
  bool is_dynamic = false;  ///< JSON objects with the keys that the schema does not declare
  Column column;            ///< type and dim as sent; field id unset
};

struct InsertRequest {
  CollectionName name;
  std::string partition;  ///< "" = _default
  std::vector<NamedColumn> columns;
  uint64_t rows = 0;               ///< as declared by the client
  uint64_t schema_timestamp = 0;   ///< 0 = unchecked; another than the collection's is Mismatch(Schema)
  bool upsert = false;
  bool partial_update = false;
};

struct DeleteRequest {
  CollectionName name;
  std::string partition;  ///< "" = all
  std::string filter;
  Templates templates;
  Consistency consistency;
};

struct MutationResult {
  Column keys;             ///< INT64 or VARCHAR; of insert and upsert, in request order
  int64_t inserted = 0;
  int64_t deleted = 0;
  int64_t upserted = 0;
  Timestamp timestamp;
};

struct SearchIterator {
  uint32_t batch_size = 0;
  std::string token;                ///< "" on the first call
  std::optional<float> last_bound;  ///< score of the last hit of the page before
};

struct SearchRequest {
  CollectionName name;
  std::vector<std::string> partitions;  ///< empty = all loaded
  std::string filter;
  Templates templates;
  std::string field;    ///< "" = the only vector field
  std::string metric;   ///< "" = the index's
  DataType vector_type = DataType::kFloatVector;
  size_t query_count = 0;
  std::vector<std::string_view> queries;  ///< one per query: raw little-endian bytes; point into `owner`
  std::shared_ptr<const void> owner;
  Column query_keys;  ///< in place of `queries`: the vectors of the rows with these primary keys; type kNone: unused
  int64_t limit = 0;
  int64_t offset = 0;
  Properties params;                    ///< ef, nprobe, radius, range_filter, ... as texts
  int32_t round_decimal = -1;
  std::string group_by_field;
  int64_t group_size = 1;
  bool strict_group_size = false;
  std::vector<std::string> output_fields;
  Consistency consistency;
  bool ignore_growing = false;
  bool is_iterator = false;                 ///< v1 or v2: answer `session`
  std::optional<SearchIterator> iterator;   ///< v2
};

struct SearchResult {
  std::vector<int64_t> hits;          ///< per query
  Column keys;                        ///< all hits, query after query, best first
  std::vector<float> scores;
  std::vector<Column> columns;        ///< output fields, in the order of `output_fields`, over all hits
  std::vector<std::string> output_fields;  ///< names as the client expects them back (dynamic keys included)
  Column group_values;                ///< group-by: value per hit; type kNone when unused
  std::string key_field;
  int64_t limit = 0;
  Timestamp session;                  ///< zero unless the request is an iterator with guarantee 0
  std::string iterator_token;
  float iterator_last_bound = 0;
  CollectionPtr collection;           ///< for names and types when encoding
};

struct QueryRequest {
  CollectionName name;
  std::vector<std::string> partitions;
  std::string filter;
  Templates templates;
  std::vector<std::string> output_fields;
  std::optional<int64_t> limit;
  int64_t offset = 0;
  bool is_iterator = false;
  Consistency consistency;
  bool ignore_growing = false;
};

struct QueryResult {
  size_t rows = 0;
  std::vector<Column> columns;             ///< in the order of `output_fields`; never empty
  std::vector<std::string> output_fields;
  std::string key_field;
  std::optional<int64_t> count;            ///< set for count(*): then `columns` is empty
  Timestamp session;
  CollectionPtr collection;
};

}  // namespace kite::model
