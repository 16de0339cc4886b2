// TestRows: rows of a small collection given as texts, as a ColumnSource, for tests, the fuzzer and
// benchmarks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/column.h"
#include "model/schema.h"
#include "query/filter/filter.h"
#include "segment/column_source.h"

namespace kite::query::filter {

using Texts = std::vector<std::string>;
using Integers = std::vector<int64_t>;
/// One cell: null, a scalar, JSON text (string), or an array.
using Cell = std::variant<std::monostate, bool, int64_t, double, std::string, Integers, Texts>;

inline model::FieldSchema TestField(std::string name, model::DataType type, bool nullable = true) {
  model::FieldSchema field;
  field.name = std::move(name);
  field.type = type;
  field.nullable = nullable;
  return field;
}

/// Fields: pk Int64, b Bool, i8, i16, i32, i64, f Float, d Double, s and t VarChar, j JSON, ai
/// Array of Int64, as Array of VarChar, af Array of Float, vec FloatVector, and $meta. All but pk,
/// vec and $meta are nullable.
inline model::CollectionSchema TestSchema(bool dynamic = true) {
  using model::DataType;
  model::CollectionSchema schema;
  schema.name = "rows";
  auto& fields = schema.fields;
  fields = {TestField("pk", DataType::kInt64, false),
            TestField("b", DataType::kBool),
            TestField("i8", DataType::kInt8),
            TestField("i16", DataType::kInt16),
            TestField("i32", DataType::kInt32),
            TestField("i64", DataType::kInt64),
            TestField("f", DataType::kFloat),
            TestField("d", DataType::kDouble),
            TestField("s", DataType::kVarChar),
            TestField("t", DataType::kVarChar),
            TestField("j", DataType::kJson),
            TestField("ai", DataType::kArray),
            TestField("as", DataType::kArray),
            TestField("af", DataType::kArray),
            TestField("vec", DataType::kFloatVector, false)};
  fields[0].is_primary_key = true;
  fields[11].element_type = DataType::kInt64;
  fields[12].element_type = DataType::kVarChar;
  fields[13].element_type = DataType::kFloat;
  fields[14].dim = 2;
  if (dynamic) {
    fields.push_back(TestField("$meta", DataType::kJson, false));
    fields.back().is_dynamic = true;
    schema.enable_dynamic_field = true;
  }
  int64_t id = model::kFirstUserFieldId;
  for (model::FieldSchema& field : fields) field.id = model::FieldId{id++};
  return schema;
}

using Row = std::map<std::string, Cell>;

class TestRows final : public segment::ColumnSource {
 public:
  /// Missing cells are null, or what a field that is not nullable has for nothing ({} in $meta).
  TestRows(const model::CollectionSchema& schema, const std::vector<Row>& rows)
      : schema_(schema), rows_(rows.size()) {
    for (const model::FieldSchema& field : schema.fields) {
      model::ColumnBuilder builder(field);
      for (const Row& row : rows) {
        const auto cell = row.find(field.name);
        Append(builder, field, cell == row.end() ? Cell() : cell->second);
      }
      columns_.emplace(field.id, builder.Finish());
    }
  }

  [[nodiscard]] size_t rows() const override { return rows_; }
  Result<model::Column> GetColumn(model::FieldId field) const override {
    ++reads_;
    return columns_.at(field);
  }
  [[nodiscard]] const segment::ScalarIndex* GetScalarIndex(model::FieldId field) const override {
    const auto found = indexes_.find(field);
    return found == indexes_.end() ? nullptr : found->second;
  }
  [[nodiscard]] std::optional<segment::ColumnStats> GetStats(model::FieldId field) const override {
    const auto found = stats_.find(field);
    if (found == stats_.end()) return std::nullopt;
    return found->second;
  }

  [[nodiscard]] model::FieldId IdOf(std::string_view field) const {
    return schema_.Find(field)->id;
  }
  void SetIndex(std::string_view field, const segment::ScalarIndex* index) {
    indexes_[IdOf(field)] = index;
  }
  void SetStats(std::string_view field, segment::ColumnStats stats) {
    stats_[IdOf(field)] = std::move(stats);
  }
  /// How many columns were asked for.
  [[nodiscard]] int reads() const { return reads_; }

 private:
  static void Append(model::ColumnBuilder& builder, const model::FieldSchema& field,
                     const Cell& cell) {
    using model::DataType;
    if (field.type == DataType::kFloatVector) {
      builder.AppendBytes(std::string(field.dim * sizeof(float), '\0'));
    } else if (field.type == DataType::kArray && cell.index() != 0) {
      builder.AppendBytes(ArrayBytes(field.element_type, cell));
    } else if (cell.index() == 0 && field.is_dynamic) {
      builder.AppendBytes("{}");
    } else if (cell.index() == 0) {
      builder.AppendNull();
    } else {
      AppendScalar(builder, field.type, cell);
    }
  }

  static void AppendScalar(model::ColumnBuilder& builder, model::DataType type, const Cell& cell) {
    const auto integer = [&] { return std::get<int64_t>(cell); };
    const auto floating = [&] {
      const auto* whole = std::get_if<int64_t>(&cell);
      return whole ? static_cast<double>(*whole) : std::get<double>(cell);
    };
    switch (type) {
      case model::DataType::kBool:
        return builder.AppendFixed(static_cast<uint8_t>(std::get<bool>(cell)));
      case model::DataType::kInt8:
        return builder.AppendFixed(static_cast<int8_t>(integer()));
      case model::DataType::kInt16:
        return builder.AppendFixed(static_cast<int16_t>(integer()));
      case model::DataType::kInt32:
        return builder.AppendFixed(static_cast<int32_t>(integer()));
      case model::DataType::kInt64:
        return builder.AppendFixed(integer());
      case model::DataType::kFloat:
        return builder.AppendFixed(static_cast<float>(floating()));
      case model::DataType::kDouble:
        return builder.AppendFixed(floating());
      default:
        return builder.AppendBytes(std::get<std::string>(cell));
    }
  }

  // Elements of FLOAT arrays are given in quarters.
  static std::string ArrayBytes(model::DataType element_type, const Cell& cell) {
    std::string bytes;
    const auto raw = [&](auto value) {
      bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
    };
    if (const auto* texts = std::get_if<Texts>(&cell)) {
      for (const std::string& text : *texts) {
        raw(static_cast<uint32_t>(text.size()));
        bytes += text;
      }
      return bytes;
    }
    for (const int64_t value : std::get<Integers>(cell)) {
      if (element_type == model::DataType::kFloat) {
        raw(static_cast<float>(value) / 4);
      } else {
        raw(value);
      }
    }
    return bytes;
  }

  model::CollectionSchema schema_;
  size_t rows_;
  std::map<model::FieldId, model::Column> columns_;
  std::map<model::FieldId, const segment::ScalarIndex*> indexes_;
  std::map<model::FieldId, segment::ColumnStats> stats_;
  mutable int reads_ = 0;
};

/// The rows that match, by position.
inline std::vector<size_t> MatchingRows(const Filter& filter, const TestRows& rows) {
  std::vector<uint64_t> bits((rows.rows() + 63) / 64);
  KITE_CHECK(filter.Evaluate(Context(), rows, bits.data()).ok(), "test rows can be read");
  std::vector<size_t> matching;
  for (size_t i = 0; i < rows.rows(); ++i) {
    if (((bits[i / 64] >> (i % 64)) & 1) == 0) matching.push_back(i);
  }
  return matching;
}

}  // namespace kite::query::filter
