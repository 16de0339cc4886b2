#include "search/vectors.h"

#include <string>

namespace kite::engine {
namespace {

/// Vectors per task of a parallel loop over all of them.
constexpr size_t kVectorsPerTask = 4096;

Status BadSource(const std::string& what) {
  return Status::InvalidArgument(StatusSubject::kIndex, "the vectors of an index: " + what);
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

}  // namespace

Status CheckSource(const VectorSource& source) {
  if (source.type != VectorType::kFloat32) {
    return Status::Unimplemented("indexes on vectors other than FLOAT_VECTOR are not built yet");
  }
  if (!source.element_offsets.empty()) {
    return Status::Unimplemented("indexes on lists of vectors are not built yet");
  }
  if (source.dim < 1 || source.dim > kDimMax) {
    return BadSource("dimension " + std::to_string(source.dim) + " is out of range: [1, 32768]");
  }
  if (source.count >= kVectorsMax) return BadSource("more than 2147483647 vectors");
  if (source.count > 0 && source.data == nullptr) return BadSource("there is no data");
  if (reinterpret_cast<uintptr_t>(source.data) % alignof(float) != 0) {
    return BadSource("the data is not aligned");
  }
  return CheckRows(source);
}

Result<Array<float>> ComputeInverseNorms(const Context& context, Metric metric,
                                         const VectorSource& source, Executor& executor) {
  if (metric != Metric::kCosine) return Array<float>();
  KITE_ASSIGN_OR_RETURN(Array<float> norms, Array<float>::Allocate(source.count));
  float* const out = norms.mutable_data();
  const auto* data = reinterpret_cast<const float*>(source.data);
  const Kernels& kernels = ActiveKernels();
  const size_t tasks = (source.count + kVectorsPerTask - 1) / kVectorsPerTask;
  KITE_RETURN_IF_ERROR(ParallelFor(executor, tasks, 1, [&](size_t task) {
    const size_t end = std::min(source.count, (task + 1) * kVectorsPerTask);
    for (size_t i = task * kVectorsPerTask; i < end; ++i) {
      out[i] = InverseNorm(kernels, data + i * source.dim, source.dim);
    }
    return context.Check();
  }));
  return norms;
}

}  // namespace kite::engine
