// scalars.parquet: the scalar columns of a sealed segment, zstd-compressed, found by field id.
//
// Parquet and Arrow stay inside the .cc. Field ids are Parquet's field ids; names are for other
// readers.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/column.h"
#include "model/schema.h"

namespace kite::segment {

inline constexpr std::string_view kScalarsFileName = "scalars.parquet";

class ParquetWriter {
 public:
  using Sink = std::function<Status(std::string_view)>;
  /// `sink` receives the file's bytes in order and outlives the writer.
  static Result<std::unique_ptr<ParquetWriter>> Open(std::vector<model::FieldSchema> fields,
                                                     Sink sink);
  ~ParquetWriter();
  /// One column per field, in the fields' order, all of the same number of rows.
  Status WriteRowGroup(std::span<const model::Column> columns);
  Status Close();

 private:
  struct Impl;
  explicit ParquetWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Decodes one column of a file with `rows` rows. `data_bytes` is what its values take decoded
/// (stats.bin): more is refused, and the decoder's own memory is bounded by it. Corruption(Segment)
/// names `key`.
Result<model::Column> ReadParquetColumn(std::string_view file, const model::FieldSchema& field,
                                        uint64_t rows, uint64_t data_bytes, const std::string& key);

}  // namespace kite::segment
