// Filter: a boolean expression over the fields of a collection, parsed, type-checked, and bound to
// a schema.
//
// The language is Milvus's; docs/filters.md describes it with the decisions taken here. In short:
//   - A row matches when the expression is TRUE. NULL follows three-valued logic: any operator on
//   NULL is NULL,
//     `not` NULL is NULL, and / or are Kleene's.
//   - A JSON path that is missing, JSON null, or of another type than the operator needs is NULL;
//   so is an array
//     element beyond the end. `is null`, `is not null` and `exists` are never NULL.
//   - Numbers compare exactly across integers and floating point. A constant that is compared
//   directly with a FLOAT
//     field (or element) is rounded to 32 bits first, so that `f == 0.1` finds 0.1.
//   - Arithmetic is in 64-bit integers or doubles. A result that is no finite number (overflow,
//   division by zero) is
//     NULL; between constants it is an error.
//
// Evaluation runs batch by batch over columns; leaves of the form `field op constant` use scalar
// indexes and statistics of the source where it has them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "model/column.h"
#include "model/schema.h"
#include "model/template_value.h"
#include "segment/column_source.h"

namespace kite::query {

inline constexpr size_t kFilterBytesMax = 1 << 20;
inline constexpr size_t kFilterDepthMax = 256;
inline constexpr size_t kFilterNodesMax = 100'000;

/// One step into a JSON document: an object's key, or an array's position.
struct PathStep {
  std::string key;
  int64_t index = -1;  ///< -1: a key
  [[nodiscard]] bool is_key() const { return index < 0; }
  friend bool operator==(const PathStep&, const PathStep&) = default;
};

/// A place inside a JSON field (or the whole of it, without steps).
struct JsonPath {
  model::FieldId field;
  std::vector<PathStep> steps;
};

/// Parses `json["a"][0]`, `$meta["k"]`, or the bare name of a dynamic key, as output field lists
/// carry them. InvalidArgument(Filter) when the text is no path, or its field no JSON field of the
/// schema.
Result<JsonPath> ParseJsonPath(std::string_view text, const model::CollectionSchema& schema);

/// The JSON text of the value at `steps` inside `document`, without surrounding blanks; nothing
/// when it is missing.
std::optional<std::string_view> FindJson(std::string_view document,
                                         const std::vector<PathStep>& steps);

namespace filter {
class Node;
}

/// Immutable and thread-safe.
class Filter {
 public:
  ~Filter();
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  /// Linear in the length of text and templates. Blank text matches every row. Limits:
  /// kFilterBytesMax, kFilterDepthMax, kFilterNodesMax (constants inside lists are no nodes).
  /// Errors: InvalidArgument(Filter), with Milvus's wording and the position as "line 1:5";
  /// Unimplemented names the function that Kite does not have.
  static Result<std::shared_ptr<const Filter>> Parse(std::string_view text,
                                                     const model::CollectionSchema& schema,
                                                     const model::Templates& templates);

  /// Writes ceil(rows / 64) words: bit i = 1 when row i does NOT match (FALSE or NULL). The bits of
  /// the last word beyond the rows are 1. Errors: those of the context and of the source's columns.
  Status Evaluate(const Context& context, const segment::ColumnSource& source, uint64_t* out) const;

  /// The keys, in the order given, when the filter is exactly `pk in [...]` or `pk == constant`.
  [[nodiscard]] const std::optional<model::Column>& keys() const { return keys_; }
  /// Values of the partition key of which every row that matches has one; nothing when it may have any.
  [[nodiscard]] const std::optional<model::Column>& partition_values() const {
    return partition_values_;
  }
  /// The fields that it reads, without duplicates.
  [[nodiscard]] const std::vector<model::FieldId>& fields() const { return fields_; }

 private:
  Filter();

  std::unique_ptr<const filter::Node> root_;
  size_t node_count_ = 0;
  std::vector<model::FieldId> fields_;
  std::optional<model::Column> keys_;
  std::optional<model::Column> partition_values_;
};

}  // namespace kite::query
