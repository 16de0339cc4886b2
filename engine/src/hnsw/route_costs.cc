#include "hnsw/route_costs.h"

namespace kite::engine {
namespace {

/// Nanoseconds. Fitted with kite_route_costs_bench (route_costs_bench.cc) to 100 000 x 128 and
/// 59 000 x 384 vectors, with and without neighbour codes, at every level, on a core that shares its
/// caches with others; only the ratios matter. What a code costs is its cache lines more than its
/// arithmetic.
struct Constants {
  double survivor;            ///< a vector that passes: its bit, its terms, its place among the best
  double dimension;           ///< of a code that is scanned
  // Where 1-bit codes are scanned.
  double ranking;             ///< the query is projected, and some hundred vectors are ranked by 8 bits
  double ranking_dimension;
  double bit_survivor;
  double bit_dimension;
  // Where nodes are expanded by neighbour codes.
  double node;
  double link;                ///< each of its links
  double link_dimension;
  // Elsewhere.
  double scattered;           ///< a node's neighbour that is scored by its code
  double scattered_dimension;
};

/// Bits are counted by the vector (bits_avx512_ext.cc).
constexpr Constants kCounting = {.survivor = 2,
                                 .dimension = 0.034,
                                 .ranking = 11500,
                                 .ranking_dimension = 5,
                                 .bit_survivor = 3.4,
                                 .bit_dimension = 0.001,
                                 .node = 55,
                                 .link = 3,
                                 .link_dimension = 0.006,
                                 .scattered = 8,
                                 .scattered_dimension = 0.0096};
constexpr Constants kWide = {.survivor = 1,
                             .dimension = 0.061,
                             .ranking = 15000,
                             .ranking_dimension = 8,
                             .bit_survivor = 7,
                             .bit_dimension = 0.003,
                             .node = 62,
                             .link = 4,
                             .link_dimension = 0.0055,
                             .scattered = 7,
                             .scattered_dimension = 0.0195};
constexpr Constants kScalar = {.survivor = 6,
                               .dimension = 0.39,
                               .ranking = 60000,
                               .ranking_dimension = 100,
                               .bit_survivor = 52,
                               .bit_dimension = 0.16,
                               .node = 70,
                               .link = 41,
                               .link_dimension = 0.09,
                               .scattered = 21,
                               .scattered_dimension = 0.15};

constexpr double kBit = 0.02;
/// Without neighbour codes a walk begins in the upper layers.
constexpr double kDescent = 8000;
constexpr double kEntering = 1000;

const Constants& ConstantsAt(SimdLevel level) {
  if (level < SimdLevel::kAvx2) return kScalar;
  return level == SimdLevel::kAvx512Ext ? kCounting : kWide;
}

}  // namespace

RouteCosts::RouteCosts(size_t count, uint32_t dim, uint32_t degree, bool neighbor_codes,
                       SimdLevel level)
    : gather_(kBit * static_cast<double>(count)), descent_(neighbor_codes ? kEntering : kDescent) {
  const Constants& cost = ConstantsAt(level);
  survivor_ = neighbor_codes ? cost.bit_survivor + cost.bit_dimension * dim
                             : cost.survivor + cost.dimension * dim;
  if (neighbor_codes) gather_ += cost.ranking + cost.ranking_dimension * dim;
  node_ = neighbor_codes ? cost.node + (cost.link + cost.link_dimension * dim) * degree
                         : (cost.scattered + cost.scattered_dimension * dim) * degree;
}

double RouteCosts::Scan(size_t survivors) const {
  return gather_ + survivor_ * static_cast<double>(survivors);
}

double RouteCosts::Walk(size_t nodes) const {
  return descent_ + node_ * static_cast<double>(nodes);
}

}  // namespace kite::engine
