#include "hnsw/graph.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kite::engine {
namespace {

/// SplitMix64 (Steele, Lea and Flood 2014): a good 64-bit mix of a counter.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

size_t Graph::DrawLayer(uint64_t seed, uint32_t id, uint32_t m) {
  const uint64_t threshold = std::numeric_limits<uint64_t>::max() / m;
  uint64_t draw = Mix(seed ^ Mix(id));
  size_t layer = 0;
  for (; draw < threshold && layer + 1 < kLayersMax; ++layer) draw *= m;
  return layer;
}

uint32_t Graph::BaseDegree(uint32_t m) {
  constexpr uint32_t kDegree = 32;
  return m >= kDegree ? 2 * kDegree : std::min(2 * m, kDegree);
}

size_t Graph::EstimateUpperBytes(size_t count, uint32_t m) {
  // Expected n / (M - 1) nodes above layer 0; five standard deviations bound the draw.
  const double upper = static_cast<double>(count) / static_cast<double>(m - 1);
  const auto upper_max = static_cast<size_t>(upper + 5 * std::sqrt(upper) + 8);
  return upper_max * (m + 2) * sizeof(uint32_t);
}

size_t Graph::EstimateBytes(size_t count, uint32_t m) {
  return count * BaseDegree(m) * sizeof(uint32_t) + EstimateUpperBytes(count, m);
}

Result<Graph> Graph::Create(size_t count, uint32_t m, uint64_t seed, uint32_t base_degree) {
  std::vector<uint32_t> sizes;
  for (uint32_t id = 0; id < count; ++id) {
    const size_t top = DrawLayer(seed, id, m);
    if (top > sizes.size()) sizes.resize(top, 0);
    for (size_t level = 1; level <= top; ++level) ++sizes[level - 1];
  }
  Graph graph;
  KITE_RETURN_IF_ERROR(graph.AllocateLayers(count, m, base_degree, sizes));

  // Fill the upper layers in ascending order of ids; `next` counts what each has so far.
  std::vector<size_t> begin(sizes.size(), 0);
  std::exclusive_scan(sizes.begin(), sizes.end(), begin.begin(), size_t{0});
  std::vector<uint32_t> next(sizes.size(), 0);
  uint32_t* const nodes = graph.upper_nodes_.mutable_data();
  uint32_t* const down = graph.upper_down_.mutable_data();
  for (uint32_t id = 0; id < count; ++id) {
    const size_t top = DrawLayer(seed, id, m);
    for (size_t upper = 0; upper < top; ++upper) {
      nodes[begin[upper] + next[upper]] = id;
      down[begin[upper] + next[upper]] = upper == 0 ? id : next[upper - 1] - 1;
      ++next[upper];
    }
  }
  return graph;
}

Status Graph::AllocateLayers(size_t count, uint32_t m, uint32_t base_degree,
                             const std::vector<uint32_t>& upper_sizes) {
  meta_.assign(1, static_cast<uint32_t>(upper_sizes.size()));
  meta_.insert(meta_.end(), upper_sizes.begin(), upper_sizes.end());
  const size_t upper = std::accumulate(upper_sizes.begin(), upper_sizes.end(), size_t{0});
  KITE_ASSIGN_OR_RETURN(links_, NodeRows::Allocate(count, base_degree * sizeof(uint32_t)));
  KITE_ASSIGN_OR_RETURN(upper_nodes_, Array<uint32_t>::Allocate(upper));
  KITE_ASSIGN_OR_RETURN(upper_down_, Array<uint32_t>::Allocate(upper));
  KITE_ASSIGN_OR_RETURN(upper_links_, Array<uint32_t>::Allocate(upper * m));
  static_assert(kNoLink == 0xFFFFFFFF);
  std::fill_n(links_.mutable_data(), links_.bytes(), uint8_t{0xFF});
  std::fill_n(upper_links_.mutable_data(), upper_links_.size(), kNoLink);
  SetViews(count, base_degree, m);
  return {};
}

void Graph::SetViews(size_t count, uint32_t base_degree, uint32_t m) {
  layers_.assign(1, {.degree = base_degree, .size = static_cast<uint32_t>(count)});
  SetBase();
  size_t begin = 0;
  for (size_t i = 1; i < meta_.size(); ++i) {
    layers_.push_back({.links = upper_links_.data() + begin * m,
                       .degree = m,
                       .stride = m,
                       .size = meta_[i],
                       .nodes = upper_nodes_.data() + begin,
                       .down = upper_down_.data() + begin});
    begin += meta_[i];
  }
}

void Graph::SetBase() {
  layers_[0].links = reinterpret_cast<const uint32_t*>(links_.data());
  layers_[0].stride = static_cast<uint32_t>(links_.stride() / sizeof(uint32_t));
}

Result<Graph> Graph::LoadUpper(const IndexFileReader& reader, uint32_t m, LoadMode mode) {
  const Status corrupt = Status::Corruption(
      StatusSubject::kIndex, "the index file is damaged: the graph's layers do not fit");
  const uint64_t count = reader.header().count;
  const uint64_t meta_size = reader.Size(SectionId::kGraphMeta) / sizeof(uint32_t);
  if (meta_size < 1 || meta_size > kLayersMax) return corrupt;
  KITE_ASSIGN_OR_RETURN(const Array<uint32_t> meta,
                        reader.Read<uint32_t>(SectionId::kGraphMeta, meta_size, mode));
  Graph graph;
  graph.meta_.assign(meta.data(), meta.data() + meta.size());
  if (graph.meta_[0] != meta_size - 1) return corrupt;
  uint64_t upper = 0;
  uint64_t below = count;
  for (size_t i = 1; i < meta_size; ++i) {
    if (graph.meta_[i] < 1 || graph.meta_[i] > below) return corrupt;
    below = graph.meta_[i];
    upper += below;
  }
  KITE_ASSIGN_OR_RETURN(graph.upper_nodes_,
                        reader.Read<uint32_t>(SectionId::kGraphUpperNodes, upper, mode));
  KITE_ASSIGN_OR_RETURN(graph.upper_down_,
                        reader.Read<uint32_t>(SectionId::kGraphUpperDown, upper, mode));
  KITE_ASSIGN_OR_RETURN(graph.upper_links_,
                        reader.Read<uint32_t>(SectionId::kGraphUpperLinks, upper * m, mode));
  graph.SetViews(count, 0, m);
  for (size_t level = 1; level < graph.layers(); ++level) {
    const GraphLayer& layer = graph.layer(level);
    for (uint32_t i = 0; i < layer.size; ++i) {
      if (layer.nodes[i] >= count || layer.down[i] >= graph.layer(level - 1).size) return corrupt;
    }
  }
  return graph;
}

Result<Graph> Graph::Load(const IndexFileReader& reader, uint32_t m, LoadMode mode,
                          LoadMode links_mode) {
  KITE_ASSIGN_OR_RETURN(Graph graph, LoadUpper(reader, m, mode));
  const uint64_t count = reader.header().count;
  // Files of the first version have 2M links per node.
  const uint64_t links = reader.Size(SectionId::kGraphLinks) / sizeof(uint32_t);
  const uint32_t degree = links == count * BaseDegree(m) ? BaseDegree(m) : 2 * m;
  KITE_ASSIGN_OR_RETURN(graph.links_, NodeRows::Read(reader, SectionId::kGraphLinks, count,
                                                     degree * sizeof(uint32_t), links_mode));
  graph.SetViews(count, degree, m);
  return graph;
}

void Graph::AddSections(IndexFileWriter& writer) const {
  links_.AddTo(writer, SectionId::kGraphLinks);
  AddUpperSections(writer);
}

void Graph::AddUpperSections(IndexFileWriter& writer) const {
  writer.Add(SectionId::kGraphMeta, std::span<const uint32_t>(meta_));
  writer.Add(SectionId::kGraphUpperNodes, upper_nodes_.span());
  writer.Add(SectionId::kGraphUpperDown, upper_down_.span());
  writer.Add(SectionId::kGraphUpperLinks, upper_links_.span());
}

uint32_t Graph::FirstTwin(uint32_t id) const {
  const uint32_t last = ReadLink(layers_[0].LinksOf(id) + layers_[0].degree - 1);
  if ((last & kTwinMark) == 0) return kNoLink;
  const uint32_t twin = last & ~kTwinMark;
  return twin < layers_[0].size ? twin : kNoLink;
}

uint32_t Graph::NextTwin(uint32_t id) const {
  const uint32_t next = ReadLink(layers_[0].LinksOf(id));
  // Ascending, so that a damaged file cannot make a circle.
  return next > id && next < layers_[0].size ? next : kNoLink;
}

void Graph::SetTwins(const std::vector<Twin>& twins) {
  const uint32_t last = layers_[0].degree - 1;
  for (size_t i = 0; i < twins.size(); ++i) {
    const bool first = i == 0 || twins[i - 1].of != twins[i].of;
    if (first) {
      MutableLinks(0, twins[i].of)[last] = kTwinMark | twins[i].id;
    } else {
      MutableLinks(0, twins[i - 1].id)[0] = twins[i].id;
    }
  }
}

uint32_t* Graph::MutableLinks(size_t level, uint32_t position) {
  if (level == 0) return reinterpret_cast<uint32_t*>(links_.mutable_row(position));
  const size_t offset =
      static_cast<size_t>(layers_[level].LinksOf(position) - layers_[level].links);
  return upper_links_.mutable_data() + (layers_[level].links - upper_links_.data()) + offset;
}

size_t Graph::memory_bytes() const {
  return links_.bytes() + upper_nodes_.bytes() + upper_down_.bytes() + upper_links_.bytes();
}

}  // namespace kite::engine
