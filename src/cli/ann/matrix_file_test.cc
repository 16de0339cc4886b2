#include "cli/ann/matrix_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/coding.h"
#include "base/disk_memory.h"

namespace kite::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MatrixFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& bytes) {
    const auto file = disk_->Create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append(bytes).ok());
  }
  std::vector<float> Vectors(const std::string& path, const std::string& bytes) {
    Write(path, bytes);
    const auto matrix = ReadVectors(*disk_, path);
    EXPECT_TRUE(matrix.ok()) << matrix.status();
    if (!matrix.ok()) return {};
    EXPECT_EQ(reinterpret_cast<uintptr_t>(matrix->values()) % 64, 0);
    return {matrix->values(), matrix->values() + matrix->rows * matrix->columns};
  }
  std::vector<uint32_t> Ids(const std::string& path, const std::string& bytes) {
    Write(path, bytes);
    const auto matrix = ReadIds(*disk_, path);
    EXPECT_TRUE(matrix.ok()) << matrix.status();
    if (!matrix.ok()) return {};
    return {matrix->values(), matrix->values() + matrix->rows * matrix->columns};
  }
  std::string ErrorOf(const std::string& path, const std::string& bytes) {
    Write(path, bytes);
    const Status status = ReadVectors(*disk_, path).status();
    EXPECT_TRUE(status.Is(StatusKind::kInvalidArgument)) << status;
    return status.message();
  }

  const std::shared_ptr<MemoryDisk> disk_ = MemoryDisk::Make();
};

template <typename... T>
std::string Bytes(T... values) {
  std::string bytes;
  (PutFixed(bytes, values), ...);
  return bytes;
}

std::string Npy(const std::string& dict, const std::string& values, char version = 1) {
  const std::string magic = std::string("\x93NUMPY") + version + '\0';
  const auto size = static_cast<uint16_t>(dict.size());
  return magic + (version == 1 ? Bytes(size) : Bytes(uint32_t{size})) + dict + values;
}

constexpr const char* kFloats = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n";

TEST_F(MatrixFileTest, ReadsEveryFormat) {
  EXPECT_THAT(Vectors("/a.fbin", Bytes(2U, 2U, 1.0F, 2.0F, 3.0F, 4.0F)), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Vectors("/a.fvecs", Bytes(2U, 1.0F, 2.0F, 2U, 3.0F, 4.0F)), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Ids("/a.ibin", Bytes(1U, 3U, 7U, 8U, 9U)), ElementsAre(7, 8, 9));
  EXPECT_THAT(Ids("/a.ivecs", Bytes(1U, 7U, 1U, 8U)), ElementsAre(7, 8));
  EXPECT_THAT(Vectors("/a.npy", Npy(kFloats, Bytes(5.0F, 6.0F))), ElementsAre(5, 6));
  EXPECT_THAT(Vectors("/b.npy", Npy(kFloats, Bytes(5.0F, 6.0F), 2)), ElementsAre(5, 6));
  EXPECT_THAT(Vectors("/c.npy", Npy("{'shape':(1,2,),'fortran_order':False,'descr':'<f2'}",
                                    Bytes(uint16_t{0x3C00}, uint16_t{0xC000}))),
              ElementsAre(1, -2));
  EXPECT_THAT(
      Ids("/d.npy", Npy("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 1)}", Bytes(9U))),
      ElementsAre(9));
}

TEST_F(MatrixFileTest, ReadsInPieces) {
  std::string bytes = Bytes(1000U, 3000U);
  for (uint32_t i = 0; i < 1000 * 3000; ++i) PutFixed(bytes, static_cast<float>(i));
  const std::vector<float> values = Vectors("/a.fbin", bytes);
  ASSERT_EQ(values.size(), 3'000'000);
  for (size_t i = 0; i < values.size(); i += 999) EXPECT_EQ(values[i], static_cast<float>(i));
}

TEST_F(MatrixFileTest, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf("/a.txt", "x"), HasSubstr(".fbin"));
  EXPECT_THAT(ErrorOf("/a.fbin", ""), HasSubstr("0 rows"));
  EXPECT_THAT(ErrorOf("/a.fbin", Bytes(2U, 2U, 1.0F)),
              HasSubstr("12 bytes; 2 rows of 2 columns would have 24"));
  // Nothing is allocated for what a header only claims.
  EXPECT_THAT(ErrorOf("/a.fbin", Bytes(2147483647U, 32768U)), HasSubstr("has 8 bytes"));
  EXPECT_THAT(ErrorOf("/a.fbin", Bytes(4294967295U, 1U)), HasSubstr("4294967295 rows"));
  EXPECT_THAT(ErrorOf("/a.fbin", Bytes(1U, 4294967295U)), HasSubstr("4294967295 columns"));
  EXPECT_THAT(ErrorOf("/a.fvecs", Bytes(2U, 1.0F, 2.0F, 1U, 3.0F, 4.0F)),
              HasSubstr("1 columns in row 1 and 2 before"));
  EXPECT_THAT(ErrorOf("/a.fvecs", Bytes(2U, 1.0F, 2.0F, 2U)), HasSubstr("16 bytes"));
  EXPECT_THAT(ErrorOf("/a.ibin", Bytes(1U, 1U, 1U)), HasSubstr("ids, not vectors"));
  const float nan = std::nanf("");
  EXPECT_THAT(ErrorOf("/a.fbin", Bytes(2U, 1U, 0.0F, nan)), HasSubstr("row 1"));
  EXPECT_TRUE(ReadVectors(*disk_, "/missing.fbin").status().Is(StatusKind::kNotFound));
}

TEST_F(MatrixFileTest, SaysWhatIsWrongWithNpy) {
  EXPECT_THAT(ErrorOf("/a.npy", "PK"), HasSubstr("no .npy"));
  EXPECT_THAT(ErrorOf("/a.npy", Npy(kFloats, "", 4)), HasSubstr("no .npy"));
  EXPECT_THAT(ErrorOf("/a.npy", Npy(kFloats, "").substr(0, 20)), HasSubstr("does not end"));
  EXPECT_THAT(ErrorOf("/a.npy", Npy(kFloats, Bytes(1.0F))), HasSubstr("would have"));
  EXPECT_THAT(
      ErrorOf("/a.npy", Npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1)}", "")),
      HasSubstr("'>f4'"));
  EXPECT_THAT(
      ErrorOf("/a.npy", Npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", "")),
      HasSubstr("C order"));
  for (const char* shape :
       {"()", "(3,)", "(1, 2, 3)", "(-1, 2)", "(99999999999999999999, 1)", "(1, 1", "", "1"}) {
    const std::string dict =
        std::string("{'descr': '<f4', 'fortran_order': False, 'shape': ") + shape;
    EXPECT_THAT(ErrorOf("/a.npy", Npy(dict, "")), HasSubstr("two dimensions")) << shape;
  }
  EXPECT_THAT(
      ErrorOf(
          "/a.npy",
          Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 4)}", "")),
      HasSubstr("rows"));
}

}  // namespace
}  // namespace kite::cli
