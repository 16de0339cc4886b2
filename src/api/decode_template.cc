// Template values: scalars, and lists of one kind or, as JSON texts, of mixed kinds.
#include "api/decode_search.h"
#include "api/json_text.h"
#include "api/text.h"

namespace kite::api {

namespace {

using model::TemplateValue;
using List = std::vector<TemplateValue>;

Status Refuse(std::string_view name, std::string_view why) {
  return Status::InvalidArgument(StatusSubject::kFilter, "template value '" + Quoted(name) + "' " + std::string(why) +
                                                             ": invalid parameter");
}

Result<TemplateValue> FromJson(std::string_view name, const nlohmann::json& json, int depth) {
  if (json.is_boolean()) return TemplateValue{json.get<bool>()};
  if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX) return TemplateValue{json.get<double>()};
  if (json.is_number_integer()) return TemplateValue{json.get<int64_t>()};
  if (json.is_number_float()) return TemplateValue{json.get<double>()};
  if (json.is_string()) return TemplateValue{json.get<std::string>()};
  if (!json.is_array()) return Refuse(name, "holds JSON that is no scalar and no list");
  if (depth >= kJsonDepthMax) return Refuse(name, "is nested too deep");
  List list;
  list.reserve(json.size());
  for (const nlohmann::json& item : json) {
    KITE_ASSIGN_OR_RETURN(TemplateValue value, FromJson(name, item, depth + 1));
    list.push_back(std::move(value));
  }
  return TemplateValue{std::move(list)};
}

Result<TemplateValue> FromJsonText(std::string_view name, std::string_view text, int depth) {
  const std::optional<nlohmann::json> json = ParseJson(text);
  if (!json) return Refuse(name, "holds text that is not JSON, or JSON that is nested too deep");
  return FromJson(name, *json, depth);
}

template <typename T, typename Values>
TemplateValue ListOf(const Values& values) {
  List list;
  list.reserve(static_cast<size_t>(values.size()));
  for (const auto& value : values) list.emplace_back().value = T(value);
  return TemplateValue{std::move(list)};
}

Result<TemplateValue> FromArray(std::string_view name, const pb_schema::TemplateArrayValue& array, int depth) {
  using Case = pb_schema::TemplateArrayValue;
  if (depth >= kJsonDepthMax) return Refuse(name, "is nested too deep");
  List list;
  switch (array.data_case()) {
    case Case::DATA_NOT_SET: return TemplateValue{std::move(list)};
    case Case::kBoolData: return ListOf<bool>(array.bool_data().data());
    case Case::kLongData: return ListOf<int64_t>(array.long_data().data());
    case Case::kDoubleData: return ListOf<double>(array.double_data().data());
    case Case::kStringData: return ListOf<std::string>(array.string_data().data());
    case Case::kArrayData:
      for (const pb_schema::TemplateArrayValue& item : array.array_data().data()) {
        KITE_ASSIGN_OR_RETURN(TemplateValue value, FromArray(name, item, depth + 1));
        list.push_back(std::move(value));
      }
      return TemplateValue{std::move(list)};
    case Case::kJsonData:
      for (const std::string& text : array.json_data().data()) {
        KITE_ASSIGN_OR_RETURN(TemplateValue value, FromJsonText(name, text, depth + 1));
        list.push_back(std::move(value));
      }
      return TemplateValue{std::move(list)};
  }
  return Refuse(name, "is a list of an unknown kind");
}

Result<TemplateValue> FromWire(std::string_view name, const pb_schema::TemplateValue& value) {
  using Case = pb_schema::TemplateValue;
  switch (value.val_case()) {
    case Case::kBoolVal: return TemplateValue{value.bool_val()};
    case Case::kInt64Val: return TemplateValue{int64_t{value.int64_val()}};
    case Case::kFloatVal: return TemplateValue{value.float_val()};
    case Case::kStringVal: return TemplateValue{value.string_val()};
    case Case::kArrayVal: return FromArray(name, value.array_val(), 0);
    case Case::kBytesVal: return Refuse(name, "holds bytes, which filters cannot use");
    case Case::VAL_NOT_SET: break;
  }
  return Refuse(name, "has no value");
}

}  // namespace

Result<model::Templates> DecodeTemplates(const WireTemplates& templates) {
  model::Templates decoded;
  for (const auto& [name, value] : templates) {
    KITE_ASSIGN_OR_RETURN(TemplateValue converted, FromWire(name, value));
    decoded.emplace(name, std::move(converted));
  }
  return decoded;
}

}  // namespace kite::api
