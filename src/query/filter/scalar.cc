#include "query/filter/scalar.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "model/column.h"
#include "query/filter/json_reader.h"

namespace kite::query::filter {
namespace {

std::optional<Number> Finite(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  return Number::Double(value);
}

std::optional<int64_t> IntegerPower(int64_t base, int64_t exponent) {
  int64_t result = 1;
  bool base_overflowed = false;
  while (exponent > 0) {
    if (exponent & 1) {
      if (base_overflowed || __builtin_mul_overflow(result, base, &result)) return std::nullopt;
    }
    exponent >>= 1;
    base_overflowed |= __builtin_mul_overflow(base, base, &base);
  }
  return result;
}

std::optional<Number> ApplyIntegers(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
      return Number::Int(result);
    case Op::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) return std::nullopt;
      return Number::Int(result);
    case Op::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
      return Number::Int(result);
    case Op::kDivide:
      if (b == 0 || (b == -1 && a == std::numeric_limits<int64_t>::min())) return std::nullopt;
      return Number::Int(a / b);
    case Op::kModulo:
      if (b == 0) return std::nullopt;
      return Number::Int(b == -1 ? 0 : a % b);
    case Op::kPower: {
      if (b < 0) return Finite(std::pow(static_cast<double>(a), static_cast<double>(b)));
      const auto power = IntegerPower(a, b);
      if (!power) return std::nullopt;
      return Number::Int(*power);
    }
    case Op::kShiftLeft:
      if (b < 0 || b > 63) return std::nullopt;
      return Number::Int(static_cast<int64_t>(static_cast<uint64_t>(a) << b));
    case Op::kShiftRight:
      if (b < 0 || b > 63) return std::nullopt;
      return Number::Int(a >> b);
    case Op::kBitAnd:
      return Number::Int(a & b);
    case Op::kBitOr:
      return Number::Int(a | b);
    case Op::kBitXor:
      return Number::Int(a ^ b);
    default:
      return std::nullopt;
  }
}

int CompareDoubles(double a, double b) {
  if (a < b) return -1;
  if (a > b) return 1;
  return a == b ? 0 : 2;
}

template <typename T>
bool TakeFixed(std::string_view& rest, T& value) {
  if (rest.size() < sizeof(T)) return false;
  std::memcpy(&value, rest.data(), sizeof(T));
  rest.remove_prefix(sizeof(T));
  return true;
}

template <typename T>
bool TakeInteger(std::string_view& rest, Scalar& element) {
  T value{};
  if (!TakeFixed(rest, value)) return false;
  element = Scalar::Of(Number::Int(value));
  return true;
}

template <typename T>
bool TakeFloating(std::string_view& rest, Scalar& element) {
  T value{};
  if (!TakeFixed(rest, value)) return false;
  element = Scalar::Of(Number::Double(value));
  return true;
}

}  // namespace

int CompareIntDouble(int64_t a, double b) {
  if (std::isnan(b)) return 2;
  if (b >= 9223372036854775808.0) return -1;
  if (b < -9223372036854775808.0) return 1;
  const double whole = std::trunc(b);
  const auto integer = static_cast<int64_t>(whole);
  if (a != integer) return a < integer ? -1 : 1;
  return CompareDoubles(whole, b);
}

int CompareNumbers(const Number& a, const Number& b) {
  if (a.is_int && b.is_int) return a.integer < b.integer ? -1 : a.integer > b.integer;
  if (a.is_int) return CompareIntDouble(a.integer, b.floating);
  if (!b.is_int) return CompareDoubles(a.floating, b.floating);
  const int order = CompareIntDouble(b.integer, a.floating);
  return order == 2 ? 2 : -order;
}

bool Satisfies(Op op, int order) {
  switch (op) {
    case Op::kLess:
      return order == -1;
    case Op::kLessEqual:
      return order == -1 || order == 0;
    case Op::kGreater:
      return order == 1;
    case Op::kGreaterEqual:
      return order == 1 || order == 0;
    case Op::kEqual:
      return order == 0;
    case Op::kNotEqual:
      return order != 0;
    default:
      return false;
  }
}

Op Mirrored(Op op) {
  switch (op) {
    case Op::kLess:
      return Op::kGreater;
    case Op::kLessEqual:
      return Op::kGreaterEqual;
    case Op::kGreater:
      return Op::kLess;
    case Op::kGreaterEqual:
      return Op::kLessEqual;
    default:
      return op;
  }
}

std::optional<Number> Apply(Op op, const Number& a, const Number& b) {
  if (a.is_int && b.is_int) return ApplyIntegers(op, a.integer, b.integer);
  const double x = a.AsDouble();
  const double y = b.AsDouble();
  switch (op) {
    case Op::kAdd:
      return Finite(x + y);
    case Op::kSubtract:
      return Finite(x - y);
    case Op::kMultiply:
      return Finite(x * y);
    case Op::kDivide:
      return Finite(x / y);  // by zero: not finite
    case Op::kPower:
      return Finite(std::pow(x, y));
    default:
      return std::nullopt;
  }
}

std::optional<Number> ApplyUnary(Op op, const Number& a) {
  switch (op) {
    case Op::kPlus:
      return a;
    case Op::kNegate:
      if (!a.is_int) return Number::Double(-a.floating);
      return Apply(Op::kSubtract, Number::Int(0), a);
    case Op::kBitNot:
      if (!a.is_int) return std::nullopt;
      return Number::Int(~a.integer);
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> ExactInteger(double value) {
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) return std::nullopt;
  const auto integer = static_cast<int64_t>(value);
  if (static_cast<double>(integer) != value) return std::nullopt;
  return integer;
}

Scalar Scalar::Bool(bool value) {
  Scalar scalar;
  scalar.kind = Kind::kBool;
  scalar.boolean = value;
  return scalar;
}

Scalar Scalar::Of(Number value) {
  Scalar scalar;
  scalar.kind = Kind::kNumber;
  scalar.number = value;
  return scalar;
}

Scalar Scalar::Text(std::string_view value) {
  Scalar scalar;
  scalar.kind = Kind::kText;
  scalar.text = value;
  return scalar;
}

Scalar::Kind KindOf(const Constant& constant) {
  switch (constant.value.index()) {
    case 0:
      return Scalar::Kind::kBool;
    case 1:
    case 2:
      return Scalar::Kind::kNumber;
    case 3:
      return Scalar::Kind::kText;
    default:
      return Scalar::Kind::kArray;
  }
}

Number NumberOf(const Constant& constant) {
  if (const auto* integer = std::get_if<int64_t>(&constant.value)) return Number::Int(*integer);
  if (const auto* floating = std::get_if<double>(&constant.value)) return Number::Double(*floating);
  return {};
}

Scalar ScalarOf(const Constant& constant) {
  switch (KindOf(constant)) {
    case Scalar::Kind::kBool:
      return Scalar::Bool(std::get<bool>(constant.value));
    case Scalar::Kind::kNumber:
      return Scalar::Of(NumberOf(constant));
    case Scalar::Kind::kText:
      return Scalar::Text(std::get<std::string>(constant.value));
    default:
      return {};
  }
}

bool ElementReader::Next(Scalar& element, std::string& scratch) {
  switch (element_type_) {
    case model::DataType::kNone:
      return NextJson(element, scratch);
    case model::DataType::kBool: {
      uint8_t value = 0;
      if (!TakeFixed(rest_, value)) return false;
      element = Scalar::Bool(value != 0);
      return true;
    }
    case model::DataType::kInt8:
      return TakeInteger<int8_t>(rest_, element);
    case model::DataType::kInt16:
      return TakeInteger<int16_t>(rest_, element);
    case model::DataType::kInt32:
      return TakeInteger<int32_t>(rest_, element);
    case model::DataType::kInt64:
      return TakeInteger<int64_t>(rest_, element);
    case model::DataType::kFloat:
      return TakeFloating<float>(rest_, element);
    case model::DataType::kDouble:
      return TakeFloating<double>(rest_, element);
    case model::DataType::kString:
    case model::DataType::kVarChar: {
      std::string_view text;
      if (!model::NextStringElement(rest_, text)) return false;
      element = Scalar::Text(text);
      return true;
    }
    default:
      return false;
  }
}

bool ElementReader::NextJson(Scalar& element, std::string& scratch) {
  JsonReader reader(rest_);
  if (!started_) {
    started_ = true;
    if (!reader.Take('[')) return false;
    if (reader.Take(']')) return false;
  } else if (!reader.Take(',')) {
    return false;
  }
  std::string_view value;
  if (!reader.TakeValue(value)) return false;
  rest_ = reader.rest();
  element = ParseJsonScalar(value, scratch);
  return true;
}

bool ArrayEquals(const Scalar& array, const ConstantList& list) {
  ElementReader reader(array);
  Scalar element;
  std::string scratch;
  for (const Constant& constant : list) {
    if (!reader.Next(element, scratch) || !EqualsConstant(element, constant)) return false;
  }
  return !reader.Next(element, scratch);
}

bool EqualsConstant(const Scalar& value, const Constant& constant) {
  if (value.kind != KindOf(constant)) return false;
  switch (value.kind) {
    case Scalar::Kind::kBool:
      return value.boolean == std::get<bool>(constant.value);
    case Scalar::Kind::kNumber:
      return CompareNumbers(value.number, NumberOf(constant)) == 0;
    case Scalar::Kind::kText:
      return value.text == std::get<std::string>(constant.value);
    case Scalar::Kind::kArray:
      return ArrayEquals(value, std::get<ConstantList>(constant.value));
    default:
      return false;
  }
}

}  // namespace kite::query::filter
