// Scalar: one value of one row, whatever it was read from; exact comparison and checked arithmetic
// of numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/types.h"
#include "query/filter/syntax.h"

namespace kite::query::filter {

enum class Tri : uint8_t { kFalse, kTrue, kUnknown };

[[nodiscard]] constexpr Tri ToTri(bool value) { return value ? Tri::kTrue : Tri::kFalse; }

/// A 64-bit integer or a double.
struct Number {
  bool is_int = true;
  int64_t integer = 0;
  double floating = 0;

  static Number Int(int64_t value) { return {true, value, 0}; }
  static Number Double(double value) { return {false, 0, value}; }
  [[nodiscard]] double AsDouble() const { return is_int ? static_cast<double>(integer) : floating; }
};

/// -1, 0, 1; 2 when either is NaN. Exact: no integer is rounded.
[[nodiscard]] int CompareIntDouble(int64_t a, double b);
[[nodiscard]] int CompareNumbers(const Number& a, const Number& b);

/// The result of a comparison operator, from -1, 0, 1 or 2 (unordered).
[[nodiscard]] bool Satisfies(Op op, int order);
/// `a op b` is `b Mirrored(op) a`.
[[nodiscard]] Op Mirrored(Op op);

/// Nothing when the result is no finite number, or the operator needs integers and has others.
[[nodiscard]] std::optional<Number> Apply(Op op, const Number& a, const Number& b);
[[nodiscard]] std::optional<Number> ApplyUnary(Op op, const Number& a);

/// The double as an integer when it is one exactly.
[[nodiscard]] std::optional<int64_t> ExactInteger(double value);

struct Scalar {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kText, kArray, kObject };
  Kind kind = Kind::kNull;
  bool boolean = false;
  Number number;
  std::string_view text;  // of kText its characters; of kArray and kObject the stored bytes
  /// Of kArray: the type of an ARRAY field's elements, or kNone when `text` is JSON.
  model::DataType element_type = model::DataType::kNone;

  static Scalar Bool(bool value);
  static Scalar Of(Number value);
  static Scalar Text(std::string_view value);
};

/// The kind of a constant; lists are kArray. The text of a string constant is borrowed.
[[nodiscard]] Scalar::Kind KindOf(const Constant& constant);
[[nodiscard]] Scalar ScalarOf(const Constant& constant);
[[nodiscard]] Number NumberOf(const Constant& constant);

/// Iterates the elements of a kArray scalar. The text of an element may point into `scratch`, until
/// the next call.
class ElementReader {
 public:
  explicit ElementReader(const Scalar& array)
      : rest_(array.text), element_type_(array.element_type) {}
  /// False at the end, or where the bytes are malformed.
  bool Next(Scalar& element, std::string& scratch);

 private:
  bool NextJson(Scalar& element, std::string& scratch);
  bool started_ = false;
  std::string_view rest_;
  model::DataType element_type_;
};

/// Whether an array equals a list: the same length, and equal elements in order.
[[nodiscard]] bool ArrayEquals(const Scalar& array, const ConstantList& list);
/// Equality of any scalar with a constant; values of different kinds are not equal.
[[nodiscard]] bool EqualsConstant(const Scalar& value, const Constant& constant);

}  // namespace kite::query::filter
