#include "roles/proxy/vectors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace kite::roles {
namespace {

using model::DataType;

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TEST(VectorsTest, NanAndInfinityAreFoundInEveryType) {
  EXPECT_TRUE(IsFiniteVector(DataType::kFloatVector, Bytes<float>({1, -2, 0})));
  EXPECT_FALSE(IsFiniteVector(DataType::kFloatVector, Bytes<float>({1, NAN})));
  EXPECT_FALSE(IsFiniteVector(DataType::kFloatVector, "x" + Bytes<float>({1, INFINITY}).substr(1)));
  EXPECT_TRUE(IsFiniteVector(DataType::kFloat16Vector, Bytes<uint16_t>({0x7BFF, 0xFBFF, 0})));
  EXPECT_FALSE(IsFiniteVector(DataType::kFloat16Vector, Bytes<uint16_t>({0, 0x7C00})));
  EXPECT_FALSE(IsFiniteVector(DataType::kFloat16Vector, Bytes<uint16_t>({0xFE01})));
  EXPECT_TRUE(IsFiniteVector(DataType::kBFloat16Vector, Bytes<uint16_t>({0x7C00, 0x7F7F})));
  EXPECT_FALSE(IsFiniteVector(DataType::kBFloat16Vector, Bytes<uint16_t>({0x7F80})));
  EXPECT_TRUE(IsFiniteVector(DataType::kInt8Vector, "\xFF\x80"));
  EXPECT_TRUE(IsFiniteVector(DataType::kBinaryVector, "\xFF\xFF"));
  // Not aligned.
  const std::string shifted = "x" + Bytes<float>({1, INFINITY});
  EXPECT_FALSE(IsFiniteVector(DataType::kFloatVector, std::string_view(shifted).substr(1)));
}

TEST(VectorsTest, SparseBytesAreChecked) {
  const auto bytes = [](uint32_t index, float value) {
    std::string pair(8, '\0');
    std::memcpy(pair.data(), &index, 4);
    std::memcpy(pair.data() + 4, &value, 4);
    return pair;
  };
  EXPECT_TRUE(CheckSparseBytes("").ok());
  EXPECT_TRUE(CheckSparseBytes(bytes(1, 0.5F) + bytes(7, 2)).ok());
  for (const std::string& bad : {std::string("1234567"), bytes(7, 1) + bytes(7, 1),
                                 bytes(UINT32_MAX, 1), bytes(1, NAN), bytes(1, -1)}) {
    EXPECT_TRUE(CheckSparseBytes(bad).Is(StatusKind::kInvalidArgument)) << bad.size();
  }
}

}  // namespace
}  // namespace kite::roles
