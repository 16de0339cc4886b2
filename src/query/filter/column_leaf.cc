#include "query/filter/column_leaf.h"

#include <algorithm>

namespace kite::query::filter {

Result<Outcome> ColumnLeaf::DoPrepare(EvalState& state) const {
  const auto stats = state.source().GetStats(field_.id);
  const bool no_nulls = !field_.nullable || (stats && stats->nulls == 0);
  if (stats) {
    const Outcome outcome = FromStats(*stats);
    // A null row is never TRUE, so "never" holds whatever the nulls, "always" only without them.
    if (outcome == (negated_ ? Outcome::kAlways : Outcome::kNever)) return Outcome::kNever;
    if (outcome != Outcome::kVaries && no_nulls) return Outcome::kAlways;
  }
  // An index tells no null from a value that does not satisfy the predicate.
  const auto* index = state.source().GetScalarIndex(field_.id);
  if (index != nullptr && (!negated_ || no_nulls)) {
    auto& bits = state.index_bits(id());
    bits.assign((state.rows() + 63) / 64, 0);
    if (FromIndex(*index, bits.data())) {
      if (negated_) std::transform(bits.begin(), bits.end(), bits.begin(), std::bit_not<>());
      return Outcome::kVaries;
    }
    bits.clear();
  }
  KITE_RETURN_IF_ERROR(state.Load(field_));
  return Outcome::kVaries;
}

void ColumnLeaf::DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const {
  const size_t words = batch.words();
  const auto& bits = batch.state.index_bits(id());
  if (!bits.empty()) {
    std::copy_n(bits.begin() + static_cast<ptrdiff_t>(batch.begin / 64), words, out);
    return;
  }
  const model::Column& column = batch.state.column(field_);
  Scan(column, batch, active, out);
  if (negated_) {
    for (size_t i = 0; i < words; ++i) out[i] = ~out[i];
  }
  if (column.valid.empty()) return;
  uint64_t valid[kBatchWords];
  ValidBits(column, batch, valid);
  for (size_t i = 0; i < words; ++i) out[i] &= valid[i];
}

void ValidBits(const model::Column& column, const Batch& batch, uint64_t* out) {
  if (column.valid.empty()) {
    std::fill_n(out, batch.words(), ~uint64_t{0});
    return;
  }
  const uint8_t* valid = column.valid.As<uint8_t>() + batch.begin;
  for (size_t word = 0; word < batch.words(); ++word) {
    const size_t count = std::min<size_t>(64, batch.rows - word * 64);
    uint8_t flags[64] = {};
    for (size_t i = 0; i < count; ++i) flags[i] = valid[word * 64 + i] != 0;
    out[word] = PackBytes(flags);
  }
}

}  // namespace kite::query::filter
