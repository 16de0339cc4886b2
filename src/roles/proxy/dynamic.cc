#include "roles/proxy/dynamic.h"

#include <set>

#include "query/filter/json_reader.h"

namespace kite::roles {

void ForEachMember(std::string_view object,
                   const std::function<void(const std::string& key, std::string_view member)>& visit) {
  query::filter::JsonReader reader(object);
  if (!reader.Take('{') || reader.Take('}')) return;
  std::string key;
  std::string_view name;
  std::string_view value;
  do {
    if (!reader.TakeString(name) || !query::filter::UnescapeJson(name, key)) return;
    if (!reader.Take(':') || !reader.TakeValue(value)) return;
    const char* begin = name.data() - 1;  // its quote
    visit(key, {begin, static_cast<size_t>(value.data() + value.size() - begin)});
  } while (reader.Take(','));
}

std::string MergeObjects(std::string_view object, std::string_view changes) {
  std::set<std::string> changed;
  ForEachMember(changes, [&](const std::string& key, std::string_view) { changed.insert(key); });
  std::string merged;
  const auto add = [&merged](std::string_view member) {
    merged += merged.empty() ? '{' : ',';
    merged += member;
  };
  ForEachMember(object, [&](const std::string& key, std::string_view member) {
    if (!changed.contains(key)) add(member);
  });
  ForEachMember(changes, [&](const std::string&, std::string_view member) { add(member); });
  return merged.empty() ? "{}" : merged + '}';
}

}  // namespace kite::roles
