#include "hnsw/projection.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kite::engine {
namespace {

constexpr size_t kSampleMax = 4096;
/// Of subspace iteration; the leading directions need not be told apart from each other.
constexpr int kIterations = 6;

/// A row-major matrix of floats.
struct Matrix {
  Matrix(size_t row_count, size_t column_count)
      : rows(row_count), columns(column_count), values(row_count * column_count) {}
  [[nodiscard]] float* row(size_t i) { return values.data() + i * columns; }
  [[nodiscard]] const float* row(size_t i) const { return values.data() + i * columns; }

  size_t rows;
  size_t columns;
  std::vector<float> values;
};

float Dot(const float* a, const float* b, size_t n) {
  return ActiveKernels().float32_ip.pair(a, b, n);
}

/// out.row(i)[j] = a.row(i) . b.row(j)
Status MultiplyTransposed(const Context& context, const Matrix& a, const Matrix& b, Matrix& out) {
  for (size_t i = 0; i < a.rows; ++i) {
    ActiveKernels().float32_ip.block(a.row(i), b.row(0), b.rows, b.columns, out.row(i));
    KITE_RETURN_IF_ERROR(context.Check());
  }
  return {};
}

/// Gram-Schmidt. Rows without a direction of their own become zero.
void Orthonormalize(Matrix& matrix) {
  for (size_t i = 0; i < matrix.rows; ++i) {
    float* const row = matrix.row(i);
    const float before = Dot(row, row, matrix.columns);
    for (size_t j = 0; j < i; ++j) {
      const float* const other = matrix.row(j);
      const float share = Dot(row, other, matrix.columns);
      for (size_t k = 0; k < matrix.columns; ++k) row[k] -= share * other[k];
    }
    const float square = Dot(row, row, matrix.columns);
    const float scale = square > 1e-10F * before && square > 0 ? 1 / std::sqrt(square) : 0;
    for (size_t k = 0; k < matrix.columns; ++k) row[k] *= scale;
  }
}

Matrix RandomOrthonormal(size_t rows, size_t columns, uint64_t seed) {
  Matrix matrix(rows, columns);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (float& value : matrix.values) value = normal(random);
  Orthonormalize(matrix);
  return matrix;
}

/// dim x samples: every code of the sample is a column, decoded.
Matrix Sample(const Codes& codes, size_t count) {
  const size_t step = std::max<size_t>(1, count / kSampleMax);
  Matrix sample(codes.dim(), std::min(count, (count + step - 1) / step));
  for (size_t s = 0; s < sample.columns; ++s) {
    const auto id = static_cast<uint32_t>(s * step);
    const float scale = codes.terms(id).scale;
    const int8_t* const code = codes.code(id);
    for (size_t j = 0; j < sample.rows; ++j) {
      sample.row(j)[s] = scale * static_cast<float>(code[j]);
    }
  }
  return sample;
}

}  // namespace

Result<Projection> Projection::Fit(const Context& context, const Codes& codes, size_t count,
                                   size_t dims, uint64_t seed) {
  const size_t dim = codes.dim();
  Matrix directions = RandomOrthonormal(dims, dim, seed);
  Projection projection;
  if (dims < dim) {
    const Matrix sample = Sample(codes, count);
    Matrix covariance(dim, dim);
    KITE_RETURN_IF_ERROR(MultiplyTransposed(context, sample, sample, covariance));
    Matrix next(dims, dim);
    for (int i = 0; i < kIterations; ++i) {
      KITE_RETURN_IF_ERROR(MultiplyTransposed(context, directions, covariance, next));
      std::swap(directions.values, next.values);
      Orthonormalize(directions);
    }
    const Matrix rotation = RandomOrthonormal(dims, dims, seed + 1);
    std::fill(next.values.begin(), next.values.end(), 0.0F);
    for (size_t i = 0; i < dims; ++i) {
      for (size_t j = 0; j < dims; ++j) {
        const float weight = rotation.row(i)[j];
        for (size_t k = 0; k < dim; ++k) next.row(i)[k] += weight * directions.row(j)[k];
      }
      KITE_RETURN_IF_ERROR(context.Check());
    }
    std::swap(directions.values, next.values);
  }
  KITE_ASSIGN_OR_RETURN(projection.rows_, Array<int8_t>::Allocate(dims * dim));
  KITE_ASSIGN_OR_RETURN(projection.scales_, Array<float>::Allocate(dims));
  for (size_t i = 0; i < dims; ++i) {
    projection.scales_.mutable_data()[i] = ActiveGraphKernels().encode(
        directions.row(i), nullptr, dim, projection.rows_.mutable_data() + i * dim);
  }
  KITE_RETURN_IF_ERROR(projection.Interleave());
  return projection;
}

size_t Projection::EstimatePeakBytes(size_t dims, size_t dim, size_t count) {
  return EstimateBytes(dims, dim) +
         sizeof(float) * (dim * std::min(count, 2 * kSampleMax) + dim * dim + 2 * dims * dim +
                          dims * dims);
}

Result<Projection> Projection::Load(const IndexFileReader& reader, size_t dims, LoadMode mode) {
  Projection projection;
  KITE_ASSIGN_OR_RETURN(projection.rows_,
                        reader.Read<int8_t>(SectionId::kGraphProjection,
                                            dims * reader.header().dim, mode));
  KITE_ASSIGN_OR_RETURN(projection.scales_,
                        reader.Read<float>(SectionId::kGraphProjectionScale, dims, mode));
  KITE_RETURN_IF_ERROR(projection.Interleave());
  return projection;
}

Status Projection::Interleave() {
  const size_t dim = this->dim();
  KITE_ASSIGN_OR_RETURN(interleaved_, Array<uint8_t>::Allocate(InterleavedBytes(dims(), dim)));
  uint8_t* out = interleaved_.mutable_data();
  if (out == nullptr) return {};
  for (size_t first = 0; first < dims(); first += kProjectedRows) {
    for (size_t j = 0; j < dim; j += kProjectedDims) {
      for (size_t i = first; i < first + kProjectedRows; ++i) {
        for (size_t k = j; k < j + kProjectedDims; ++k) {
          *out++ = static_cast<uint8_t>(rows_[i * dim + k] + 128);
        }
      }
    }
  }
  return {};
}

void Projection::AddSections(IndexFileWriter& writer) const {
  writer.Add(SectionId::kGraphProjection, rows_.span());
  writer.Add(SectionId::kGraphProjectionScale, scales_.span());
}

void Projection::Apply(const int8_t* code, float scale, float* out) const {
  if (!interleaved_.empty()) {
    ActiveGraphKernels().project(interleaved_.data(), dims(), dim(), scales_.data(), code, scale,
                                 out);
    return;
  }
  ActiveKernels().int8_ip.block(code, rows_.data(), dims(), dim(), out);
  for (size_t i = 0; i < dims(); ++i) out[i] *= scale * scales_[i];
}

}  // namespace kite::engine
