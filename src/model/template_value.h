// TemplateValue: a value bound to {name} in a filter expression.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace kite::model {

struct TemplateValue {
  std::variant<bool, int64_t, double, std::string, std::vector<TemplateValue>> value;
};
using Templates = std::map<std::string, TemplateValue, std::less<>>;

}  // namespace kite::model
