// The small parts that segments are made of: delete sets, key files, statistics, sorted indexes,
// vector files.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "segment/checksummed_file.h"
#include "segment/column_ops.h"
#include "segment/delete_set.h"
#include "segment/key_file.h"
#include "segment/sorted_index.h"
#include "segment/stats_file.h"
#include "segment/test_rows.h"
#include "segment/timestamp_file.h"
#include "segment/vector_file.h"

namespace kite::segment {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the test's own helpers
using model::ColumnBuilder;
using model::DataType;
using model::Value;

constexpr model::FieldId kField{100};

TEST(DeleteSetTest, AnswersForEveryTime) {
  DeleteSet deletes;
  EXPECT_EQ(deletes.At(At(100), 10).bits(), nullptr);
  EXPECT_TRUE(deletes.Add(3, At(10)));
  EXPECT_TRUE(deletes.Add(70, At(20)));
  EXPECT_FALSE(deletes.Add(3, At(30)));
  EXPECT_TRUE(deletes.Add(5, At(15))) << "carried over, older than the newest";
  EXPECT_EQ(deletes.size(), 3U);
  EXPECT_EQ(deletes.Entries()[1].row, 5U);
  EXPECT_TRUE(deletes.Contains(70));
  EXPECT_FALSE(deletes.Contains(71));
  EXPECT_FALSE(deletes.Contains(100000));
  EXPECT_EQ(deletes.At(At(9), 128).out_count, 0U);
  EXPECT_EQ(deletes.At(At(10), 128).out_count, 1U);
  EXPECT_EQ(deletes.At(At(15), 128).out_count, 2U);
  const Visibility newest = deletes.At(At(20), 128);
  EXPECT_EQ(newest.out_count, 3U);
  EXPECT_EQ(newest.bits()[0], (uint64_t{1} << 3) | (uint64_t{1} << 5));
  EXPECT_EQ(newest.bits()[1], uint64_t{1} << 6);
  EXPECT_EQ(deletes.At(At(99), 128).bits(), newest.bits()) << "cached";
  EXPECT_EQ(deletes.At(At(99), 64).out_count, 2U);
  EXPECT_EQ(deletes.At(At(99), 4).out_count, 1U);
  EXPECT_EQ(deletes.At(At(99), 3).bits(), nullptr);
  EXPECT_EQ(deletes.At(At(99), 0).bits(), nullptr);
  EXPECT_GT(deletes.memory_bytes(), 0U);
}

TEST(ColumnOpsTest, JoinCutAndGather) {
  ColumnBuilder builder(kField, DataType::kVarChar, DataType::kNone, 0, true);
  builder.AppendBytes("a");
  builder.AppendBytes("bb");
  const model::Column first = builder.Finish();
  builder.AppendNull();
  builder.AppendBytes("ccc");
  const model::Column second = builder.Finish();
  const model::Column* both[] = {&first, &second};
  const model::Column joined = ConcatColumns(both);
  ASSERT_EQ(joined.rows, 4U);
  EXPECT_EQ(joined.At(0), Value(std::string("a")));
  EXPECT_EQ(joined.At(2), Value());
  EXPECT_EQ(joined.At(3), Value(std::string("ccc")));
  const model::Column cut = FirstRows(joined, 2, nullptr);
  EXPECT_EQ(cut.rows, 2U);
  EXPECT_EQ(cut.At(1), Value(std::string("bb")));
  EXPECT_EQ(cut.data.size(), 3U);
  const model::Column gathered = GatherRows(joined, std::vector<engine::Row>{3, 2, 3});
  EXPECT_EQ(gathered.At(0), Value(std::string("ccc")));
  EXPECT_EQ(gathered.At(1), Value());
  EXPECT_EQ(gathered.At(2), Value(std::string("ccc")));
}

TEST(ChecksummedFileTest, FindsEveryFlippedByteAndEveryWrongSize) {
  const auto objects = MemoryObjects();
  std::string bytes((size_t{5} << 20) / 2, 'x');
  const auto writer = ChecksummedWriter::Open(Context(), *objects, "a/b");
  ASSERT_TRUE(writer.ok());
  for (size_t done = 0; done < bytes.size(); done += 70001) {
    ASSERT_TRUE((*writer)->Append(std::string_view(bytes).substr(done, 70001)).ok());
  }
  const auto file = (*writer)->Finish();
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size, bytes.size());
  ASSERT_EQ(file->block_crcs.size(), 3U);
  EXPECT_TRUE(VerifyFile(Context(), *objects, *file).ok());
  for (const size_t position : {size_t{0}, kChecksumBlockBytes, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[position] = 'y';
    ASSERT_TRUE(objects->Put(Context(), "a/b", damaged).ok());
    const Status status = VerifyFile(Context(), *objects, *file);
    EXPECT_TRUE(status.Is(StatusKind::kCorruption, StatusSubject::kSegment));
    EXPECT_NE(status.message().find("a/b: the checksum of block " +
                                    std::to_string(position / kChecksumBlockBytes)),
              std::string::npos)
        << status;
    EXPECT_EQ(VerifyBytes(damaged, *file), status);
  }
  ASSERT_TRUE(objects->Put(Context(), "a/b", bytes + "x").ok());
  EXPECT_TRUE(VerifyFile(Context(), *objects, *file).Is(StatusKind::kCorruption));
  EXPECT_TRUE(MapUnverified(Context(), *objects, *file).status().Is(StatusKind::kCorruption));
  ASSERT_TRUE(objects->Delete(Context(), {"a/b"}).ok());
  EXPECT_TRUE(VerifyFile(Context(), *objects, *file).Is(StatusKind::kNotFound));
}

TEST(KeyFileTest, TheFilterRefusesNearlyAllOtherKeys) {
  const auto objects = MemoryObjects();
  const SchemaPtr schema = SmallSchema();
  const auto file =
      WriteKeys(Context(), *objects, "k", MakeKeys(*schema, Range(uint64_t{0}, 20000)));
  ASSERT_TRUE(file.ok());
  const auto keys = KeyFile::Open(Context(), *objects, *file, 20000, DataType::kInt64);
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ((*keys)->Find(MakeKeys(*schema, Range(uint64_t{0}, 20000)))->size(), 20000U);
  EXPECT_TRUE((*keys)->Find(MakeKeys(*schema, Range(uint64_t{20000}, 20000)))->empty());
  EXPECT_TRUE(KeyFile::Open(Context(), *objects, *file, 19999, DataType::kInt64)
                  .status()
                  .Is(StatusKind::kCorruption));
  EXPECT_TRUE(KeyFile::Open(Context(), *objects, *file, 20000, DataType::kVarChar)
                  .status()
                  .Is(StatusKind::kCorruption));
}

FieldStats StatsOf(DataType type, const std::vector<Value>& values) {
  model::FieldSchema field;
  field.id = kField;
  field.type = type;
  ColumnBuilder builder(kField, type, DataType::kNone, 0, true);
  StatsBuilder stats(field);
  for (const Value& value : values) {
    builder.AppendValue(value);
    if (builder.rows() == 2) stats.Add(builder.Finish());
  }
  stats.Add(builder.Finish());
  return stats.Finish();
}

TEST(StatsTest, BoundsAndNulls) {
  EXPECT_EQ(StatsOf(DataType::kInt8, {int64_t{5}, {}, int64_t{-3}}).stats.min, Value(int64_t{-3}));
  EXPECT_EQ(StatsOf(DataType::kInt8, {int64_t{5}, {}, int64_t{-3}}).stats.max, Value(int64_t{5}));
  EXPECT_EQ(StatsOf(DataType::kInt8, {int64_t{5}, {}, int64_t{-3}}).stats.nulls, 1U);
  EXPECT_EQ(StatsOf(DataType::kBool, {true, true}).stats.min, Value(true));
  EXPECT_EQ(StatsOf(DataType::kFloat, {1.5, 0.5}).stats.min, Value(0.5));
  EXPECT_EQ(StatsOf(DataType::kDouble, {1.5, std::nan("")}).stats.max, Value())
      << "NaN has no place in an order";
  EXPECT_EQ(
      StatsOf(DataType::kVarChar, {std::string("b"), std::string("a"), std::string("c")}).stats.max,
      Value(std::string("c")));
  EXPECT_EQ(StatsOf(DataType::kVarChar, {std::string("b"), std::string(300, 'z')}).stats.min,
            Value());
  EXPECT_EQ(StatsOf(DataType::kInt64, {{}, {}}).stats.min, Value());
  EXPECT_EQ(StatsOf(DataType::kJson, {std::string("{}")}).stats.min, Value());

  const FieldStats fields[] = {StatsOf(DataType::kVarChar, {std::string("b"), {}}),
                               StatsOf(DataType::kDouble, {1.0, 2.0}),
                               StatsOf(DataType::kBool, {true})};
  const std::string file = EncodeStats(2, fields);
  const auto decoded = DecodeStats(file, 2, "s");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->size(), 3U);
  EXPECT_EQ((*decoded)[0].stats.min, Value(std::string("b")));
  EXPECT_EQ((*decoded)[0].stats.nulls, 1U);
  EXPECT_EQ((*decoded)[0].data_bytes, 1U);
  EXPECT_EQ((*decoded)[1].stats.max, Value(2.0));
  EXPECT_EQ((*decoded)[2].stats.max, Value(true));
  EXPECT_TRUE(DecodeStats(file, 3, "s").status().Is(StatusKind::kCorruption));
}

std::vector<size_t> Bits(const std::vector<uint64_t>& words) {
  std::vector<size_t> rows;
  for (size_t row = 0; row < words.size() * 64; ++row) {
    if ((words[row / 64] >> (row % 64) & 1) != 0) rows.push_back(row);
  }
  return rows;
}

class SortedIndexTest : public ::testing::Test {
 protected:
  void Build(DataType type, const std::vector<Value>& values) {
    ColumnBuilder builder(kField, type, DataType::kNone, 0, true);
    for (const Value& value : values) builder.AppendValue(value);
    index_ = *BuildSortedIndex(builder.Finish());
  }
  std::vector<size_t> Equal(const std::vector<Value>& any_of) {
    std::vector<uint64_t> bits(1);
    index_->Equals(any_of, bits.data());
    return Bits(bits);
  }
  std::vector<size_t> InRange(const Value& low, bool low_in, const Value& high, bool high_in) {
    std::vector<uint64_t> bits(1);
    EXPECT_TRUE(index_->InRange({low, low_in}, {high, high_in}, bits.data()));
    return Bits(bits);
  }
  std::shared_ptr<const ScalarIndex> index_;
  using R = std::vector<size_t>;
};

TEST_F(SortedIndexTest, Integers) {
  Build(DataType::kInt16, {int64_t{5}, {}, int64_t{-2}, int64_t{5}, int64_t{9}});
  EXPECT_EQ(Equal({int64_t{5}, int64_t{9}, int64_t{100000}}), (R{0, 3, 4}));
  EXPECT_EQ(Equal({5.0}), (R{0, 3}));
  EXPECT_EQ(Equal({5.5}), R{});
  EXPECT_EQ(Equal({std::string("5")}), R{});
  EXPECT_EQ(InRange(int64_t{-2}, false, int64_t{9}, false), (R{0, 3}));
  EXPECT_EQ(InRange(int64_t{-2}, true, int64_t{9}, true), (R{0, 2, 3, 4}));
  EXPECT_EQ(InRange({}, false, 4.5, false), R{2});
  EXPECT_EQ(InRange(4.5, false, {}, false), (R{0, 3, 4}));
  EXPECT_EQ(InRange(int64_t{9}, true, int64_t{5}, true), R{}) << "an empty range";
  EXPECT_EQ(InRange(-1e300, true, 1e300, true), (R{0, 2, 3, 4}));
  uint64_t bits = 0;
  EXPECT_FALSE(index_->InRange({std::string("a"), true}, {}, &bits));
  EXPECT_FALSE(index_->HasPrefix("5", &bits));
}

TEST_F(SortedIndexTest, BigIntegersAreComparedExactly) {
  constexpr int64_t kBig = (int64_t{1} << 53) + 1;
  Build(DataType::kInt64, {kBig, kBig - 1, std::numeric_limits<int64_t>::max()});
  EXPECT_EQ(Equal({static_cast<double>(kBig - 1)}), R{1});
  EXPECT_EQ(Equal({9223372036854775808.0}), R{});
  EXPECT_EQ(InRange(9223372036854775808.0, true, {}, false), R{});
}

TEST_F(SortedIndexTest, FloatingPoint) {
  Build(DataType::kDouble, {0.5, std::nan(""), -1.0, {}, 2.0});
  EXPECT_EQ(Equal({int64_t{2}, 0.5}), (R{0, 4}));
  EXPECT_EQ(InRange({}, false, {}, false), (R{0, 2, 4})) << "neither NaN nor null";
  EXPECT_EQ(Equal({std::nan("")}), R{});
  EXPECT_EQ(InRange(int64_t{0}, false, int64_t{1}, false), R{0});
}

TEST_F(SortedIndexTest, TextsAndBools) {
  Build(DataType::kVarChar,
        {std::string("apple"), std::string("app"), {}, std::string("b"), std::string("")});
  EXPECT_EQ(Equal({std::string("app"), int64_t{3}}), R{1});
  std::vector<uint64_t> bits(1);
  EXPECT_TRUE(index_->HasPrefix("app", bits.data()));
  EXPECT_EQ(Bits(bits), (R{0, 1}));
  EXPECT_EQ(InRange(std::string("app"), false, {}, false), (R{0, 3}));
  Build(DataType::kBool, {true, false, {}});
  EXPECT_EQ(Equal({true}), R{0});
  EXPECT_EQ(Equal({false}), R{1});
}

TEST(VectorFileTest, TheHeaderIsNumpys) {
  const std::string header = NpyHeader(DataType::kFloatVector, 768, 12345);
  EXPECT_EQ(header.size(), 4096U);
  EXPECT_EQ(header.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(static_cast<uint8_t>(header[8]) + 256 * static_cast<uint8_t>(header[9]), 4086);
  EXPECT_EQ(header.substr(10, 65),
            "{'descr': '<f4', 'fortran_order': False, 'shape': (12345, 768), }");
  EXPECT_EQ(header.back(), '\n');
  EXPECT_NE(NpyHeader(DataType::kBinaryVector, 16, 3)
                .find("'|u1', 'fortran_order': False, 'shape': (3, 2)"),
            std::string::npos);
}

TEST(TimestampFileTest, MarksWhatIsLater) {
  TimestampFileBuilder builder;
  for (const uint64_t t : {5, 5, 9, 7, 7, 7}) builder.Append(At(t));
  EXPECT_EQ(builder.min(), At(5));
  EXPECT_EQ(builder.max(), At(9));
  const auto objects = MemoryObjects();
  ASSERT_TRUE(objects->Put(Context(), "t", builder.Encode()).ok());
  const auto file = TimestampFile::Open(*objects->Map(Context(), "t"), 6, "t");
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<uint64_t> bits(1);
  file->MarkLater(At(6), bits);
  EXPECT_EQ(Bits(bits), (std::vector<size_t>{2, 3, 4, 5}));
  EXPECT_EQ(file->Of(2), At(9));
  EXPECT_EQ(file->Of(5), At(7));
  EXPECT_TRUE(TimestampFile::Open(*objects->Map(Context(), "t"), 7, "t")
                  .status()
                  .Is(StatusKind::kCorruption));
}

}  // namespace
}  // namespace kite::segment
