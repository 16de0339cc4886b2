// Rows by primary key: keys as a filter, found again among the rows that it selected.
#include "roles/proxy/proxy.h"

namespace kite::roles {

using model::Column;
using model::DataType;

Result<std::shared_ptr<const query::Filter>> KeyFilter(const model::CollectionSchema& schema,
                                                       const model::Column& keys) {
  std::vector<model::TemplateValue> values;
  values.reserve(keys.rows);
  for (size_t row = 0; row < keys.rows; ++row) {
    if (keys.type == model::DataType::kInt64) {
      values.push_back({keys.Values<int64_t>()[row]});
    } else {
      values.push_back({std::string(keys.Bytes(row))});
    }
  }
  model::Templates templates;
  templates["keys"].value = std::move(values);
  return query::Filter::Parse(schema.primary_key().name + " in {keys}", schema, templates);
}

std::string KeyText(const Column& keys, size_t row) {
  if (keys.type == DataType::kInt64) return std::to_string(keys.Values<int64_t>()[row]);
  constexpr size_t kShownBytesMax = 100;
  return "'" + std::string(keys.Bytes(row).substr(0, kShownBytesMax)) + "'";
}

std::vector<size_t> FindStored(const Column& keys, const Column& stored) {
  std::vector<size_t> found(keys.rows, stored.rows);
  const auto search = [&](const auto& value_of) {
    for (size_t row = 0; row < keys.rows; ++row) {
      size_t low = 0;
      for (size_t high = stored.rows; low < high;) {
        const size_t middle = low + (high - low) / 2;
        value_of(stored, middle) < value_of(keys, row) ? low = middle + 1 : high = middle;
      }
      if (low < stored.rows && value_of(stored, low) == value_of(keys, row)) found[row] = low;
    }
  };
  if (keys.type == DataType::kInt64) {
    search([](const Column& column, size_t row) { return column.Values<int64_t>()[row]; });
  } else {
    search([](const Column& column, size_t row) { return column.Bytes(row); });
  }
  return found;
}

std::vector<size_t> Places(const Column& column) {
  std::vector<size_t> places(column.rows);
  const bool compact = IsVector(column.type);
  size_t next = 0;
  for (size_t row = 0; row < column.rows; ++row) {
    places[row] = next;
    if (!compact || column.IsValid(row)) ++next;
  }
  return places;
}

}  // namespace kite::roles
