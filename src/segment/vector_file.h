// vector_<field>.npy (sparse vectors: vector_<field>.sparse) and vector_<field>.rows: the vectors
// of one field, mapped as they are by numpy, by us and by indexes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "kite/engine/index.h"
#include "model/column.h"
#include "segment/segment_meta.h"
#include "store/object_store.h"

namespace kite::segment {

/// "vector_101.npy", "vector_101.sparse"
[[nodiscard]] std::string VectorFileName(const model::FieldSchema& field);
[[nodiscard]] std::string VectorRowsFileName(model::FieldId field);  ///< "vector_101.rows"

/// The header of a NumPy file (format 1.0) with `count` vectors: 4096 bytes, so that the data
/// begins on a page.
[[nodiscard]] std::string NpyHeader(model::DataType type, uint32_t dim, uint64_t count);

/// Calls visit once per run of rows, in row order, with the field's values as a Column. May be
/// called several times.
using ColumnScan = std::function<Status(const std::function<Status(const model::Column&)>& visit)>;

/// Writes the vectors of a field, and which rows they belong to if some are null. Adds the files'
/// metas to `files`.
Status WriteVectors(const Context& context, store::ObjectStore& objects, const std::string& prefix,
                    const model::FieldSchema& field, uint64_t rows, const ColumnScan& scan,
                    std::vector<FileMeta>& files);

class VectorFile {
 public:
  /// Maps the field's files; kResident: copies large ones into memory on huge pages, where there is
  /// room. A segment without them (older than the field) has only nulls. Corruption(Segment) or
  /// NotFound(Object) names the object.
  static Result<std::shared_ptr<const VectorFile>> Open(const Context& context,
                                                        store::ObjectStore& objects,
                                                        const SegmentMeta& meta,
                                                        const model::FieldSchema& field,
                                                        engine::LoadMode mode);

  /// With nulls in every row: count == 0 and rows > 0, or no entries.
  [[nodiscard]] const engine::VectorSource& source() const { return source_; }
  [[nodiscard]] model::Column Fetch(const model::FieldSchema& field,
                                    std::span<const engine::Row> rows) const;
  /// Bytes that a search may touch.
  [[nodiscard]] size_t memory_bytes() const;

 private:
  Status MapDense(const FileMeta& file, const model::FieldSchema& field, uint64_t rows, bool nulls);
  Status MapSparse(const FileMeta& file, uint64_t rows);
  Status MapRows(const Context& context, store::ObjectStore& objects, const FileMeta& file,
                 uint64_t rows);
  /// The row's vector among those stored; nullopt when it is null.
  [[nodiscard]] std::optional<size_t> PositionOf(engine::Row row) const;

  std::shared_ptr<const store::ObjectView> data_;
  std::shared_ptr<const store::ObjectView> rows_;
  engine::VectorSource source_;
  std::span<const engine::Row> present_;  ///< rows with a value; empty: all of them
  std::vector<uint64_t> no_entries_;      ///< offsets of a sparse field without a file
};

}  // namespace kite::segment
