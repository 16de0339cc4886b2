#include "segment/sorted_index.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kite/engine/types.h"

namespace kite::segment {
namespace {

using model::Column;
using model::DataType;
using model::Value;

/// Exact, unlike a comparison of both as double. `b` is not NaN.
int CompareNumbers(int64_t a, double b) {
  constexpr double kTwoTo63 = 9223372036854775808.0;
  if (b >= kTwoTo63) return -1;
  if (b < -kTwoTo63) return 1;
  const double whole = std::floor(b);
  const auto floor = static_cast<int64_t>(whole);
  if (a != floor) return a < floor ? -1 : 1;
  return whole < b ? -1 : 0;
}
template <typename T>
int CompareSame(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

/// The comparisons of one stored type T (T as the Column holds it; std::string_view for VARCHAR).
template <typename T>
struct Values {
  using Wide = std::conditional_t<std::is_same_v<T, std::string_view>, std::string_view,
                                  std::conditional_t<std::is_floating_point_v<T>, double, int64_t>>;

  static Wide Get(const Column& column, size_t row) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      return column.Bytes(row);
    } else {
      return static_cast<Wide>(column.Values<T>()[row]);
    }
  }
  static bool IsOrdered(const Wide& value) {
    if constexpr (std::is_same_v<Wide, double>) return !std::isnan(value);
    return true;
  }
  /// Whether a value of the filter can be compared with the column's at all.
  static bool Fits(const Value& value) {
    if (const auto* d = std::get_if<double>(&value))
      return !std::isnan(*d) && !std::is_same_v<Wide, std::string_view>;
    if (std::holds_alternative<std::string>(value)) return std::is_same_v<Wide, std::string_view>;
    return !std::holds_alternative<std::monostate>(value) &&
           !std::is_same_v<Wide, std::string_view>;
  }
  static int Compare(const Wide& a, const Value& value) {
    if constexpr (std::is_same_v<Wide, std::string_view>) {
      return a.compare(std::get<std::string>(value));
    } else {
      const auto* d = std::get_if<double>(&value);
      const auto* b = std::get_if<bool>(&value);
      if constexpr (std::is_same_v<Wide, double>) {
        if (d != nullptr) return CompareSame(a, *d);
        return -CompareNumbers(b != nullptr ? int64_t{*b} : std::get<int64_t>(value), a);
      } else {
        if (d != nullptr) return CompareNumbers(a, *d);
        return CompareSame(a, b != nullptr ? int64_t{*b} : std::get<int64_t>(value));
      }
    }
  }
};

template <typename T>
class SortedIndex final : public ScalarIndex {
 public:
  using V = Values<T>;

  explicit SortedIndex(const Column& column) : column_(column) {
    rows_.reserve(column.rows);
    for (size_t row = 0; row < column.rows; ++row) {
      if (column.IsValid(row) && V::IsOrdered(At(row)))
        rows_.push_back(static_cast<engine::Row>(row));
    }
    std::sort(rows_.begin(), rows_.end(), [&](engine::Row a, engine::Row b) {
      const int order = CompareSame(At(a), At(b));
      return order != 0 ? order < 0 : a < b;
    });
  }

  void Equals(std::span<const Value> any_of, uint64_t* bits) const override {
    for (const Value& value : any_of) {
      if (V::Fits(value)) Set(LowerBound(value), UpperBound(value), bits);
    }
  }

  bool InRange(const Bound& low, const Bound& high, uint64_t* bits) const override {
    const auto is_open = [](const Bound& bound) {
      return std::holds_alternative<std::monostate>(bound.value);
    };
    if (!is_open(low) && !V::Fits(low.value)) return false;
    if (!is_open(high) && !V::Fits(high.value)) return false;
    size_t first = 0;
    size_t end = rows_.size();
    if (!is_open(low)) first = low.inclusive ? LowerBound(low.value) : UpperBound(low.value);
    if (!is_open(high)) end = high.inclusive ? UpperBound(high.value) : LowerBound(high.value);
    Set(first, end, bits);
    return true;
  }

  bool HasPrefix(std::string_view prefix, uint64_t* bits) const override {
    if constexpr (std::is_same_v<T, std::string_view>) {
      const auto first = std::partition_point(rows_.begin(), rows_.end(), [&](engine::Row row) {
        return At(row).substr(0, prefix.size()) < prefix;
      });
      const auto end = std::partition_point(
          first, rows_.end(), [&](engine::Row row) { return At(row).starts_with(prefix); });
      Set(first - rows_.begin(), end - rows_.begin(), bits);
      return true;
    } else {
      return false;
    }
  }

  [[nodiscard]] size_t memory_bytes() const override {
    return sizeof(*this) + rows_.capacity() * sizeof(engine::Row);
  }

 private:
  [[nodiscard]] typename V::Wide At(size_t row) const { return V::Get(column_, row); }
  [[nodiscard]] size_t LowerBound(const Value& value) const {
    return std::partition_point(rows_.begin(), rows_.end(),
                                [&](engine::Row row) { return V::Compare(At(row), value) < 0; }) -
           rows_.begin();
  }
  [[nodiscard]] size_t UpperBound(const Value& value) const {
    return std::partition_point(rows_.begin(), rows_.end(),
                                [&](engine::Row row) { return V::Compare(At(row), value) <= 0; }) -
           rows_.begin();
  }
  void Set(size_t first, size_t end, uint64_t* bits) const {
    for (size_t i = first; i < end; ++i) bits[rows_[i] >> 6] |= uint64_t{1} << (rows_[i] & 63);
  }

  const Column column_;
  std::vector<engine::Row> rows_;
};

template <typename T>
std::shared_ptr<const ScalarIndex> Make(const Column& column) {
  return std::make_shared<const SortedIndex<T>>(column);
}

}  // namespace

Result<std::shared_ptr<const ScalarIndex>> BuildSortedIndex(const Column& column) {
  switch (column.type) {
    case DataType::kBool:
      return Make<uint8_t>(column);
    case DataType::kInt8:
      return Make<int8_t>(column);
    case DataType::kInt16:
      return Make<int16_t>(column);
    case DataType::kInt32:
      return Make<int32_t>(column);
    case DataType::kInt64:
    case DataType::kTimestamptz:
      return Make<int64_t>(column);
    case DataType::kFloat:
      return Make<float>(column);
    case DataType::kDouble:
      return Make<double>(column);
    case DataType::kVarChar:
      return Make<std::string_view>(column);
    default:
      break;
  }
  return Status::InvalidArgument(
      StatusSubject::kIndex, "a field of type " + std::string(model::DataTypeName(column.type)) +
                                 " cannot have a sorted index; bool, numbers and VARCHAR can");
}

}  // namespace kite::segment
