// keys.bin: the primary keys of a sealed segment by row, their order, and a filter that says which
// keys are absent.
//
// Open looks at the header only. The contents are verified at the first use: block checksums of a
// small file, offsets of VARCHAR keys always. Row numbers are checked where they are read.
// Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "base/context.h"
#include "kite/engine/types.h"
#include "model/column.h"
#include "segment/segment_meta.h"
#include "store/object_store.h"

namespace kite::segment {

inline constexpr std::string_view kKeyFileName = "keys.bin";

/// Writes the file for a key column. At most 2^32 - 2 rows.
Result<FileMeta> WriteKeys(const Context& context, store::ObjectStore& objects,
                           const std::string& key, const model::Column& keys);

class KeyFile {
 public:
  /// `type` is kInt64 or kVarChar. Corruption(Segment) or NotFound(Object) names the object.
  static Result<std::unique_ptr<const KeyFile>> Open(const Context& context,
                                                     store::ObjectStore& objects,
                                                     const FileMeta& file, uint64_t rows,
                                                     model::DataType type);

  /// The keys by row; borrows the mapped bytes and keeps them alive.
  Result<model::Column> Column(model::FieldId field) const;

  /// Pairs of (position in keys, row), by position, then by row.
  Result<std::vector<std::pair<uint32_t, engine::Row>>> Find(const model::Column& keys) const;

 private:
  KeyFile(FileMeta file, std::shared_ptr<const store::ObjectView> view, uint64_t rows,
          model::DataType type, uint64_t filter_bytes);
  Status Verify() const;
  Status VerifyOnce() const;
  [[nodiscard]] bool MayContain(uint64_t hash) const;
  [[nodiscard]] std::string_view Text(engine::Row row) const;
  template <typename Key, typename KeyOf>
  Status FindOne(const Key& key, const KeyOf& key_of, uint32_t position,
                 std::vector<std::pair<uint32_t, engine::Row>>& found) const;

  const FileMeta file_;
  const std::shared_ptr<const store::ObjectView> view_;
  const uint64_t rows_;
  const model::DataType type_;
  std::string_view filter_;
  std::string_view keys_;                ///< int64 by row, or rows + 1 uint64 offsets into texts_
  std::span<const engine::Row> sorted_;  ///< rows by key, then by row
  std::string_view texts_;
  mutable std::once_flag once_;
  mutable Status verified_;  ///< written once, under once_
};

}  // namespace kite::segment
