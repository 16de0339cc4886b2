#include "hnsw/route_costs.h"

namespace kite::engine {
namespace {

/// Nanoseconds. Fitted to searches of 100 000 x 128 and 59 000 x 384 vectors by one route only, with
/// and without neighbour codes, at every level, on a core that shares its caches with others;
/// only the ratios matter. What a code costs is its cache lines more than its arithmetic.
struct Constants {
  double survivor;            ///< a vector that passes: its bit, its terms, its place among the best
  double dimension;           ///< of a code that is scanned
  double bit_survivor;        ///< the same where 1-bit codes are scanned
  double bit_dimension;
  double node;                ///< a node that is expanded by neighbour codes
  double link;                ///< each of its links
  double scattered;           ///< a node's neighbour that is scored by its code
  double scattered_dimension;
};

constexpr Constants kWide = {.survivor = 8,
                             .dimension = 0.05,
                             .bit_survivor = 5.5,
                             .bit_dimension = 0.006,
                             .node = 200,
                             .link = 8,
                             .scattered = 12,
                             .scattered_dimension = 0.08};
constexpr Constants kScalar = {.survivor = 8,
                               .dimension = 0.5,
                               .bit_survivor = 10,
                               .bit_dimension = 0.35,
                               .node = 500,
                               .link = 80,
                               .scattered = 12,
                               .scattered_dimension = 0.5};

constexpr double kBit = 0.02;
constexpr double kDescent = 8000;
/// A scan of 1-bit codes: the query is projected, and some hundred vectors are ranked by 8 bits.
constexpr double kRanking = 6000;
constexpr double kRankingDimension = 25;

}  // namespace

RouteCosts::RouteCosts(size_t count, uint32_t dim, uint32_t degree, bool neighbor_codes,
                       SimdLevel level)
    : gather_(kBit * static_cast<double>(count)), descent_(kDescent) {
  const Constants& cost = level == SimdLevel::kScalar ? kScalar : kWide;
  survivor_ = neighbor_codes ? cost.bit_survivor + cost.bit_dimension * dim
                             : cost.survivor + cost.dimension * dim;
  if (neighbor_codes) gather_ += kRanking + kRankingDimension * dim;
  node_ = neighbor_codes ? cost.node + cost.link * degree
                         : (cost.scattered + cost.scattered_dimension * dim) * degree;
}

double RouteCosts::Scan(size_t survivors) const {
  return gather_ + survivor_ * static_cast<double>(survivors);
}

double RouteCosts::Walk(size_t nodes) const {
  return descent_ + node_ * static_cast<double>(nodes);
}

}  // namespace kite::engine
