#include "hnsw/neighbor_codes.h"

#include <algorithm>
#include <cmath>

#include "base/half.h"

namespace kite::engine {
namespace {

constexpr size_t kNodesPerTask = 1024;
constexpr size_t kDimsMax = 512;
/// The largest factor is about this, so that small ones keep their digits.
constexpr float kFactorMax = 60000;
constexpr uint16_t kHalfNan = 0x7E00;
/// More are no faster: their estimates cost as much as the steps that they save.
constexpr size_t kEntriesMax = 512;

/// Sets the bit of dimension j for one slot of a group's codes.
void SetBit(uint8_t* codes, size_t slot, size_t j) {
  const size_t in16 = j % 16;
  uint8_t& byte = codes[j / 16 * 64 + (in16 >= 8 ? kGroupSlots : 0) + slot];
  byte = static_cast<uint8_t>(byte | 1U << (in16 % 8));
}

/// The factors of one neighbour and its bits.
struct Encoder {
  const bool l2;
  const size_t dims;
  const float a_unit;
  const float b_unit;

  /// `offset`: L2: the distance; else a itself.
  void Encode(const float* node, const float* neighbor, float offset, size_t slot,
              uint8_t* group) const {
    uint8_t* const codes = group + GroupBytes(0);
    float square = 0;
    float sum = 0;
    float dot = 0;
    for (size_t j = 0; j < dims; ++j) {
      const float r = neighbor[j] - node[j];
      square += r * r;
      sum += std::fabs(r);
      dot += r >= 0 ? node[j] : -node[j];
      if (r >= 0) SetBit(codes, slot, j);
    }
    const float weight = sum > 0 ? square / sum : 0;
    auto* const factors = reinterpret_cast<uint16_t*>(group);
    factors[slot] = FloatToHalf((offset + (l2 ? 2 * weight * dot : 0)) / a_unit);
    factors[kGroupSlots + slot] = FloatToHalf((l2 ? -2 : -1) * weight / b_unit);
  }
};

/// The share of the squared distances between linked nodes that is left when they are projected.
/// Where vectors lie in clusters, these differ in few directions, but neighbours may in all.
double Captured(const Codes& codes, const GraphLayer& layer, const Projection& projection) {
  constexpr uint32_t kSampleMax = 1024;
  const size_t dims = projection.dims();
  const auto project = [&](uint32_t id, std::vector<float>& out) {
    out.resize(dims);
    projection.Apply(codes.code(id), codes.terms(id).scale, out.data());
  };
  std::vector<float> node;
  std::vector<float> neighbor;
  double kept = 0;
  double all = 0;
  for (uint32_t id = 0; id < layer.size; id += layer.size / kSampleMax + 1) {
    const uint32_t* const links = layer.LinksOf(id);
    const uint32_t other = links[id % (layer.degree / 2)];
    if (other >= layer.size) continue;
    project(id, node);
    project(other, neighbor);
    for (size_t j = 0; j < dims; ++j) kept += std::pow(node[j] - neighbor[j], 2);
    all += CodeScorer(codes, Metric::kL2, id).One(other);
  }
  return all > 0 ? kept / all : 0;
}

/// Empty when no number of directions captures enough.
Result<Projection> FitProjection(const Context& context, const Codes& codes,
                                 const GraphLayer& layer, uint64_t seed) {
  const size_t dims_max = NeighborCodes::DimsMax(codes.dim());
  if (dims_max > NeighborCodes::kDimsEnough) {
    KITE_ASSIGN_OR_RETURN(
        Projection projection,
        Projection::Fit(context, codes, layer.size, NeighborCodes::kDimsEnough, seed));
    const double captured = Captured(codes, layer, projection);
    if (captured >= NeighborCodes::kCapturedEnough) return projection;
  }
  KITE_ASSIGN_OR_RETURN(Projection projection,
                        Projection::Fit(context, codes, layer.size, dims_max, seed));
  if (Captured(codes, layer, projection) < NeighborCodes::kCapturedMin) return Projection();
  return projection;
}

}  // namespace

size_t NeighborCodes::DimsMax(size_t dim) {
  // A whole index then takes 2.0 times the bytes of float32 vectors of 384 dimensions or more, 2.5
  // times at 128, 2.8 times at 96, with bit codes and what a process needs besides.
  const size_t affordable = (176 * dim / 100 + 150) / 64 * 16;
  return dim < kDimMin ? 0 : std::min({affordable, (dim + 15) / 16 * 16, kDimsMax});
}

size_t NeighborCodes::EstimateBytes(size_t count, size_t dim, size_t degree) {
  const size_t dims = DimsMax(dim);
  if (count < kCountMin || dims == 0 || degree % kGroupSlots != 0) return 0;
  return count * degree / kGroupSlots * GroupBytes(dims / 16) + Projection::EstimateBytes(dims, dim) +
         kEntriesMax / kGroupSlots * GroupBytes(dims / 16) + kEntriesMax * sizeof(uint32_t) +
         (2 + dims) * sizeof(float);
}

size_t NeighborCodes::EstimatePeakBytes(size_t count, size_t dim, size_t degree) {
  const size_t dims = DimsMax(dim);
  if (EstimateBytes(count, dim, degree) == 0) return 0;
  return std::max(count * dims * sizeof(float), Projection::EstimatePeakBytes(dims, dim, count));
}

Result<NeighborCodes> NeighborCodes::Build(const Context& context, const Codes& codes,
                                           Metric metric, const Graph& graph, uint64_t seed,
                                           Executor& executor) {
  const GraphLayer& layer = graph.layer(0);
  const size_t count = layer.size;
  NeighborCodes neighbor_codes;
  if (EstimateBytes(count, codes.dim(), layer.degree) == 0) return neighbor_codes;
  float square_max = 0;
  for (uint32_t id = 0; id < count; ++id) square_max = std::max(square_max, codes.terms(id).square);
  if (!std::isnormal(square_max) || square_max > 1e30F) return neighbor_codes;
  KITE_ASSIGN_OR_RETURN(Projection projection, FitProjection(context, codes, layer, seed));
  const size_t dims = projection.dims();
  if (dims == 0) return neighbor_codes;

  KITE_ASSIGN_OR_RETURN(Array<float> projected, Array<float>::Allocate(count * dims));
  const size_t tasks = (count + kNodesPerTask - 1) / kNodesPerTask;
  const auto for_each_node = [&](const auto& work) {
    return ParallelFor(executor, tasks, 1, [&](size_t task) {
      const size_t end = std::min(count, (task + 1) * kNodesPerTask);
      for (size_t id = task * kNodesPerTask; id < end; ++id) work(static_cast<uint32_t>(id));
      return context.Check();
    });
  };
  float* const projections = projected.mutable_data();
  KITE_RETURN_IF_ERROR(for_each_node([&](uint32_t id) {
    projection.Apply(codes.code(id), codes.terms(id).scale, projections + id * dims);
  }));

  neighbor_codes.groups_per_node_ = layer.degree / kGroupSlots;
  const size_t group_bytes = GroupBytes(dims / 16);
  const size_t node_bytes = neighbor_codes.groups_per_node_ * group_bytes;
  KITE_ASSIGN_OR_RETURN(neighbor_codes.groups_, NodeRows::Allocate(count, node_bytes));
  neighbor_codes.projection_ = std::move(projection);
  neighbor_codes.SetMean(codes);
  // Bounds of both factors: |r| is at most twice the longest vector, weights are at most |r|.
  const bool l2 = metric == Metric::kL2;
  const float longest = std::sqrt(square_max);
  const float a_max = l2 ? square_max * (4 + 4 * std::sqrt(static_cast<float>(dims)))
                         : 2 * longest * std::sqrt(neighbor_codes.mean_square_);
  const float units[2] = {a_max > 0 ? a_max / kFactorMax : 1, 4 * longest / kFactorMax};
  KITE_ASSIGN_OR_RETURN(neighbor_codes.units_, Array<float>::Copy(units));
  const Encoder encoder{l2, dims, units[0], units[1]};
  uint8_t* const groups = neighbor_codes.groups_.mutable_data();
  KITE_RETURN_IF_ERROR(for_each_node([&](uint32_t id) {
    const uint32_t* const links = layer.LinksOf(id);
    uint8_t* const node = groups + id * node_bytes;
    const CodeScorer scorer(codes, Metric::kL2, id);
    uint32_t used = 0;
    while (used < layer.degree && links[used] < count) ++used;
    std::vector<float> offsets(used);
    if (l2) {
      scorer.Ids(links, used, offsets.data());
    } else {
      const float own = codes.terms(id).mean_dot;
      for (uint32_t i = 0; i < used; ++i) offsets[i] = own - codes.terms(links[i]).mean_dot;
    }
    for (size_t i = 0; i < used; ++i) {
      encoder.Encode(projections + id * dims, projections + links[i] * dims, offsets[i],
                     i % kGroupSlots, node + i / kGroupSlots * group_bytes);
    }
  }));
  neighbor_codes.SetEntries(codes, metric, graph);
  return neighbor_codes;
}

void NeighborCodes::SetEntries(const Codes& codes, Metric metric, const Graph& graph) {
  entries_.clear();
  if (graph.layers() < 2) return;
  const GraphLayer& layer = graph.layer(1);
  const auto step = static_cast<uint32_t>((layer.size + kEntriesMax - 1) / kEntriesMax);
  for (uint32_t position = 0; position < layer.size; position += step) {
    // Twins have no links.
    if (layer.LinksOf(position)[0] < layer.size) entries_.push_back(layer.NodeAt(position));
  }
  const size_t used = entries_.size();
  entries_.resize((used + kGroupSlots - 1) / kGroupSlots * kGroupSlots, kNoLink);
  entry_groups_.assign(entries_.size() / kGroupSlots * group_bytes(), 0);
  const std::vector<float> origin(dims(), 0.0F);
  std::vector<float> projected(dims());
  const Encoder encoder{metric == Metric::kL2, dims(), units_[0], units_[1]};
  for (size_t i = 0; i < entries_.size(); ++i) {
    uint8_t* const group = entry_groups_.data() + i / kGroupSlots * group_bytes();
    if (i >= used) {
      reinterpret_cast<uint16_t*>(group)[i % kGroupSlots] = kHalfNan;
      continue;
    }
    const uint32_t id = entries_[i];
    const CodeTerms& terms = codes.terms(id);
    projection_.Apply(codes.code(id), terms.scale, projected.data());
    encoder.Encode(origin.data(), projected.data(),
                   metric == Metric::kL2 ? terms.square : 0.0F - terms.mean_dot, i % kGroupSlots,
                   group);
  }
}

void NeighborCodes::SetMean(const Codes& codes) {
  std::vector<int8_t> code;
  mean_.resize(dims());
  mean_square_ = 0;
  for (const float value : codes.mean()) mean_square_ += value * value;
  if (!std::isnormal(mean_square_)) mean_square_ = 0;
  const CodeScorer mean(codes, Metric::kIP, codes.mean().data(), code);
  projection_.Apply(mean.query_code(), mean.query_scale(), mean_.data());
}

GroupQuery NeighborCodes::Prepare(const CodeScorer& scorer, std::vector<float>& projected) const {
  projected.resize(dims());
  projection_.Apply(scorer.query_code(), scorer.query_scale(), projected.data());
  GroupQuery query{.dims16 = dims() / 16, .a_unit = units_[0], .b_unit = units_[1]};
  if (scorer.l2()) return query;
  const float share = MeanShare(scorer);
  for (size_t j = 0; j < projected.size(); ++j) projected[j] -= share * mean_[j];
  query.a_unit *= share;
  return query;
}

Result<NeighborCodes> NeighborCodes::Load(const IndexFileReader& reader, const Codes& vector_codes,
                                          Metric metric, const Graph& graph, LoadMode mode,
                                          LoadMode rows_mode) {
  const uint32_t degree = graph.layer(0).degree;
  NeighborCodes codes;
  if (!AreIn(reader)) return codes;
  const uint64_t dims = reader.Size(SectionId::kGraphProjectionScale) / sizeof(float);
  if (dims == 0 || dims % 16 != 0 || dims > kDimsMax || degree % kGroupSlots != 0) {
    return Status::Corruption(StatusSubject::kIndex,
                              "the index file is damaged: neighbour codes of " +
                                  std::to_string(dims) + " dimensions");
  }
  codes.groups_per_node_ = degree / kGroupSlots;
  KITE_ASSIGN_OR_RETURN(codes.projection_, Projection::Load(reader, dims, mode));
  KITE_ASSIGN_OR_RETURN(
      codes.groups_,
      NodeRows::Read(reader, SectionId::kGraphNeighborCodes, reader.header().count,
                     codes.groups_per_node_ * GroupBytes(dims / 16), rows_mode));
  KITE_ASSIGN_OR_RETURN(codes.units_,
                        reader.Read<float>(SectionId::kGraphNeighborUnits, 2, mode));
  codes.SetMean(vector_codes);
  codes.SetEntries(vector_codes, metric, graph);
  return codes;
}

void NeighborCodes::AddSections(IndexFileWriter& writer) const {
  if (empty()) return;
  projection_.AddSections(writer);
  groups_.AddTo(writer, SectionId::kGraphNeighborCodes);
  writer.Add(SectionId::kGraphNeighborUnits, units_.span());
}

}  // namespace kite::engine
