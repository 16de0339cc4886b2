// Rows of every data type for tests: what a row holds follows from its number alone.
#pragma once

#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "kite/engine/types.h"
#include "model/column.h"
#include "segment/segment.h"
#include "segment/segment_meta.h"
#include "store/object_store.h"

namespace kite::segment::testing {

using SchemaPtr = std::shared_ptr<const model::CollectionSchema>;

inline constexpr model::FieldId kKey{100};
inline constexpr model::FieldId kInt16{103};
inline constexpr model::FieldId kInt64{105};
inline constexpr model::FieldId kFloat{106};
inline constexpr model::FieldId kText{108};
inline constexpr model::FieldId kJson{109};
inline constexpr model::FieldId kVector{120};
inline constexpr model::FieldId kNullableVector{121};
inline constexpr model::FieldId kSparse{127};
inline constexpr model::FieldId kNullableSparse{128};
inline constexpr model::FieldId kNewSparse{143};  ///< of WithNewFields()
inline constexpr uint32_t kDim = 8;

/// Scalars and arrays of every type, eight vector fields, `$meta`; every second field is nullable.
SchemaPtr EverySchema(model::DataType key_type = model::DataType::kInt64);
/// A key, an INT64 and one float vector.
SchemaPtr SmallSchema(uint32_t dim = kDim);
/// `schema` and two scalar fields and two vector fields that older segments lack.
SchemaPtr WithNewFields(const SchemaPtr& schema);

/// The values of a field for rows of the given numbers.
model::Column MakeColumn(const model::FieldSchema& field, std::span<const uint64_t> numbers);
/// Rows with numbers first, first + 1, ...
model::RowBatch MakeRows(const model::CollectionSchema& schema, uint64_t first, size_t count);
model::Column MakeKeys(const model::CollectionSchema& schema, std::span<const uint64_t> numbers);

template <typename T = uint64_t>
std::vector<T> Range(T first, size_t count) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

inline model::Timestamp At(uint64_t t) { return model::Timestamp(t); }

/// EXPECTs that two columns hold the same values (how nulls are noted may differ).
void ExpectSameValues(const model::Column& a, const model::Column& b);

/// EXPECTs that rows `rows` of `segment` are the rows with these numbers, in every field of
/// `schema`.
void ExpectRows(const Segment& segment, const model::CollectionSchema& schema,
                std::span<const engine::Row> rows, std::span<const uint64_t> numbers);

/// The rows that a read at `t` sees.
std::vector<engine::Row> VisibleRows(const Segment& segment, model::Timestamp t);

/// The k nearest rows to the vector of row number `number`, by L2, with the visibility at `t`.
std::vector<engine::Row> SearchRows(const Segment& segment, const model::CollectionSchema& schema,
                                    model::FieldId field, uint64_t number, size_t k,
                                    model::Timestamp t);

std::shared_ptr<store::ObjectStore> MemoryObjects();

/// Writes rows `rows` of `segment` as sealed segment 9 of collection 1.
SegmentMeta Seal(const std::shared_ptr<store::ObjectStore>& objects, const SchemaPtr& schema,
                 const Segment& segment, std::span<const engine::Row> rows);
SegmentMeta SealAll(const std::shared_ptr<store::ObjectStore>& objects, const SchemaPtr& schema,
                    const Segment& segment);

}  // namespace kite::segment::testing
