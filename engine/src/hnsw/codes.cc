#include "hnsw/codes.h"

#include <algorithm>
#include <cmath>

namespace kite::engine {
namespace {

/// Vectors per task of a parallel loop.
constexpr size_t kVectorsPerTask = 4096;
/// At most so many vectors, evenly spread, make the mean.
constexpr size_t kMeanSampleMax = 65536;

std::vector<float> MeanOf(const Vectors& vectors, Metric metric) {
  const size_t dim = vectors.dim();
  const size_t step = std::max<size_t>(1, vectors.count() / kMeanSampleMax);
  std::vector<double> sums(dim, 0);
  std::vector<float> vector(dim);
  size_t sampled = 0;
  for (size_t id = 0; id < vectors.count(); id += step, ++sampled) {
    vectors.Decode(id, metric, vector.data());
    for (size_t j = 0; j < dim; ++j) sums[j] += vector[j];
  }
  std::vector<float> mean(dim, 0);
  for (size_t j = 0; j < dim && sampled > 0; ++j) {
    const auto value = static_cast<float>(sums[j] / static_cast<double>(sampled));
    if (std::isfinite(value)) mean[j] = value;
  }
  return mean;
}

/// Codes dim values, less those of `centre` unless it is null. Scale and square are set.
CodeTerms EncodeVector(const float* values, const float* centre, size_t dim, int8_t* code) {
  const float scale = ActiveGraphKernels().encode(values, centre, dim, code);
  const float square = scale > 0 ? ActiveKernels().int8_ip.pair(code, code, dim) : 0;
  return {.scale = scale, .square = scale * scale * square};
}

float Dot(std::span<const float> values, const int8_t* code) {
  float sum = 0;
  for (size_t j = 0; j < values.size(); ++j) sum += values[j] * static_cast<float>(code[j]);
  return sum;
}

}  // namespace

Result<Codes> Codes::Encode(const Context& context, const Vectors& vectors, Metric metric,
                            Executor& executor) {
  const size_t dim = vectors.dim();
  const size_t count = vectors.count();
  Codes codes;
  KITE_ASSIGN_OR_RETURN(codes.codes_, NodeRows::Allocate(count, dim));
  KITE_ASSIGN_OR_RETURN(codes.terms_, NodeRows::Allocate(count, sizeof(CodeTerms)));
  const std::vector<float> mean = MeanOf(vectors, metric);
  KITE_ASSIGN_OR_RETURN(codes.mean_, Array<float>::Copy(mean));
  auto* const bytes = reinterpret_cast<int8_t*>(codes.codes_.mutable_data());
  auto* const terms = reinterpret_cast<CodeTerms*>(codes.terms_.mutable_data());
  const size_t tasks = (count + kVectorsPerTask - 1) / kVectorsPerTask;
  KITE_RETURN_IF_ERROR(ParallelFor(executor, tasks, 1, [&](size_t task) {
    std::vector<float> values(dim);
    const size_t end = std::min(count, (task + 1) * kVectorsPerTask);
    for (size_t id = task * kVectorsPerTask; id < end; ++id) {
      vectors.Decode(id, metric, values.data());
      int8_t* const code = bytes + id * dim;
      terms[id] = EncodeVector(values.data(), mean.data(), dim, code);
      if (metric != Metric::kL2) terms[id].mean_dot = terms[id].scale * Dot(mean, code);
    }
    return context.Check();
  }));
  return codes;
}

Result<Codes> Codes::Load(const IndexFileReader& reader, LoadMode mode, LoadMode rows_mode) {
  const uint64_t count = reader.header().count;
  const uint64_t dim = reader.header().dim;
  Codes codes;
  KITE_ASSIGN_OR_RETURN(codes.codes_,
                        NodeRows::Read(reader, SectionId::kGraphCodes, count, dim, rows_mode));
  KITE_ASSIGN_OR_RETURN(codes.terms_, NodeRows::Read(reader, SectionId::kGraphCodeTerms, count,
                                                     sizeof(CodeTerms), rows_mode));
  KITE_ASSIGN_OR_RETURN(codes.mean_, reader.Read<float>(SectionId::kGraphCodeMean, dim, mode));
  return codes;
}

void Codes::AddSections(IndexFileWriter& writer) const {
  codes_.AddTo(writer, SectionId::kGraphCodes);
  terms_.AddTo(writer, SectionId::kGraphCodeTerms);
  writer.Add(SectionId::kGraphCodeMean, mean_.span());
}

size_t Codes::EstimateBytes(size_t count, uint32_t dim) {
  return count * (dim + sizeof(CodeTerms)) + dim * sizeof(float);
}

CodeScorer::CodeScorer(const Codes& codes, Metric metric, uint32_t id)
    : codes_(codes),
      dot_(ActiveKernels().int8_ip),
      query_(codes.code(id)),
      terms_(codes.terms(id)) {
  if (metric == Metric::kIP) {
    // The square of the mean, the same in all keys, is left out.
    base_ = 0.0F - terms_.mean_dot;
    square_weight_ = 0;
    mean_weight_ = 1;
    dot_weight_ = terms_.scale;
  } else {
    base_ = terms_.square;
    dot_weight_ = 2 * terms_.scale;
  }
}

CodeScorer::CodeScorer(const Codes& codes, Metric metric, const float* query,
                       std::vector<int8_t>& buffer)
    : codes_(codes), dot_(ActiveKernels().int8_ip) {
  const float* const mean = codes.mean().data();
  buffer.resize(codes.dim());
  query_ = buffer.data();
  const bool l2 = metric == Metric::kL2;
  terms_ = EncodeVector(query, l2 ? mean : nullptr, codes.dim(), buffer.data());
  base_ = l2 ? terms_.square : 0.0F - ActiveKernels().float32_ip.pair(query, mean, codes.dim());
  square_weight_ = l2 ? 1 : 0;
  dot_weight_ = (l2 ? 2 : 1) * terms_.scale;
}

void CodeScorer::Ids(const uint32_t* ids, size_t n, float* keys) const {
  const NodeRows& codes = codes_.codes();
  dot_.ids(query_, codes.data(), codes.stride(), ids, n, codes_.dim(), keys);
  for (size_t i = 0; i < n; ++i) keys[i] = KeyOf(ids[i], keys[i]);
}

float CodeScorer::Error(uint32_t id) const {
  // Rounding to steps of 1 has the standard deviation 1 / sqrt(12).
  constexpr float kFourDeviations = 4 * 0.288675F;
  const CodeTerms& other = codes_.terms(id);
  const float query_error = terms_.scale * std::sqrt(other.square);
  const float error = other.scale * std::sqrt(terms_.square);
  const float weight = square_weight_ + 1;
  return weight * kFourDeviations * std::sqrt(query_error * query_error + error * error);
}

}  // namespace kite::engine
