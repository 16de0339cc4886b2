#include "cli/ann/param_sweep.h"

#include <algorithm>
#include <sstream>

namespace kite::cli {
namespace {

struct Name {
  std::string name;
  std::vector<std::string> values;
};

Result<std::vector<Name>> ParseNames(const std::string& text) {
  std::vector<Name> names;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const size_t equals = word.find('=');
    const std::string value = equals == std::string::npos ? word : word.substr(equals + 1);
    if (value.empty() || equals == 0 || (equals == std::string::npos && names.empty())) {
      return Status::InvalidArgument("'" + text + "': write it as NAME=VALUE,VALUE,NAME=VALUE");
    }
    if (equals != std::string::npos) {
      const std::string name = word.substr(0, equals);
      if (std::any_of(names.begin(), names.end(),
                      [&](const Name& known) { return known.name == name; })) {
        return Status::InvalidArgument("'" + text + "' names " + name + " twice");
      }
      names.push_back({name, {}});
    }
    names.back().values.push_back(value);
  }
  return names;
}

}  // namespace

Result<std::vector<engine::ParamMap>> ParseSweep(const std::string& text) {
  KITE_ASSIGN_OR_RETURN(const std::vector<Name> names, ParseNames(text));
  std::vector<engine::ParamMap> points(1);
  for (const Name& name : names) {
    if (points.size() * name.values.size() > kSweepPointsMax) {
      return Status::InvalidArgument("'" + text + "' has more than 1000 combinations");
    }
    std::vector<engine::ParamMap> more;
    for (const engine::ParamMap& point : points) {
      for (const std::string& value : name.values) {
        more.push_back(point);
        more.back()[name.name] = value;
      }
    }
    points = std::move(more);
  }
  return points;
}

std::string SweepText(const engine::ParamMap& params) {
  std::string text;
  for (const auto& [name, value] : params) text += (text.empty() ? "" : ",") + name + "=" + value;
  return text;
}

}  // namespace kite::cli
