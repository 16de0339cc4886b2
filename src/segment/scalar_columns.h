// ScalarColumns: the scalar fields of a sealed segment: decoded at first use, then kept; with
// statistics and indexes.
//
// Thread-safe. What it gives out (columns, sources, indexes) stays valid after it is gone or an
// index was dropped.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "model/schema.h"
#include "segment/column_source.h"
#include "segment/key_file.h"
#include "segment/stats_file.h"
#include "store/object_store.h"

namespace kite::segment {

class ScalarColumns final : public std::enable_shared_from_this<ScalarColumns> {
 public:
  ScalarColumns(std::shared_ptr<store::ObjectStore> objects,
                std::shared_ptr<const model::CollectionSchema> schema, const SegmentMeta& meta,
                std::unique_ptr<const KeyFile> keys);

  [[nodiscard]] const KeyFile& keys() const { return *keys_; }
  /// All rows of a field. NotFound(Field); Corruption(Segment) names the file.
  Result<model::Column> Get(model::FieldId field) const;
  [[nodiscard]] std::optional<ColumnStats> Stats(model::FieldId field) const;
  /// The columns with the indexes of this moment.
  [[nodiscard]] std::shared_ptr<const ColumnSource> Source() const;

  Status BuildIndex(model::FieldId field);
  void DropIndex(model::FieldId field);

  /// Of decoded columns and indexes.
  [[nodiscard]] size_t memory_bytes() const;
  /// Bytes of all columns when decoded; by the files' size when the statistics cannot be read.
  [[nodiscard]] size_t EstimateBytes() const;

 private:
  class SourceOf;
  using Indexes = std::map<model::FieldId, std::shared_ptr<const ScalarIndex>>;

  Status LoadStats() const;                                               // mutex_ held
  Result<model::Column> Decode(const model::FieldSchema& field) const;    // mutex_ held
  [[nodiscard]] const FieldStats* FindStats(model::FieldId field) const;  // mutex_ held

  const std::shared_ptr<store::ObjectStore> objects_;
  const std::shared_ptr<const model::CollectionSchema> schema_;
  const size_t rows_;
  const FileMeta scalars_file_;
  const FileMeta stats_file_;
  const std::unique_ptr<const KeyFile> keys_;

  mutable std::mutex mutex_;
  mutable bool stats_loaded_ = false;
  mutable std::vector<FieldStats> stats_;
  mutable std::map<model::FieldId, model::Column> columns_;
  mutable size_t column_bytes_ = 0;
  std::shared_ptr<const Indexes> indexes_ = std::make_shared<const Indexes>();
};

}  // namespace kite::segment
