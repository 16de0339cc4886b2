// StrongType: a number with a name, so that two kinds of id cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>

namespace kite {

template <typename Tag, typename Rep = int64_t>
class StrongType {
 public:
  using rep = Rep;
  constexpr StrongType() = default;
  constexpr explicit StrongType(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(StrongType, StrongType) = default;
  friend std::ostream& operator<<(std::ostream& out, StrongType id) { return out << id.value_; }

 private:
  Rep value_{};
};

}  // namespace kite

template <typename Tag, typename Rep>
struct std::hash<kite::StrongType<Tag, Rep>> {
  size_t operator()(kite::StrongType<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value()); }
};
