// Result<T>: a value or the Status that says why there is none.
//
//   Result<int> n = Parse(text);
//   if (!n.ok()) return n.status();
//   Use(*n);
//
// or, inside a function that returns Status or Result:  KITE_ASSIGN_OR_RETURN(int n, Parse(text));
#pragma once

#include <utility>
#include <variant>

#include "base/check.h"
#include "base/status.h"

namespace kite {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {  // NOLINT(google-explicit-constructor)
    KITE_CHECK(!std::get<1>(state_).ok(), "a Result without a value needs a failed Status");
  }
  /// Accepts what converts to T, e.g. unique_ptr<Derived> for Result<unique_ptr<Base>>.
  template <typename U>
    requires(std::is_convertible_v<U &&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Status> &&
             !std::is_same_v<std::remove_cvref_t<U>, Result<T>>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}  // NOLINT

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  [[nodiscard]] Status status() const { return ok() ? Status::Ok() : std::get<1>(state_); }

  T& value() & {
    KITE_CHECK(ok(), "value() of a failed Result");
    return std::get<0>(state_);
  }
  const T& value() const& {
    KITE_CHECK(ok(), "value() of a failed Result");
    return std::get<0>(state_);
  }
  /// By value, so that `for (x : *Call())` and `const auto& x = *Call()` do not dangle.
  T value() && {
    KITE_CHECK(ok(), "value() of a failed Result");
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace kite

// Names and declarations cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define KITE_ASSIGN_OR_RETURN_IMPL(result, lhs, expr) \
  auto result = (expr);                               \
  if (!result.ok()) [[unlikely]] return result.status(); \
  lhs = std::move(result).value()
// NOLINTEND(bugprone-macro-parentheses)

/// `lhs` may declare a variable. Returns the Status from the enclosing function on failure.
#define KITE_ASSIGN_OR_RETURN(lhs, expr) \
  KITE_ASSIGN_OR_RETURN_IMPL(KITE_CONCAT(kite_result_, __LINE__), lhs, expr)
