#include "search/vectors.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/half.h"
#include "params.h"

namespace kite::engine {
namespace {

/// Vectors per task of a parallel loop over all of them.
constexpr size_t kVectorsPerTask = 4096;

Status BadSource(const std::string& what) {
  return Status::InvalidArgument(StatusSubject::kIndex, "the vectors of an index: " + what);
}

size_t ElementAlignment(VectorType type) {
  switch (type) {
    case VectorType::kFloat32:
    case VectorType::kSparse:
      return alignof(float);
    case VectorType::kFloat16:
    case VectorType::kBFloat16:
      return alignof(uint16_t);
    default:
      return 1;
  }
}

Status CheckEntries(const VectorSource& source) {
  if (source.count != source.rows || !source.row_of.empty()) {
    return BadSource("of sparse vectors every row has one, maybe empty");
  }
  if (source.entry_offsets.size() != source.rows + 1) {
    return BadSource("sparse vectors need one offset for each row and one more");
  }
  if (!std::is_sorted(source.entry_offsets.begin(), source.entry_offsets.end())) {
    return BadSource("the offsets of sparse vectors must not fall");
  }
  if (source.entry_offsets.back() > 0 && source.data == nullptr) {
    return BadSource("there is no data");
  }
  return {};
}

Status CheckRows(const VectorSource& source) {
  if (source.rows < source.count) return BadSource("fewer rows than vectors");
  if (source.row_of.empty()) {
    return source.rows == source.count || source.count == 0
               ? Status()
               : BadSource("fewer vectors than rows need the row of each vector");
  }
  if (source.row_of.size() != source.count) return BadSource("row_of needs one entry per vector");
  for (size_t i = 0; i < source.count; ++i) {
    if (source.row_of[i] >= source.rows || (i > 0 && source.row_of[i] <= source.row_of[i - 1])) {
      return BadSource("row_of must ascend and stay below the number of rows");
    }
  }
  return {};
}

template <typename T, typename ToFloat>
void DecodeAs(const std::byte* vector, uint32_t dim, float* out, ToFloat to_float) {
  for (uint32_t j = 0; j < dim; ++j) {
    T value;
    std::memcpy(&value, vector + j * sizeof(T), sizeof(T));
    out[j] = to_float(value);
  }
}

}  // namespace

void DecodeVector(VectorType type, const std::byte* vector, uint32_t dim, float* out) {
  switch (type) {
    case VectorType::kFloat32:
      std::memcpy(out, vector, dim * sizeof(float));
      return;
    case VectorType::kFloat16:
      return DecodeAs<uint16_t>(vector, dim, out, HalfToFloat);
    case VectorType::kBFloat16:
      return DecodeAs<uint16_t>(vector, dim, out, BFloat16ToFloat);
    case VectorType::kInt8:
      return DecodeAs<int8_t>(vector, dim, out, [](int8_t value) { return static_cast<float>(value); });
    default:
      KITE_CHECK(false, "not a dense vector");
  }
}

void Vectors::Decode(size_t i, Metric metric, float* out) const {
  DecodeVector(source.type, matrix().row(i), dim(), out);
  if (metric != Metric::kCosine) return;
  for (uint32_t j = 0; j < dim(); ++j) out[j] *= inverse_norms[i];
}

Status CheckSource(const VectorSource& source) {
  if (!source.element_offsets.empty()) {
    return Status::Unimplemented("indexes on lists of vectors are not built yet");
  }
  KITE_RETURN_IF_ERROR(CheckDim(source.type, source.dim));
  if (source.count >= kVectorsMax) return BadSource("more than 2147483647 vectors");
  const bool sparse = source.type == VectorType::kSparse;
  if (source.count > 0 && source.data == nullptr && !sparse) return BadSource("there is no data");
  if (reinterpret_cast<uintptr_t>(source.data) % ElementAlignment(source.type) != 0) {
    return BadSource("the data is not aligned");
  }
  return sparse ? CheckEntries(source) : CheckRows(source);
}

Result<Array<float>> ComputeInverseNorms(const Context& context, Metric metric,
                                         const VectorSource& source, Executor& executor) {
  if (metric != Metric::kCosine) return Array<float>();
  KITE_ASSIGN_OR_RETURN(Array<float> norms, Array<float>::Allocate(source.count));
  float* const out = norms.mutable_data();
  const size_t row_bytes = VectorBytes(source.type, source.dim);
  const Kernels& kernels = ActiveKernels();
  const size_t tasks = (source.count + kVectorsPerTask - 1) / kVectorsPerTask;
  KITE_RETURN_IF_ERROR(ParallelFor(executor, tasks, 1, [&](size_t task) {
    const size_t end = std::min(source.count, (task + 1) * kVectorsPerTask);
    for (size_t i = task * kVectorsPerTask; i < end; ++i) {
      out[i] = InverseNorm(kernels, source.type, source.data + i * row_bytes, source.dim);
    }
    return context.Check();
  }));
  return norms;
}

}  // namespace kite::engine
