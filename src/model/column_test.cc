#include "model/column.h"

#include <gtest/gtest.h>

#include <random>

namespace kite::model {
namespace {

constexpr FieldId kField{100};

std::string StringElements(std::initializer_list<std::string_view> elements) {
  std::string bytes;
  for (const std::string_view element : elements) {
    PutFixed(bytes, static_cast<uint32_t>(element.size()));
    bytes.append(element);
  }
  return bytes;
}

std::string Pack(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
}

Column Scalars(DataType type, const std::vector<Value>& values) {
  ColumnBuilder builder(kField, type, DataType::kNone, 0, true);
  for (const Value& value : values) builder.AppendValue(value);
  return builder.Finish();
}

Column Strings(DataType type, DataType element_type,
               const std::vector<std::optional<std::string>>& values) {
  ColumnBuilder builder(kField, type, element_type, 0, true);
  for (const auto& value : values) value ? builder.AppendBytes(*value) : builder.AppendNull();
  return builder.Finish();
}

struct Encoded {
  std::string header;
  std::string body;
};

Encoded Encode(std::span<const Column> columns) {
  Encoded encoded;
  std::vector<std::string_view> pieces;
  for (const Column& column : columns) EncodeColumn(column, encoded.header, pieces);
  for (const std::string_view piece : pieces) encoded.body.append(piece);
  return encoded;
}

Result<RowBatch> Decode(const Encoded& encoded, size_t count) {
  auto owner = std::make_shared<const std::string>(encoded.body);
  BinaryReader header(encoded.header);
  BinaryReader body(*owner);
  Result<RowBatch> batch = DecodeColumns(header, body, count, owner);
  if (batch.ok()) {
    EXPECT_EQ(header.remaining(), 0U);
    EXPECT_EQ(body.remaining(), 0U);
  }
  return batch;
}

void ExpectSame(const Column& a, const Column& b) {
  EXPECT_EQ(a.field, b.field);
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.element_type, b.element_type);
  EXPECT_EQ(a.dim, b.dim);
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.valid.view(), b.valid.view());
  EXPECT_EQ(a.offsets.view(), b.offsets.view());
  EXPECT_EQ(a.data.view(), b.data.view());
}

std::vector<Column> OneOfEach() {
  std::vector<Column> columns;
  columns.push_back(Scalars(DataType::kBool, {true, {}, false}));
  columns.push_back(Scalars(DataType::kInt8, {int64_t{-8}, int64_t{7}, {}}));
  columns.push_back(Scalars(DataType::kInt16, {int64_t{-300}, int64_t{300}, int64_t{0}}));
  columns.push_back(Scalars(DataType::kInt32, {int64_t{1} << 30, {}, {}}));
  columns.push_back(Scalars(DataType::kInt64, {int64_t{1} << 60, int64_t{-1}, int64_t{5}}));
  columns.push_back(Scalars(DataType::kTimestamptz, {int64_t{1}, {}, int64_t{3}}));
  columns.push_back(Scalars(DataType::kFloat, {1.5, {}, -2.0}));
  columns.push_back(Scalars(DataType::kDouble, {1e300, -0.25, {}}));
  columns.push_back(Scalars(DataType::kVarChar,
                            {std::string("a"), {}, std::string("long enough to be on the heap")}));
  columns.push_back(Scalars(DataType::kJson, {std::string("{\"a\":1}"), std::string("null"), {}}));
  columns.push_back(Strings(DataType::kArray, DataType::kVarChar,
                            {StringElements({"x", "", "yz"}), "", std::nullopt}));
  columns.push_back(
      Strings(DataType::kArray, DataType::kFloat, {Pack({1, 2, 3}), std::nullopt, Pack({4})}));
  columns.push_back(Strings(DataType::kSparseFloatVector, DataType::kNone,
                            {std::string(8, '\1'), std::nullopt, ""}));
  for (const auto& [type, dim] : {std::pair{DataType::kFloatVector, 2U},
                                  {DataType::kFloat16Vector, 3U},
                                  {DataType::kBFloat16Vector, 5U},
                                  {DataType::kInt8Vector, 3U},
                                  {DataType::kBinaryVector, 24U}}) {
    ColumnBuilder builder(kField, type, DataType::kNone, dim, true);
    builder.AppendBytes(std::string(FixedWidth(type, dim), 'v'));
    builder.AppendNull();
    builder.AppendBytes(std::string(FixedWidth(type, dim), 'w'));
    columns.push_back(builder.Finish());
  }
  return columns;
}

TEST(ColumnTest, ValuesRoundTripThroughTheBuilder) {
  const Column ints = Scalars(DataType::kInt16, {int64_t{-3}, {}, true});
  EXPECT_EQ(ints.At(0), Value(int64_t{-3}));
  EXPECT_EQ(ints.At(1), Value());
  EXPECT_EQ(ints.At(2), Value(int64_t{1}));
  EXPECT_EQ(ints.Values<int16_t>()[1], 0) << "null scalars have a zero slot";
  const Column texts = Scalars(DataType::kVarChar, {std::string("b"), {}});
  EXPECT_EQ(texts.At(0), Value(std::string("b")));
  EXPECT_EQ(texts.At(1), Value());
  const Column floats = Scalars(DataType::kFloat, {0.5, int64_t{2}});
  EXPECT_EQ(floats.At(0), Value(0.5));
  EXPECT_EQ(floats.At(1), Value(2.0));
  EXPECT_EQ(Scalars(DataType::kBool, {true, false}).At(0), Value(true));
  EXPECT_TRUE(ints.IsValid(0));
  EXPECT_TRUE(floats.valid.empty()) << "no nulls, no bitmap";
}

TEST(ColumnTest, NullVectorsTakeNoBytes) {
  ColumnBuilder builder(kField, DataType::kFloatVector, DataType::kNone, 2, true);
  builder.AppendNull();
  builder.AppendBytes(Pack({1, 2}));
  builder.AppendNull();
  builder.AppendBytes(Pack({3, 4}));
  const Column column = builder.Finish();
  EXPECT_EQ(column.rows, 4U);
  EXPECT_EQ(column.data.view(), Pack({1, 2, 3, 4}));

  builder.AppendFrom(column, 3, 1);
  builder.AppendFrom(column, 0, 0);
  const Column copy = builder.Finish();
  EXPECT_EQ(copy.rows, 2U);
  EXPECT_EQ(copy.data.view(), Pack({3, 4}));
  EXPECT_FALSE(copy.IsValid(1));
}

TEST(ColumnTest, BuilderCopiesRowsOfEveryType) {
  for (const Column& column : OneOfEach()) {
    ColumnBuilder builder(column.field, column.type, column.element_type, column.dim, true);
    builder.Reserve(column.rows);
    size_t vector_index = 0;
    for (size_t row = 0; row < column.rows; ++row) {
      builder.AppendFrom(column, row, vector_index);
      vector_index += column.IsValid(row) ? 1 : 0;
    }
    ExpectSame(builder.Finish(), column);
    EXPECT_EQ(builder.rows(), 0U);
  }
}

TEST(ColumnTest, EncodingRoundTripsAndAligns) {
  const std::vector<Column> columns = OneOfEach();
  const Encoded encoded = Encode(columns);
  EXPECT_EQ(encoded.body.size() % 8, 0U);
  const auto batch = Decode(encoded, columns.size());
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->rows, 3U);
  ASSERT_EQ(batch->columns.size(), columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    ExpectSame(batch->columns[i], columns[i]);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(batch->columns[i].data.view().data()) % 8, 0U);
  }
  EXPECT_EQ(batch->Find(FieldId{100}), &batch->columns.front());
  EXPECT_EQ(batch->Find(FieldId{101}), nullptr);
}

TEST(ColumnTest, AlignedBodiesAreBorrowedAndOthersCopied) {
  const Encoded encoded = Encode(std::vector{Scalars(DataType::kInt64, {int64_t{1}, int64_t{2}})});
  for (const size_t shift : {0, 1}) {
    auto owner = std::make_shared<const std::string>(std::string(shift, '-') + encoded.body +
                                                     std::string(32, '-'));
    BinaryReader header(encoded.header);
    BinaryReader body(std::string_view(*owner).substr(shift));
    const auto batch = DecodeColumns(header, body, 1, owner);
    ASSERT_TRUE(batch.ok());
    const Column& column = batch->columns[0];
    EXPECT_EQ(column.Values<int64_t>()[1], 2);
    EXPECT_EQ(column.data.view().data() == owner->data() + shift, shift == 0);
  }
}

TEST(ColumnTest, NoRowsAndNoColumns) {
  const auto nothing = Decode({}, 0);
  ASSERT_TRUE(nothing.ok());
  EXPECT_EQ(nothing->rows, 0U);
  const std::vector<Column> columns = {Scalars(DataType::kInt64, {}),
                                       Strings(DataType::kJson, DataType::kNone, {})};
  const auto batch = Decode(Encode(columns), 2);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->rows, 0U);
}

TEST(ColumnTest, EveryTruncationIsCorruption) {
  const std::vector<Column> columns = OneOfEach();
  const Encoded encoded = Encode(columns);
  for (size_t size = 0; size < encoded.header.size(); ++size) {
    const auto batch = Decode({encoded.header.substr(0, size), encoded.body}, columns.size());
    EXPECT_TRUE(batch.status().Is(StatusKind::kCorruption)) << size;
  }
  for (size_t size = 0; size < encoded.body.size(); ++size) {
    const auto batch = Decode({encoded.header, encoded.body.substr(0, size)}, columns.size());
    EXPECT_TRUE(batch.status().Is(StatusKind::kCorruption)) << size;
  }
}

TEST(ColumnTest, ChangedBytesNeverCrash) {
  const std::vector<Column> columns = OneOfEach();
  const Encoded encoded = Encode(columns);
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    Encoded damaged = encoded;
    std::string& target = round % 2 == 0 ? damaged.header : damaged.body;
    target[random() % target.size()] = static_cast<char>(random());
    auto owner = std::make_shared<const std::string>(damaged.body);
    BinaryReader header(damaged.header);
    BinaryReader body(*owner);
    const auto batch = DecodeColumns(header, body, columns.size(), owner);
    if (!batch.ok()) continue;
    for (const Column& column : batch->columns) {
      for (size_t row = 0; row < column.rows && IsVariableWidth(column.type); ++row)
        (void)column.Bytes(row);
    }
  }
}

void ExpectCorrupt(Column column, const char* why) {
  EXPECT_TRUE(
      Decode(Encode(std::vector{std::move(column)}), 1).status().Is(StatusKind::kCorruption))
      << why;
}

TEST(ColumnTest, MalformedColumnsAreCorruption) {
  Column texts = Scalars(DataType::kVarChar, {std::string("ab"), std::string("cd")});
  Column changed = texts;
  changed.offsets = Buffer::OwnVector<uint64_t>({0, 3, 2});
  ExpectCorrupt(changed, "falling offsets");
  changed.offsets = Buffer::OwnVector<uint64_t>({0, 2, 5});
  ExpectCorrupt(changed, "offsets beyond the data");
  changed.offsets = Buffer::OwnVector<uint64_t>({1, 2, 4});
  ExpectCorrupt(changed, "offsets that do not begin at 0");
  changed.offsets = Buffer::OwnVector<uint64_t>({0, 4});
  ExpectCorrupt(changed, "too few offsets");
  changed = texts;
  changed.valid = Buffer::Own(std::string("\1\0", 2));
  ExpectCorrupt(changed, "a null with bytes");
  changed.valid = Buffer::Own("\1");
  ExpectCorrupt(changed, "too few validity bytes");
  changed.valid = Buffer::Own("\1\2");
  ExpectCorrupt(changed, "a validity byte that is neither 0 nor 1");
  changed = texts;
  changed.rows = uint64_t{1} << 31;
  ExpectCorrupt(changed, "more rows than bytes");
  changed = texts;
  changed.type = DataType::kInt64;
  ExpectCorrupt(changed, "a fixed-width column with offsets");
  for (const auto type : {0, 9, 20, 24, 25, 99, 106, 200, 255}) {
    changed = texts;
    changed.type = static_cast<DataType>(type);
    ExpectCorrupt(changed, "an unknown or unstorable type");
  }
  changed = texts;
  changed.element_type = DataType::kInt8;
  ExpectCorrupt(changed, "an element type without an array");
  ExpectCorrupt(Strings(DataType::kArray, DataType::kVarChar, {"\5\0\0\0abc"}),
                "an element beyond its array");
  ExpectCorrupt(Strings(DataType::kArray, DataType::kInt32, {"abc"}), "half an element");
  ExpectCorrupt(Strings(DataType::kArray, DataType::kJson, {"abc"}), "an unstorable element type");
  changed = Scalars(DataType::kBool, {true});
  changed.data = Buffer::Own("\2");
  ExpectCorrupt(changed, "a bool that is neither 0 nor 1");
  changed = Scalars(DataType::kInt64, {int64_t{1}});
  changed.dim = 4;
  ExpectCorrupt(changed, "a scalar with a dimension");
  changed = Scalars(DataType::kInt8, {int64_t{1}});
  changed.type = DataType::kFloatVector;
  ExpectCorrupt(changed, "a vector without a dimension");
}

TEST(ColumnTest, ColumnsOfUnequalLengthAreCorruption) {
  const std::vector<Column> columns = {Scalars(DataType::kInt8, {int64_t{1}}),
                                       Scalars(DataType::kInt8, {int64_t{1}, int64_t{2}})};
  EXPECT_TRUE(Decode(Encode(columns), 2).status().Is(StatusKind::kCorruption));
  EXPECT_TRUE(Decode(Encode(columns), size_t{1} << 40).status().Is(StatusKind::kCorruption));
}

TEST(ColumnTest, StringElements) {
  const std::string bytes = StringElements({"x", "", "yz"});
  std::string_view rest = bytes;
  std::string_view element;
  std::vector<std::string> elements;
  while (NextStringElement(rest, element)) elements.emplace_back(element);
  EXPECT_EQ(elements, (std::vector<std::string>{"x", "", "yz"}));
  EXPECT_TRUE(rest.empty());
  rest = std::string_view(bytes).substr(0, 4);
  EXPECT_FALSE(NextStringElement(rest, element));
}

}  // namespace
}  // namespace kite::model
