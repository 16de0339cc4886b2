#include "roles/proxy/vectors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kite/engine/index.h"
#include "kite/engine/kernels.h"

namespace kite::roles {

using model::DataType;

namespace {

/// The bytes as aligned values.
template <typename T>
std::vector<T> ValuesOf(std::string_view bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

/// NaN and infinity have all exponent bits set.
bool IsFiniteHalf(std::string_view bytes, uint16_t exponent) {
  const std::vector<uint16_t> halves = ValuesOf<uint16_t>(bytes);
  return std::ranges::none_of(halves,
                              [exponent](uint16_t bits) { return (bits & exponent) == exponent; });
}

}  // namespace

bool IsFiniteVector(DataType type, std::string_view bytes) {
  constexpr uint16_t kHalfExponent = 0x7C00;
  constexpr uint16_t kBFloatExponent = 0x7F80;
  if (type == DataType::kFloat16Vector) return IsFiniteHalf(bytes, kHalfExponent);
  if (type == DataType::kBFloat16Vector) return IsFiniteHalf(bytes, kBFloatExponent);
  if (type != DataType::kFloatVector) return true;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(float) == 0) {
    return engine::AllFinite(reinterpret_cast<const float*>(bytes.data()),
                             bytes.size() / sizeof(float));
  }
  const std::vector<float> floats = ValuesOf<float>(bytes);
  return engine::AllFinite(floats.data(), floats.size());
}

Status CheckSparseBytes(std::string_view bytes) {
  if (bytes.size() % sizeof(engine::SparseEntry) != 0) {
    return Status::InvalidArgument(
        "invalid data length in sparse float vector: " + std::to_string(bytes.size()) +
        " bytes are no pairs of index and value");
  }
  const std::vector<engine::SparseEntry> entries = ValuesOf<engine::SparseEntry>(bytes);
  return engine::CheckSparseVector(entries);
}

}  // namespace kite::roles
