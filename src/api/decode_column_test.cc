#include "api/decode_column.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "api/encode_column.h"
#include "base/half.h"

namespace kite::api {
namespace {

using model::DataType;

pb_schema::FieldData Field(pb_schema::DataType type, std::vector<bool> valid = {}) {
  pb_schema::FieldData data;
  data.set_type(type);
  data.set_field_name("f");
  for (const bool bit : valid) data.add_valid_data(bit);
  return data;
}

pb_schema::FieldData Longs(std::vector<int64_t> values, std::vector<bool> valid = {}) {
  pb_schema::FieldData data = Field(pb_schema::Int64, std::move(valid));
  data.mutable_scalars()->mutable_long_data()->mutable_data()->Add(values.begin(), values.end());
  return data;
}

pb_schema::FieldData Floats(int64_t dim, std::vector<float> values, std::vector<bool> valid = {},
                            pb_schema::DataType type = pb_schema::FloatVector) {
  pb_schema::FieldData data = Field(type, std::move(valid));
  data.mutable_vectors()->set_dim(dim);
  data.mutable_vectors()->mutable_float_vector()->mutable_data()->Add(values.begin(), values.end());
  return data;
}

template <typename T>
std::vector<T> ValuesOf(const model::Column& column) {
  std::vector<T> values(column.data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), column.data.view().data(), column.data.size());
  return values;
}

std::string Failure(const pb_schema::FieldData& data, uint64_t rows) {
  const auto result = DecodeColumn(data, rows, nullptr);
  return result.ok() ? "decoded" : result.status().message();
}

TEST(DecodeColumn, BorrowsWhatIsAlreadyInShape) {
  const pb_schema::FieldData longs = Longs({1, 2, 3});
  const auto column = DecodeColumn(longs, 3, nullptr);
  ASSERT_TRUE(column.ok()) << column.status();
  EXPECT_EQ(column->column.data.view().data(),
            reinterpret_cast<const char*>(longs.scalars().long_data().data().data()));
  const pb_schema::FieldData floats = Floats(2, {1, 2, 3, 4});
  const auto vectors = DecodeColumn(floats, 2, nullptr);
  ASSERT_TRUE(vectors.ok());
  EXPECT_EQ(vectors->column.dim, 2U);
  EXPECT_EQ(vectors->column.data.view().data(),
            reinterpret_cast<const char*>(floats.vectors().float_vector().data().data()));
}

TEST(DecodeColumn, NullScalarsGetAZeroSlotInBothEncodings) {
  for (const auto& data : {Longs({7, 9}, {true, false, true}), Longs({7, 8, 9}, {true, false, true})}) {
    const auto column = DecodeColumn(data, 3, nullptr);
    ASSERT_TRUE(column.ok()) << column.status();
    EXPECT_EQ(ValuesOf<int64_t>(column->column), (std::vector<int64_t>{7, 0, 9}));
    EXPECT_FALSE(column->column.IsValid(1));
  }
  const auto all = DecodeColumn(Longs({7, 9}, {true, true}), 2, nullptr);
  EXPECT_TRUE(all->column.valid.empty());
}

TEST(DecodeColumn, NullVectorsHaveNoSlotInBothEncodings) {
  for (const auto& data : {Floats(1, {7, 9}, {true, false, true}), Floats(1, {7, 8, 9}, {true, false, true})}) {
    const auto column = DecodeColumn(data, 3, nullptr);
    ASSERT_TRUE(column.ok()) << column.status();
    EXPECT_EQ(ValuesOf<float>(column->column), (std::vector<float>{7, 9}));
  }
}

TEST(DecodeColumn, AllNullNeedsNoData) {
  EXPECT_TRUE(DecodeColumn(Field(pb_schema::Int64, {false, false}), 2, nullptr).ok());
  EXPECT_TRUE(DecodeColumn(Field(pb_schema::VarChar, {false, false}), 2, nullptr).ok());
  EXPECT_TRUE(DecodeColumn(Field(pb_schema::FloatVector, {false, false}), 2, nullptr).ok());
  EXPECT_TRUE(DecodeColumn(Field(pb_schema::SparseFloatVector, {false, false}), 2, nullptr).ok());
}

TEST(DecodeColumn, LengthsMustAgree) {
  EXPECT_EQ(Failure(Longs({1, 2}), 1),
            "field 'f': it has 2 values, but num_rows is 1: invalid parameter");
  EXPECT_EQ(Failure(Longs({1}), 2),
            "field 'f': it has 1 values, but num_rows is 2; only a nullable field may leave rows without a value: "
            "invalid parameter");
  EXPECT_NE(Failure(Longs({1}, {true, false, false}), 2).find("valid_data has 3 entries, but num_rows is 2"),
            std::string::npos);
  EXPECT_NE(Failure(Longs({1, 2}, {true, false, false}), 3).find("1 of 3 rows"), std::string::npos);
  EXPECT_NE(Failure(Longs({}), 4'000'000'000).find("it has 0 values"), std::string::npos);
  EXPECT_NE(Failure(Floats(8, {1, 2, 3, 4}), 1).find("the length(4) of float data should divide the dim(8)"),
            std::string::npos);
  EXPECT_NE(Failure(Floats(0, {1}), 1).find("invalid dimension: 0"), std::string::npos);
  EXPECT_NE(Failure(Floats(-1, {1}), 1).find("invalid dimension: -1"), std::string::npos);
  EXPECT_NE(Failure(Floats(INT64_MAX, {1}), 1).find("invalid dimension"), std::string::npos);
  EXPECT_NE(Failure(Floats(1, {1, 2}), 1).find("it has 2 values"), std::string::npos);
}

TEST(DecodeColumn, DataOfAnotherKindIsRefused) {
  pb_schema::FieldData text_as_long = Field(pb_schema::Int64);
  text_as_long.mutable_scalars()->mutable_string_data()->add_data("x");
  EXPECT_EQ(Failure(text_as_long, 1),
            "field 'f': it is declared as Int64, but carries data of another kind: invalid parameter");
  pb_schema::FieldData vector_as_long = Floats(1, {1});
  vector_as_long.set_type(pb_schema::Int64);
  EXPECT_NE(Failure(vector_as_long, 1), "decoded");
  pb_schema::FieldData long_as_vector = Longs({1});
  long_as_vector.set_type(pb_schema::FloatVector);
  EXPECT_NE(Failure(long_as_vector, 1), "decoded");
  EXPECT_NE(Failure(Floats(8, {1}, {}, pb_schema::BinaryVector), 1), "decoded");
  pb_schema::FieldData unknown = Longs({1});
  unknown.set_type(static_cast<pb_schema::DataType>(12345));
  EXPECT_NE(Failure(unknown, 1).find("data type 12345 does not exist"), std::string::npos);
  EXPECT_NE(Failure(Field(pb_schema::Geometry), 1).find("Geometry is not supported"), std::string::npos);
}

TEST(DecodeColumn, SmallIntegersMustFit) {
  pb_schema::FieldData data = Field(pb_schema::Int8);
  data.mutable_scalars()->mutable_int_data()->add_data(-128);
  const auto column = DecodeColumn(data, 1, nullptr);
  EXPECT_EQ(ValuesOf<int8_t>(column->column), std::vector<int8_t>{-128});
  data.mutable_scalars()->mutable_int_data()->set_data(0, 128);
  EXPECT_NE(Failure(data, 1).find("the value 128 does not fit into Int8"), std::string::npos);
}

TEST(DecodeColumn, TextsWithNulls) {
  pb_schema::FieldData data = Field(pb_schema::VarChar, {false, true, false, true, false});
  data.mutable_scalars()->mutable_string_data()->add_data("a");
  data.mutable_scalars()->mutable_string_data()->add_data("bcd");
  const auto column = DecodeColumn(data, 5, nullptr);
  ASSERT_TRUE(column.ok());
  const char* expected[] = {"", "a", "", "bcd", ""};
  for (size_t row = 0; row < 5; ++row) EXPECT_EQ(column->column.Bytes(row), expected[row]);
}

TEST(DecodeColumn, ArraysHaveTheSchemasElementTypeWhereTheValuesFit) {
  pb_schema::FieldData data = Field(pb_schema::Array);
  auto* arrays = data.mutable_scalars()->mutable_array_data();
  arrays->add_data();  // an empty row says nothing
  EXPECT_EQ(DecodeColumn(data, 1, nullptr, DataType::kVarChar)->column.element_type, DataType::kVarChar);
  arrays->add_data()->mutable_int_data()->add_data(300);
  auto column = DecodeColumn(data, 2, nullptr);
  ASSERT_TRUE(column.ok()) << column.status();
  EXPECT_EQ(column->column.element_type, DataType::kInt32);
  EXPECT_EQ(column->column.Bytes(0), "");
  EXPECT_EQ(column->column.Bytes(1).size(), 4U);
  column = DecodeColumn(data, 2, nullptr, DataType::kInt16);
  EXPECT_EQ(column->column.element_type, DataType::kInt16);
  EXPECT_EQ(column->column.Bytes(1).size(), 2U);
  EXPECT_EQ(DecodeColumn(data, 2, nullptr, DataType::kVarChar)->column.element_type, DataType::kInt32);
  EXPECT_NE(DecodeColumn(data, 2, nullptr, DataType::kInt8).status().message().find("300 does not fit into Int8"),
            std::string::npos);
  arrays->mutable_data(0)->mutable_string_data()->add_data("x");
  EXPECT_NE(Failure(data, 2).find("row 1 has elements of type Int32, rows before it of type VarChar"),
            std::string::npos);
}

TEST(DecodeColumn, HalfPrecisionFieldsTakeFloats) {
  const auto halves = DecodeColumn(Floats(2, {1.0F, -2.5F}, {}, pb_schema::Float16Vector), 1, nullptr);
  ASSERT_TRUE(halves.ok()) << halves.status();
  EXPECT_EQ(ValuesOf<uint16_t>(halves->column), (std::vector<uint16_t>{0x3C00, 0xC100}));
  const auto brains = DecodeColumn(Floats(2, {1.0F, -2.5F}, {}, pb_schema::BFloat16Vector), 1, nullptr);
  EXPECT_EQ(ValuesOf<uint16_t>(brains->column), (std::vector<uint16_t>{0x3F80, 0xC020}));
}

TEST(Half, RoundsToNearestEvenOverTheWholeRange) {
  static_assert(FloatToHalf(65504.0F) == 0x7BFF);
  EXPECT_EQ(FloatToHalf(65520.0F), 0x7C00);
  EXPECT_EQ(FloatToHalf(5.9604645e-8F), 0x0001);  // the smallest subnormal
  EXPECT_EQ(FloatToHalf(2.9802322e-8F), 0x0000);  // half of it: ties to even
  EXPECT_EQ(FloatToHalf(6.1035156e-5F), 0x0400);  // the smallest normal
  EXPECT_EQ(FloatToHalf(-0.0F), 0x8000);
  EXPECT_EQ(FloatToHalf(std::nanf("")) & 0x7E00, 0x7E00);
  EXPECT_EQ(FloatToBFloat16(std::nanf("")) & 0x7FC0, 0x7FC0);
}

model::FieldSchema SchemaOf(const model::Column& column) {
  return {.id = model::FieldId{100},
          .name = "f",
          .type = column.type,
          .element_type = column.element_type,
          .dim = 2,
          .nullable = !column.valid.empty()};
}

TEST(EncodeColumn, GivesBackWhatWasDecoded) {
  pb_schema::FieldData texts = Field(pb_schema::Array);
  texts.mutable_scalars()->mutable_array_data()->add_data()->mutable_string_data()->add_data("xy");
  texts.mutable_scalars()->mutable_array_data()->add_data()->mutable_string_data();
  texts.mutable_scalars()->mutable_array_data()->set_element_type(pb_schema::VarChar);
  pb_schema::FieldData sparse = Field(pb_schema::SparseFloatVector, {true, false});
  sparse.mutable_vectors()->mutable_sparse_float_vector()->add_contents(std::string("\x05\0\0\0\0\0\x80\x3f", 8));
  sparse.mutable_vectors()->mutable_sparse_float_vector()->set_dim(6);
  sparse.mutable_vectors()->set_dim(6);
  for (pb_schema::FieldData data :
       {Longs({1, 2}), Longs({1, 0}, {true, false}), Floats(2, {1, 2, 3, 4}), Floats(2, {1, 2}, {true, false}), texts,
        sparse}) {
    const auto decoded = DecodeColumn(data, 2, nullptr, DataType::kVarChar);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    pb_schema::FieldData encoded;
    EncodeFieldData(decoded->column, SchemaOf(decoded->column), &encoded);
    data.set_field_id(100);
    EXPECT_EQ(encoded.DebugString(), data.DebugString());
  }
}

TEST(EncodeColumn, EmptyColumnsStillTellTheirKind) {
  model::Column column{.type = DataType::kFloatVector};
  pb_schema::FieldData encoded;
  EncodeFieldData(column, {.name = "f", .type = DataType::kFloatVector, .dim = 8}, &encoded);
  EXPECT_EQ(encoded.vectors().dim(), 8);
  EXPECT_TRUE(encoded.vectors().has_float_vector());
  column.type = DataType::kBool;
  encoded.Clear();
  EncodeFieldData(column, {.name = "f", .type = DataType::kBool}, &encoded);
  EXPECT_TRUE(encoded.scalars().has_bool_data());
  pb_schema::IDs ids;
  EncodeKeys({}, DataType::kVarChar, &ids);
  EXPECT_TRUE(ids.has_str_id());
}

}  // namespace
}  // namespace kite::api
