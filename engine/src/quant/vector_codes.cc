#include "quant/vector_codes.h"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "quant/product_codes.h"
#include "quant/scalar_codes.h"
#include "search/hit.h"
#include "search/prefetch.h"

namespace kite::engine {
namespace {

/// Vectors per task of a parallel loop.
constexpr size_t kVectorsPerTask = 512;

bool IsProduct(const CodeSpec& spec) { return spec.kind == CodeSpec::Kind::kProduct; }

SectionId SectionOf(SectionId first, VectorCodes::Place place) {
  return static_cast<SectionId>(static_cast<uint32_t>(first) + static_cast<uint32_t>(place));
}

}  // namespace

std::unique_ptr<VectorCodes> VectorCodes::Make(const CodeSpec& spec, Metric metric, uint32_t dim) {
  if (IsProduct(spec)) return std::make_unique<ProductCodes>(spec, metric, dim);
  return std::make_unique<ScalarCodes>(spec.kind, metric, dim);
}

size_t VectorCodes::RowBytes(const CodeSpec& spec, uint32_t dim) {
  return IsProduct(spec) ? ProductCodes::RowBytes(spec) : ScalarCodes::RowBytes(spec.kind, dim);
}

size_t VectorCodes::TableValues(const CodeSpec& spec, uint32_t dim) {
  return IsProduct(spec) ? ProductCodes::TableValues(spec, dim)
                         : ScalarCodes::TableValues(spec.kind, dim);
}

Result<std::unique_ptr<VectorCodes>> VectorCodes::Encode(const Context& context,
                                                         const CodeSpec& spec,
                                                         const Vectors& vectors, Metric metric,
                                                         uint64_t seed, Executor& executor) {
  std::unique_ptr<VectorCodes> codes = Make(spec, metric, vectors.dim());
  KITE_ASSIGN_OR_RETURN(codes->tables_,
                        Array<float>::Allocate(TableValues(spec, vectors.dim())));
  KITE_RETURN_IF_ERROR(codes->Train(context, vectors, seed, executor));
  KITE_RETURN_IF_ERROR(codes->EncodeAll(context, vectors, executor));
  return codes;
}

Status VectorCodes::EncodeAll(const Context& context, const Vectors& vectors, Executor& executor) {
  const size_t count = vectors.count();
  KITE_ASSIGN_OR_RETURN(codes_, Array<uint8_t>::Allocate(count * row_bytes_));
  if (metric_ != Metric::kIP) {
    KITE_ASSIGN_OR_RETURN(terms_, Array<float>::Allocate(count));
  }
  KITE_RETURN_IF_ERROR(BeginEncoding());
  const size_t tasks = (count + kVectorsPerTask - 1) / kVectorsPerTask;
  KITE_RETURN_IF_ERROR(ParallelFor(executor, tasks, 1, [&](size_t task) {
    const size_t begin = task * kVectorsPerTask;
    const size_t n = std::min(count - begin, kVectorsPerTask);
    std::vector<float> values(n * dim_);
    std::vector<float> vector(dim_);
    for (size_t i = 0; i < n; ++i) vectors.Decode(begin + i, metric_, values.data() + i * dim_);
    EncodeRows(values.data(), n, codes_.mutable_data() + begin * row_bytes_);
    for (size_t i = 0; i < n && metric_ != Metric::kIP; ++i) {
      vectors.Decode(begin + i, metric_, vector.data());
      for (size_t j = 0; j < dim_; ++j) vector[j] -= values[i * dim_ + j];
      terms_.mutable_data()[begin + i] = TermOf(vector.data());
    }
    return context.Check();
  }));
  EndEncoding();
  return {};
}

float VectorCodes::TermOf(const float* decoded) const {
  const float* const origin = metric_ == Metric::kL2 ? Origin() : nullptr;
  double square = 0;
  for (size_t j = 0; j < dim_; ++j) {
    const double value = decoded[j] - (origin != nullptr ? double{origin[j]} : 0.0);
    square += value * value;
  }
  if (metric_ == Metric::kL2) return static_cast<float>(square);
  const auto length = static_cast<float>(std::sqrt(square));
  return std::isnormal(length) ? 1 / length : 0;
}

void VectorCodes::Ids(const CodeQuery& query, const uint32_t* ids, size_t n, float* keys) const {
  Sums(query, ids, n, keys);
  switch (metric_) {
    case Metric::kL2:
      for (size_t i = 0; i < n; ++i) {
        const float key = query.base + terms_[ids[i]] - 2 * keys[i];
        keys[i] = CleanKey(key < 0 ? 0 : key);
      }
      return;
    case Metric::kCosine:
      for (size_t i = 0; i < n; ++i) {
        const float cosine = (query.base + keys[i]) * terms_[ids[i]];
        keys[i] = CleanKey(0.0F - std::clamp(cosine, -1.0F, 1.0F));
      }
      return;
    default:
      for (size_t i = 0; i < n; ++i) keys[i] = CleanKey(0.0F - (query.base + keys[i]));
  }
}

void VectorCodes::Prefetch(uint32_t id) const {
  PrefetchRange(codes_.data() + id * row_bytes_, row_bytes_);
  if (!terms_.empty()) __builtin_prefetch(&terms_[id]);
}

Result<std::unique_ptr<VectorCodes>> VectorCodes::Load(const IndexFileReader& reader,
                                                       const CodeSpec& spec, Place place,
                                                       LoadMode mode) {
  const IndexFileHeader& header = reader.header();
  std::unique_ptr<VectorCodes> codes = Make(spec, header.spec.metric, header.dim);
  KITE_ASSIGN_OR_RETURN(codes->codes_,
                        reader.Read<uint8_t>(SectionOf(SectionId::kCodeRows, place),
                                             header.count * codes->row_bytes_, mode));
  KITE_ASSIGN_OR_RETURN(
      codes->terms_,
      reader.Read<float>(SectionOf(SectionId::kCodeTerms, place),
                         header.spec.metric == Metric::kIP ? 0 : header.count, mode));
  KITE_ASSIGN_OR_RETURN(codes->tables_,
                        reader.Read<float>(SectionOf(SectionId::kCodeTables, place),
                                           TableValues(spec, header.dim), mode));
  return codes;
}

void VectorCodes::AddSections(IndexFileWriter& writer, Place place) const {
  writer.Add(SectionOf(SectionId::kCodeRows, place), codes_.span());
  writer.Add(SectionOf(SectionId::kCodeTerms, place), terms_.span());
  writer.Add(SectionOf(SectionId::kCodeTables, place), tables_.span());
}

size_t VectorCodes::EstimateBytes(const CodeSpec& spec, Metric metric, size_t count,
                                  uint32_t dim) {
  const size_t term = metric == Metric::kIP ? 0 : sizeof(float);
  return count * (RowBytes(spec, dim) + term) + TableValues(spec, dim) * sizeof(float);
}

size_t VectorCodes::EstimatePeakBytes(const CodeSpec& spec, Metric metric, size_t count,
                                      uint32_t dim, size_t threads) {
  const size_t codes = EstimateBytes(spec, metric, count, dim);
  const size_t rows = std::min(count, kVectorsPerTask) + 1;
  const size_t workers = threads * (rows * dim * sizeof(float) + 512);
  if (IsProduct(spec)) {
    return std::max(ProductCodes::EstimateTrainingBytes(spec, count, dim, threads),
                    codes + workers +
                        ProductCodes::EstimateEncodingBytes(spec, count, dim, threads));
  }
  return codes + std::max(workers, ScalarCodes::EstimateTrainingBytes(dim, threads));
}

}  // namespace kite::engine
