// Ids, data types and scalar values: the vocabulary that every layer above the stores shares.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "base/strong_type.h"

namespace kite::model {

using DatabaseId = StrongType<struct DatabaseIdTag>;
using CollectionId = StrongType<struct CollectionIdTag>;
using PartitionId = StrongType<struct PartitionIdTag>;
using SegmentId = StrongType<struct SegmentIdTag>;
using IndexId = StrongType<struct IndexIdTag>;
using FieldId = StrongType<struct FieldIdTag>;

/// Texts by name: properties, type parameters, index parameters.
using Properties = std::map<std::string, std::string, std::less<>>;

/// Milvus's numbers (schema.proto DataType). Persisted: never renumber.
enum class DataType : uint8_t {
  kNone = 0,
  kBool = 1,
  kInt8 = 2,
  kInt16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kFloat = 10,
  kDouble = 11,
  kString = 20,
  kVarChar = 21,
  kArray = 22,
  kJson = 23,
  kGeometry = 24,
  kText = 25,
  kTimestamptz = 26,
  kBinaryVector = 100,
  kFloatVector = 101,
  kFloat16Vector = 102,
  kBFloat16Vector = 103,
  kSparseFloatVector = 104,
  kInt8Vector = 105,
  kArrayOfVector = 106,
  kArrayOfStruct = 200,
  kStruct = 201,
};

/// Milvus's name in messages: "Int64", "VarChar", "FloatVector".
[[nodiscard]] std::string_view DataTypeName(DataType type);
[[nodiscard]] constexpr bool IsVector(DataType type) {
  return type >= DataType::kBinaryVector && type <= DataType::kInt8Vector;
}
[[nodiscard]] constexpr bool IsInteger(DataType type) {
  return type >= DataType::kInt8 && type <= DataType::kInt64;
}
[[nodiscard]] constexpr bool IsNumber(DataType type) {
  return IsInteger(type) || type == DataType::kFloat || type == DataType::kDouble;
}
/// Stored as offsets + bytes; everything else has a fixed width.
[[nodiscard]] constexpr bool IsVariableWidth(DataType type) {
  return type == DataType::kVarChar || type == DataType::kArray || type == DataType::kJson ||
         type == DataType::kSparseFloatVector;
}
/// Bytes of one value of a fixed-width type: bool 1, int8 1, int16 2, int32 4, int64 8, float 4, double 8, dense
/// vectors by dim. 0 for variable width.
[[nodiscard]] size_t FixedWidth(DataType type, uint32_t dim);

/// One scalar: null, bool, integers, floating point, text (VARCHAR or the text of JSON).
using Value = std::variant<std::monostate, bool, int64_t, double, std::string>;

/// Field ids that every collection has; user fields begin at kFirstUserFieldId in declaration order.
inline constexpr FieldId kRowIdField{0};
inline constexpr FieldId kTimestampField{1};
inline constexpr int64_t kFirstUserFieldId = 100;

inline constexpr std::string_view kDynamicFieldName = "$meta";
inline constexpr std::string_view kDefaultPartitionName = "_default";
inline constexpr std::string_view kDefaultDatabaseName = "default";
inline constexpr DatabaseId kDefaultDatabaseId{1};

/// Milvus's numbers (common.proto ConsistencyLevel).
enum class ConsistencyLevel : uint8_t { kStrong = 0, kSession = 1, kBounded = 2, kEventually = 3, kCustomized = 4 };

}  // namespace kite::model
