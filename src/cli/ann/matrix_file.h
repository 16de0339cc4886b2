// Files of vectors that benchmarks come in: .fbin/.ibin, .fvecs/.ivecs and .npy.
//
//   .fbin, .ibin    uint32 rows, uint32 columns, then the float32 / int32 values row by row
//   .fvecs, .ivecs  per row: int32 columns, then that many float32 / int32 values
//   .npy            versions 1 to 3; two dimensions in C order; '<f4' and '<f2' for vectors, '<i4'
//   for ids
//
// All are little-endian. Sizes are checked against the file and against bounds before memory is
// taken; a file is read in pieces, so reading takes no more memory than its result.
#pragma once

#include <cstdint>
#include <string>

#include "base/aligned_memory.h"
#include "base/disk.h"

namespace kite::cli {

inline constexpr uint64_t kMatrixRowsMax = uint64_t{1} << 31;
inline constexpr uint64_t kMatrixColumnsMax = 32768;

/// Row-major and compact; 64-byte aligned, on huge pages when it is large.
template <typename T>
struct Matrix {
  size_t rows = 0;
  uint32_t columns = 0;
  AlignedBytes memory;

  [[nodiscard]] T* values() { return reinterpret_cast<T*>(memory.get()); }
  [[nodiscard]] const T* values() const { return reinterpret_cast<const T*>(memory.get()); }
  [[nodiscard]] const T* row(size_t i) const { return values() + i * columns; }
};

/// Finite float32 vectors, at least one; float16 is converted. InvalidArgument names the file and
/// what is wrong with it, Exhausted(Memory) how much is missing.
Result<Matrix<float>> ReadVectors(Disk& disk, const std::string& path);

/// The ids of a ground truth, at least one per row.
Result<Matrix<uint32_t>> ReadIds(Disk& disk, const std::string& path);

}  // namespace kite::cli
