#include "query/filter/row_predicate.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace kite::query::filter {
namespace {

uint64_t HashInteger(int64_t value) {
  uint64_t hash = static_cast<uint64_t>(value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 32);
}

Tri TestCompare(Op op, const Scalar& value, const Constant& constant) {
  if (value.kind != KindOf(constant)) return Tri::kUnknown;
  switch (value.kind) {
    case Scalar::Kind::kNumber:
      return ToTri(Satisfies(op, CompareNumbers(value.number, NumberOf(constant))));
    case Scalar::Kind::kText: {
      const int order = value.text.compare(std::get<std::string>(constant.value));
      return ToTri(Satisfies(op, order < 0 ? -1 : order > 0));
    }
    default:
      break;
  }
  if (op != Op::kEqual && op != Op::kNotEqual) return Tri::kUnknown;
  return ToTri(EqualsConstant(value, constant) == (op == Op::kEqual));
}

bool SameConstant(const Constant& a, const Constant& b) {
  const auto* list_a = std::get_if<ConstantList>(&a.value);
  const auto* list_b = std::get_if<ConstantList>(&b.value);
  if (list_a == nullptr || list_b == nullptr) return EqualsConstant(ScalarOf(a), b);
  return std::equal(list_a->begin(), list_a->end(), list_b->begin(), list_b->end(), SameConstant);
}

class ComparePredicate final : public RowPredicate {
 public:
  ComparePredicate(Op op, Constant constant) : op_(op), constant_(std::move(constant)) {}
  [[nodiscard]] Tri Test(const Scalar& value) const override {
    return TestCompare(op_, value, constant_);
  }

 private:
  Op op_;
  Constant constant_;
};

class RangePredicate final : public RowPredicate {
 public:
  RangePredicate(Constant low, Op op, Op op2, Constant high)
      : low_(std::move(low)), op_(Mirrored(op)), op2_(op2), high_(std::move(high)) {}
  [[nodiscard]] Tri Test(const Scalar& value) const override {
    const Tri low = TestCompare(op_, value, low_);
    const Tri high = TestCompare(op2_, value, high_);
    if (low == Tri::kFalse || high == Tri::kFalse) return Tri::kFalse;
    return low == Tri::kUnknown || high == Tri::kUnknown ? Tri::kUnknown : Tri::kTrue;
  }

 private:
  Constant low_;
  Op op_;
  Op op2_;
  Constant high_;
};

class InPredicate final : public RowPredicate {
 public:
  explicit InPredicate(ConstantList list) : set_(std::move(list)) {}
  [[nodiscard]] Tri Test(const Scalar& value) const override {
    if (set_.Find(value) != ConstantSet::kAbsent) return Tri::kTrue;
    return set_.empty() || set_.HasKind(value.kind) ? Tri::kFalse : Tri::kUnknown;
  }

 private:
  ConstantSet set_;
};

class PatternPredicate final : public RowPredicate {
 public:
  explicit PatternPredicate(std::unique_ptr<const TextPattern> pattern)
      : pattern_(std::move(pattern)) {}
  [[nodiscard]] Tri Test(const Scalar& value) const override {
    if (value.kind != Scalar::Kind::kText) return Tri::kUnknown;
    return ToTri(pattern_->Matches(value.text));
  }

 private:
  std::unique_ptr<const TextPattern> pattern_;
};

class ContainsPredicate final : public RowPredicate {
 public:
  ContainsPredicate(Containment containment, ConstantList list)
      : containment_(containment), set_(std::move(list)) {}
  [[nodiscard]] Tri Test(const Scalar& value) const override {
    if (value.kind != Scalar::Kind::kArray) return Tri::kUnknown;
    const bool all = containment_ == Containment::kAll;
    size_t missing = set_.size();
    if (all && missing == 0) return Tri::kTrue;
    std::vector<bool> found(all ? set_.size() : 0);
    ElementReader reader(value);
    Scalar element;
    std::string scratch;
    while (reader.Next(element, scratch)) {
      const int position = set_.Find(element);
      if (position == ConstantSet::kAbsent) continue;
      if (!all) return Tri::kTrue;
      if (found[position]) continue;
      found[position] = true;
      if (--missing == 0) return Tri::kTrue;
    }
    return Tri::kFalse;
  }

 private:
  Containment containment_;
  ConstantSet set_;
};

}  // namespace

ConstantSet::ConstantSet(ConstantList list) : list_(std::move(list)) {
  size_t integers = 0;
  for (const Constant& constant : list_) {
    integers += KindOf(constant) == Scalar::Kind::kNumber;
  }
  const size_t slots = std::bit_ceil(integers * 2 + 1);
  integers_.slots.resize(slots);
  integers_.mask = slots - 1;
  for (size_t i = 0; i < list_.size(); ++i) {
    const Constant& constant = list_[i];
    const Scalar::Kind kind = KindOf(constant);
    kinds_ |= 1U << static_cast<unsigned>(kind);
    if (kind == Scalar::Kind::kArray) {
      const bool known = std::any_of(arrays_.begin(), arrays_.end(), [&](const auto& array) {
        return SameConstant(list_[array.first], constant);
      });
      if (!known) arrays_.emplace_back(i, size_++);
      continue;
    }
    const Scalar value = ScalarOf(constant);
    if (Find(value) != kAbsent) continue;
    if (kind == Scalar::Kind::kBool) {
      booleans_[value.boolean] = size_++;
    } else if (kind == Scalar::Kind::kText) {
      texts_.emplace(value.text, size_++);
    } else if (value.number.is_int) {
      InsertInteger(value.number.integer);
    } else if (const auto integer = ExactInteger(value.number.floating)) {
      InsertInteger(*integer);
    } else {
      doubles_.emplace(value.number.floating, size_++);
    }
  }
}

void ConstantSet::InsertInteger(int64_t value) {
  uint64_t slot = HashInteger(value) & integers_.mask;
  while (integers_.slots[slot].second != 0) slot = (slot + 1) & integers_.mask;
  integers_.slots[slot] = {value, ++size_};
}

int ConstantSet::FindInteger(int64_t value) const {
  uint64_t slot = HashInteger(value) & integers_.mask;
  while (integers_.slots[slot].second != 0) {
    if (integers_.slots[slot].first == value) return integers_.slots[slot].second - 1;
    slot = (slot + 1) & integers_.mask;
  }
  return kAbsent;
}

int ConstantSet::FindDouble(double value) const {
  if (const auto integer = ExactInteger(value)) return FindInteger(*integer);
  const auto found = doubles_.find(value);
  return found == doubles_.end() ? kAbsent : found->second;
}

int ConstantSet::FindText(std::string_view value) const {
  const auto found = texts_.find(value);
  return found == texts_.end() ? kAbsent : found->second;
}

int ConstantSet::Find(const Scalar& value) const {
  switch (value.kind) {
    case Scalar::Kind::kBool:
      return booleans_[value.boolean];
    case Scalar::Kind::kNumber:
      return value.number.is_int ? FindInteger(value.number.integer)
                                 : FindDouble(value.number.floating);
    case Scalar::Kind::kText:
      return FindText(value.text);
    case Scalar::Kind::kArray:
      for (const auto& [index, position] : arrays_) {
        if (EqualsConstant(value, list_[index])) return position;
      }
      return kAbsent;
    default:
      return kAbsent;
  }
}

RowPredicatePtr MakeComparePredicate(Op op, Constant constant) {
  return std::make_unique<ComparePredicate>(op, std::move(constant));
}

RowPredicatePtr MakeRangePredicate(Constant low, Op op, Op op2, Constant high) {
  return std::make_unique<RangePredicate>(std::move(low), op, op2, std::move(high));
}

RowPredicatePtr MakeInPredicate(ConstantList list) {
  return std::make_unique<InPredicate>(std::move(list));
}

RowPredicatePtr MakePatternPredicate(std::unique_ptr<const TextPattern> pattern) {
  return std::make_unique<PatternPredicate>(std::move(pattern));
}

RowPredicatePtr MakeContainsPredicate(Containment containment, ConstantList list) {
  return std::make_unique<ContainsPredicate>(containment, std::move(list));
}

}  // namespace kite::query::filter
