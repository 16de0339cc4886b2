// ColumnLeaf: what the leaves on one column share: nulls, negation, and the use of a scalar index.
#pragma once

#include <cstdint>

#include "query/filter/node.h"

namespace kite::query::filter {

class ColumnLeaf : public Node {
 public:
  ColumnLeaf(const FieldRef& field, bool negated) : field_(field), negated_(negated) {}

 protected:
  /// What the statistics say about the predicate itself (not negated) on the column's values.
  virtual Outcome FromStats(const segment::ColumnStats&) const { return Outcome::kVaries; }
  /// Sets the bits of the rows whose value satisfies the predicate; false when the index cannot
  /// tell.
  virtual bool FromIndex(const segment::ScalarIndex&, uint64_t*) const { return false; }
  /// The predicate on the batch's rows; null rows may get either bit.
  virtual void Scan(const model::Column& column, const Batch& batch, const uint64_t* active,
                    uint64_t* out) const = 0;

  Result<Outcome> DoPrepare(EvalState& state) const final;
  void DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const final;

  [[nodiscard]] const FieldRef& field() const { return field_; }
  [[nodiscard]] bool negated() const { return negated_; }

 private:
  FieldRef field_;
  bool negated_;
};

/// Bits of the rows that have a value, for the words of the batch.
void ValidBits(const model::Column& column, const Batch& batch, uint64_t* out);

}  // namespace kite::query::filter
