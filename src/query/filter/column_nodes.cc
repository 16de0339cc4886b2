#include "query/filter/column_nodes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

#include "query/filter/column_leaf.h"

namespace kite::query::filter {
namespace {

using model::Column;
using segment::ColumnStats;
using segment::ScalarIndex;

// Applies `test` to each value of a batch. The inner loop has a fixed length, for the vectoriser.
template <typename T, typename Test>
void ScanValues(const T* values, const Batch& batch, uint64_t* out, const Test& test) {
  const size_t full = batch.rows / 64;
  for (size_t word = 0; word < full; ++word) {
    uint8_t flags[64];
    const T* block = values + word * 64;
    for (size_t i = 0; i < 64; ++i) flags[i] = test(block[i]);
    out[word] = PackBytes(flags);
  }
  if (batch.rows % 64 == 0) return;
  uint64_t last = 0;
  for (size_t i = full * 64; i < batch.rows; ++i) {
    last |= static_cast<uint64_t>(test(values[i])) << (i % 64);
  }
  out[full] = last;
}

template <typename T>
using Widest = std::conditional_t<std::is_integral_v<T>, int64_t, double>;

template <typename T>
std::optional<Widest<T>> StatsNumber(const model::Value& value) {
  if (const auto* number = std::get_if<Widest<T>>(&value)) return *number;
  return std::nullopt;
}

// A closed interval of the field's own type: low > high when it is empty.
template <typename T>
class IntervalNode final : public ColumnLeaf {
 public:
  IntervalNode(const FieldRef& field, T low, T high, bool negated)
      : ColumnLeaf(field, negated), low_(low), high_(high) {}
  [[nodiscard]] int cost() const override { return kCostFixed; }

 protected:
  Outcome FromStats(const ColumnStats& stats) const override {
    if (low_ > high_) return Outcome::kNever;
    const auto min = StatsNumber<T>(stats.min);
    const auto max = StatsNumber<T>(stats.max);
    if (!min || !max) return Outcome::kVaries;
    if (*max < low_ || *min > high_) return Outcome::kNever;
    if (std::is_floating_point_v<T>) return Outcome::kVaries;  // there may be NaN
    return *min >= low_ && *max <= high_ ? Outcome::kAlways : Outcome::kVaries;
  }

  bool FromIndex(const ScalarIndex& index, uint64_t* bits) const override {
    if (low_ > high_) return true;
    const auto value = [](T bound) { return model::Value(static_cast<Widest<T>>(bound)); };
    if (low_ == high_) {
      const model::Value key = value(low_);
      index.Equals(std::span(&key, 1), bits);
      return true;
    }
    constexpr T kLowest =
        std::is_integral_v<T> ? std::numeric_limits<T>::min() : -std::numeric_limits<T>::infinity();
    constexpr T kHighest =
        std::is_integral_v<T> ? std::numeric_limits<T>::max() : std::numeric_limits<T>::infinity();
    ScalarIndex::Bound low;
    ScalarIndex::Bound high;
    if (low_ != kLowest) low = {value(low_), true};
    if (high_ != kHighest) high = {value(high_), true};
    return index.InRange(low, high, bits);
  }

  void Scan(const Column& column, const Batch& batch, const uint64_t*,
            uint64_t* out) const override {
    const T low = low_;
    const T high = high_;
    ScanValues(column.Values<T>() + batch.begin, batch, out, [low, high](T value) {
      return static_cast<uint8_t>(value >= low) & static_cast<uint8_t>(value <= high);
    });
  }

 private:
  T low_;
  T high_;
};

template <typename T>
class SetNode final : public ColumnLeaf {
 public:
  SetNode(const FieldRef& field, ConstantList list, bool negated)
      : ColumnLeaf(field, negated), set_(std::move(list)) {}
  [[nodiscard]] int cost() const override { return kCostNumbers; }

 protected:
  bool FromIndex(const ScalarIndex& index, uint64_t* bits) const override {
    std::vector<model::Value> keys;
    keys.reserve(set_.list().size());
    for (const Constant& constant : set_.list()) {
      const Number number = NumberOf(constant);
      if constexpr (std::is_floating_point_v<T>) {
        const double value = number.AsDouble();
        if (CompareNumbers(number, Number::Double(value)) == 0) keys.emplace_back(value);
      } else if (number.is_int) {
        keys.emplace_back(number.integer);
      } else if (const auto integer = ExactInteger(number.floating)) {
        keys.emplace_back(*integer);
      }
    }
    index.Equals(keys, bits);
    return true;
  }

  void Scan(const Column& column, const Batch& batch, const uint64_t* active,
            uint64_t* out) const override {
    const T* values = column.Values<T>() + batch.begin;
    EvaluateRows(batch, active, out, [&](size_t row) {
      if constexpr (std::is_floating_point_v<T>) {
        return set_.FindDouble(values[row]) != ConstantSet::kAbsent;
      } else {
        return set_.FindInteger(values[row]) != ConstantSet::kAbsent;
      }
    });
  }

 private:
  ConstantSet set_;
};

class TextIntervalNode final : public ColumnLeaf {
 public:
  TextIntervalNode(const FieldRef& field, TextBound low, TextBound high, bool negated)
      : ColumnLeaf(field, negated), low_(std::move(low)), high_(std::move(high)) {
    equal_ = low_.inclusive && high_.inclusive && low_.value == high_.value;
  }
  [[nodiscard]] int cost() const override { return kCostText; }

 protected:
  Outcome FromStats(const ColumnStats& stats) const override {
    const auto* min = std::get_if<std::string>(&stats.min);
    const auto* max = std::get_if<std::string>(&stats.max);
    if (min == nullptr || max == nullptr) return Outcome::kVaries;
    if (!AboveLow(*max) || !BelowHigh(*min)) return Outcome::kNever;
    return AboveLow(*min) && BelowHigh(*max) ? Outcome::kAlways : Outcome::kVaries;
  }

  bool FromIndex(const ScalarIndex& index, uint64_t* bits) const override {
    if (equal_) {
      const model::Value key = *low_.value;
      index.Equals(std::span(&key, 1), bits);
      return true;
    }
    ScalarIndex::Bound low;
    ScalarIndex::Bound high;
    if (low_.value) low = {*low_.value, low_.inclusive};
    if (high_.value) high = {*high_.value, high_.inclusive};
    return index.InRange(low, high, bits);
  }

  void Scan(const Column& column, const Batch& batch, const uint64_t* active,
            uint64_t* out) const override {
    if (!equal_) {
      EvaluateRows(batch, active, out, [&](size_t row) {
        const std::string_view text = column.Bytes(batch.begin + row);
        return AboveLow(text) && BelowHigh(text);
      });
      return;
    }
    // Most values differ in length or in the first bytes: look at the offsets before the bytes.
    const std::string_view key = *low_.value;
    const uint64_t* offsets = column.offsets.As<uint64_t>() + batch.begin;
    const char* data = column.data.view().data();
    EvaluateRows(batch, active, out, [&](size_t row) {
      return offsets[row + 1] - offsets[row] == key.size() &&
             std::memcmp(data + offsets[row], key.data(), key.size()) == 0;
    });
  }

 private:
  [[nodiscard]] bool AboveLow(std::string_view text) const {
    if (!low_.value) return true;
    const int order = text.compare(*low_.value);
    return order > 0 || (order == 0 && low_.inclusive);
  }
  [[nodiscard]] bool BelowHigh(std::string_view text) const {
    if (!high_.value) return true;
    const int order = text.compare(*high_.value);
    return order < 0 || (order == 0 && high_.inclusive);
  }

  TextBound low_;
  TextBound high_;
  bool equal_ = false;
};

class TextSetNode final : public ColumnLeaf {
 public:
  TextSetNode(const FieldRef& field, ConstantList list, bool negated)
      : ColumnLeaf(field, negated), set_(std::move(list)) {}
  [[nodiscard]] int cost() const override { return kCostText; }

 protected:
  bool FromIndex(const ScalarIndex& index, uint64_t* bits) const override {
    std::vector<model::Value> keys;
    keys.reserve(set_.list().size());
    for (const Constant& constant : set_.list()) {
      keys.emplace_back(std::get<std::string>(constant.value));
    }
    index.Equals(keys, bits);
    return true;
  }
  void Scan(const Column& column, const Batch& batch, const uint64_t* active,
            uint64_t* out) const override {
    EvaluateRows(batch, active, out, [&](size_t row) {
      return set_.FindText(column.Bytes(batch.begin + row)) != ConstantSet::kAbsent;
    });
  }

 private:
  ConstantSet set_;
};

class PatternNode final : public ColumnLeaf {
 public:
  PatternNode(const FieldRef& field, std::unique_ptr<const TextPattern> pattern, bool negated)
      : ColumnLeaf(field, negated), pattern_(std::move(pattern)) {}
  [[nodiscard]] int cost() const override { return kCostPattern; }

 protected:
  bool FromIndex(const ScalarIndex& index, uint64_t* bits) const override {
    if (pattern_->prefix_decides()) return index.HasPrefix(pattern_->prefix(), bits);
    if (!pattern_->is_exact()) return false;
    const model::Value key = std::string(pattern_->prefix());
    index.Equals(std::span(&key, 1), bits);
    return true;
  }
  void Scan(const Column& column, const Batch& batch, const uint64_t* active,
            uint64_t* out) const override {
    EvaluateRows(batch, active, out,
                 [&](size_t row) { return pattern_->Matches(column.Bytes(batch.begin + row)); });
  }

 private:
  std::unique_ptr<const TextPattern> pattern_;
};

class BoolNode final : public ColumnLeaf {
 public:
  using ColumnLeaf::ColumnLeaf;
  [[nodiscard]] int cost() const override { return kCostFixed; }

 protected:
  bool FromIndex(const ScalarIndex& index, uint64_t* bits) const override {
    const model::Value key = true;
    index.Equals(std::span(&key, 1), bits);
    return true;
  }
  void Scan(const Column& column, const Batch& batch, const uint64_t*,
            uint64_t* out) const override {
    ScanValues(column.Values<uint8_t>() + batch.begin, batch, out,
               [](uint8_t value) { return static_cast<uint8_t>(value != 0); });
  }
};

class NullNode final : public Node {
 public:
  NullNode(const FieldRef& field, bool negated) : field_(field), negated_(negated) {}
  [[nodiscard]] int cost() const override { return kCostFixed; }

 protected:
  Result<Outcome> DoPrepare(EvalState& state) const override {
    const auto stats = state.source().GetStats(field_.id);
    if (!field_.nullable || (stats && stats->nulls == 0)) {
      return negated_ ? Outcome::kAlways : Outcome::kNever;
    }
    KITE_RETURN_IF_ERROR(state.Load(field_));
    return Outcome::kVaries;
  }
  void DoEvaluate(const Batch& batch, const uint64_t*, uint64_t* out) const override {
    ValidBits(batch.state.column(field_), batch, out);
    if (negated_) return;
    for (size_t i = 0; i < batch.words(); ++i) out[i] = ~out[i];
  }

 private:
  FieldRef field_;
  bool negated_;
};

// The bounds of an integer type that the number bounds leave; empty: low > high.
template <typename T>
std::pair<T, T> IntegerInterval(const NumberBound& low, const NumberBound& high) {
  using Limits = std::numeric_limits<T>;
  const std::pair<T, T> empty = {1, 0};
  int64_t first = Limits::min();
  int64_t last = Limits::max();
  if (low.value) {
    const bool whole = low.value->is_int || ExactInteger(low.value->floating);
    if (CompareNumbers(*low.value, Number::Int(last)) > 0) return empty;  // NaN too
    if (CompareNumbers(*low.value, Number::Int(first)) >= 0) {
      first = low.value->is_int ? low.value->integer
                                : static_cast<int64_t>(std::floor(low.value->floating));
      if (!whole || !low.inclusive) {
        if (first == last) return empty;
        ++first;
      }
    }
  }
  if (high.value) {
    const bool whole = high.value->is_int || ExactInteger(high.value->floating);
    const int order = CompareNumbers(*high.value, Number::Int(Limits::min()));
    if (order < 0 || order == 2) return empty;
    if (CompareNumbers(*high.value, Number::Int(last)) <= 0) {
      last = high.value->is_int ? high.value->integer
                                : static_cast<int64_t>(std::floor(high.value->floating));
      if (whole && !high.inclusive) {
        if (last == Limits::min()) return empty;
        --last;
      }
    }
  }
  if (first > last) return empty;
  return {static_cast<T>(first), static_cast<T>(last)};
}

// The double just as large, or the next one in the direction when the number is no double or the
// bound is open.
template <typename T>
std::optional<T> FloatingBound(const NumberBound& bound, T direction) {
  if (!bound.value) return -direction;
  const T value = static_cast<T>(bound.value->AsDouble());
  const int order = CompareNumbers(Number::Double(value), *bound.value);
  if (order == 2) return std::nullopt;
  const bool beyond = direction > 0 ? order > 0 : order < 0;
  if (beyond || (order == 0 && bound.inclusive)) return value;
  if (value == direction) return std::nullopt;
  return std::nextafter(value, direction);
}

template <typename T>
NodePtr MakeFloatingNode(const FieldRef& field, const NumberBound& low, const NumberBound& high,
                         bool negated) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const auto first = FloatingBound<T>(low, kInfinity);
  const auto last = FloatingBound<T>(high, -kInfinity);
  if (!first || !last) return std::make_unique<IntervalNode<T>>(field, T{1}, T{0}, negated);
  return std::make_unique<IntervalNode<T>>(field, *first, *last, negated);
}

template <typename T>
NodePtr MakeIntegerNode(const FieldRef& field, const NumberBound& low, const NumberBound& high,
                        bool negated) {
  const auto [first, last] = IntegerInterval<T>(low, high);
  return std::make_unique<IntervalNode<T>>(field, first, last, negated);
}

}  // namespace

NodePtr MakeIntervalNode(const FieldRef& field, NumberBound low, NumberBound high, bool negated) {
  switch (field.type) {
    case model::DataType::kInt8:
      return MakeIntegerNode<int8_t>(field, low, high, negated);
    case model::DataType::kInt16:
      return MakeIntegerNode<int16_t>(field, low, high, negated);
    case model::DataType::kInt32:
      return MakeIntegerNode<int32_t>(field, low, high, negated);
    case model::DataType::kInt64:
      return MakeIntegerNode<int64_t>(field, low, high, negated);
    case model::DataType::kFloat:
      return MakeFloatingNode<float>(field, low, high, negated);
    default:
      return MakeFloatingNode<double>(field, low, high, negated);
  }
}

NodePtr MakeTextIntervalNode(const FieldRef& field, TextBound low, TextBound high, bool negated) {
  return std::make_unique<TextIntervalNode>(field, std::move(low), std::move(high), negated);
}

NodePtr MakeSetNode(const FieldRef& field, ConstantList list, bool negated) {
  const auto make = [&]<typename T>(T) -> NodePtr {
    return std::make_unique<SetNode<T>>(field, std::move(list), negated);
  };
  switch (field.type) {
    case model::DataType::kInt8:
      return make(int8_t{});
    case model::DataType::kInt16:
      return make(int16_t{});
    case model::DataType::kInt32:
      return make(int32_t{});
    case model::DataType::kInt64:
      return make(int64_t{});
    case model::DataType::kFloat:
      return make(float{});
    case model::DataType::kDouble:
      return make(double{});
    default:
      return std::make_unique<TextSetNode>(field, std::move(list), negated);
  }
}

NodePtr MakePatternNode(const FieldRef& field, std::unique_ptr<const TextPattern> pattern,
                        bool negated) {
  return std::make_unique<PatternNode>(field, std::move(pattern), negated);
}

NodePtr MakeBoolNode(const FieldRef& field, bool negated) {
  return std::make_unique<BoolNode>(field, negated);
}

NodePtr MakeNullNode(const FieldRef& field, bool negated) {
  return std::make_unique<NullNode>(field, negated);
}

}  // namespace kite::query::filter
