// RowPredicate: a predicate with constants on one value, whatever it was read from. Three-valued: a
// value of a kind that the constants cannot be compared with is unknown.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "query/filter/scalar.h"
#include "query/filter/text_pattern.h"

namespace kite::query::filter {

/// A set of constants of any kinds, in which numbers are equal when their values are. Each distinct
/// constant has a position from 0. Arrays in it are searched one by one; the binder limits their
/// number.
class ConstantSet {
 public:
  explicit ConstantSet(ConstantList list);
  ConstantSet(const ConstantSet&) = delete;
  ConstantSet& operator=(const ConstantSet&) = delete;

  static constexpr int kAbsent = -1;
  [[nodiscard]] int Find(const Scalar& value) const;
  [[nodiscard]] int FindInteger(int64_t value) const;
  [[nodiscard]] int FindDouble(double value) const;
  [[nodiscard]] int FindText(std::string_view value) const;

  /// How many distinct constants there are.
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return list_.empty(); }
  [[nodiscard]] bool HasKind(Scalar::Kind kind) const {
    return (kinds_ & (1U << static_cast<unsigned>(kind))) != 0;
  }
  [[nodiscard]] const ConstantList& list() const { return list_; }

 private:
  // Open addressing; a slot holds position + 1, 0 is free.
  struct IntegerTable {
    std::vector<std::pair<int64_t, int32_t>> slots;
    uint64_t mask = 0;
  };
  void InsertInteger(int64_t value);

  ConstantList list_;
  IntegerTable integers_;
  std::unordered_map<double, int> doubles_;  // those that are no integers
  std::unordered_map<std::string_view, int> texts_;
  int booleans_[2] = {kAbsent, kAbsent};
  std::vector<std::pair<size_t, int>> arrays_;
  uint32_t kinds_ = 0;
  int size_ = 0;
};

class RowPredicate {
 public:
  virtual ~RowPredicate() = default;
  /// `value` is not null.
  [[nodiscard]] virtual Tri Test(const Scalar& value) const = 0;
};
using RowPredicatePtr = std::unique_ptr<const RowPredicate>;

RowPredicatePtr MakeComparePredicate(Op op, Constant constant);
/// `low op value op2 high`, written that way round: op is kLess or kLessEqual, or both are greater.
RowPredicatePtr MakeRangePredicate(Constant low, Op op, Op op2, Constant high);
RowPredicatePtr MakeInPredicate(ConstantList list);
RowPredicatePtr MakePatternPredicate(std::unique_ptr<const TextPattern> pattern);

enum class Containment : uint8_t { kAny, kAll };
/// On arrays: whether any, or all, of the constants are elements.
RowPredicatePtr MakeContainsPredicate(Containment containment, ConstantList list);

}  // namespace kite::query::filter
