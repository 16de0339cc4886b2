// SearchJob: one query of one Search call, as the index types see it.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kite/engine/index.h"
#include "search/hit.h"
#include "search/pacer.h"
#include "search/scorer.h"
#include "search/scratch_impl.h"

namespace kite::engine {

/// How many vectors pass the filter. Two bitsets may overlap, and null rows may be among their
/// bits, so only bounds are known; `expected` assumes that the bitsets are independent.
struct Survivors {
  size_t max = 0;
  size_t expected = 0;
};

[[nodiscard]] Survivors CountSurvivors(const Filter& filter, size_t vectors, size_t rows);

struct SearchJob {
  const SearchParams& params;
  const Filter& filter;
  const HitWindow window;
  const Survivors survivors;
  Scorer& scorer;
  Pacer& pacer;
  Scratch::Impl& scratch;
};

/// The window of a range search and of an iterator's position. InvalidArgument(Parameter) for NaN
/// and for bounds in the wrong order.
[[nodiscard]] Result<HitWindow> MakeWindow(Metric metric, const SearchParams& params);

/// Picks, in order, at most params.group_size hits of each of the first params.k groups out of
/// `ordered` into `out`. True when all groups are full, so that more hits would change nothing.
bool SelectGroups(std::vector<Hit>& ordered, const SearchParams& params, std::vector<Hit>& out);

/// Shows scratch.hits to the sink as rows and scores.
void Deliver(Metric metric, Scratch::Impl& scratch, size_t query, const Sink& sink);

}  // namespace kite::engine
