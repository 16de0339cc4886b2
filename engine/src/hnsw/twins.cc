#include "hnsw/twins.h"

#include <algorithm>
#include <cstring>

#include "hnsw/graph.h"

namespace kite::engine {
namespace {

/// FNV-1a over 64-bit words (a last part of a word counts as one), folded to 32 bits.
uint32_t HashVector(const std::byte* vector, size_t bytes) {
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (size_t j = 0; j < bytes; j += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, vector + j, std::min(sizeof(uint64_t), bytes - j));
    hash = (hash ^ word) * 0x100000001B3ULL;
    hash ^= hash >> 29;
  }
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

/// Appends the twins among the ids of one group of equal vectors.
void AddGroup(const std::vector<uint32_t>& ids, uint32_t m, uint64_t seed,
              std::vector<Twin>& twins) {
  const uint32_t of = *std::max_element(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) {
    const size_t layer_a = Graph::DrawLayer(seed, a, m);
    const size_t layer_b = Graph::DrawLayer(seed, b, m);
    return layer_a != layer_b ? layer_a < layer_b : a > b;
  });
  for (const uint32_t id : ids) {
    if (id != of) twins.push_back({of, id});
  }
}

}  // namespace

std::vector<Twin> FindTwins(const Vectors& vectors, uint32_t m, uint64_t seed) {
  const VectorMatrix matrix = vectors.matrix();
  std::vector<uint64_t> hashes(vectors.count());  // hash, then id
  for (size_t id = 0; id < hashes.size(); ++id) {
    hashes[id] = uint64_t{HashVector(matrix.row(id), matrix.row_bytes)} << 32 | id;
  }
  std::sort(hashes.begin(), hashes.end());
  std::vector<Twin> twins;
  std::vector<uint32_t> group;
  for (size_t begin = 0; begin < hashes.size();) {
    const auto first = static_cast<uint32_t>(hashes[begin]);
    group.assign(1, first);
    size_t end = begin + 1;
    for (; end < hashes.size() && hashes[end] >> 32 == hashes[begin] >> 32; ++end) {
      const auto id = static_cast<uint32_t>(hashes[end]);
      if (std::memcmp(matrix.row(first), matrix.row(id), matrix.row_bytes) != 0) break;
      group.push_back(id);
    }
    if (group.size() > 1) AddGroup(group, m, seed, twins);
    begin = end;
  }
  std::sort(twins.begin(), twins.end(),
            [](const Twin& a, const Twin& b) { return a.of != b.of ? a.of < b.of : a.id < b.id; });
  return twins;
}

}  // namespace kite::engine
