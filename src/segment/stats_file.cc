#include "segment/stats_file.h"

#include <cmath>

#include "base/coding.h"
#include "base/crc32c.h"
#include "segment/file_header.h"

namespace kite::segment {
namespace {

using model::DataType;
using model::Value;

constexpr std::string_view kMagic = "KITESTAT";
/// Longer texts are not kept as bounds.
constexpr size_t kTextBoundBytesMax = 256;
constexpr uint64_t kFieldsMax = 1024;

void PutValue(std::string& out, const Value& value) {
  PutFixed(out, static_cast<uint8_t>(value.index()));
  if (const auto* b = std::get_if<bool>(&value)) PutFixed(out, static_cast<uint8_t>(*b));
  if (const auto* i = std::get_if<int64_t>(&value)) PutFixed(out, *i);
  if (const auto* d = std::get_if<double>(&value)) PutFixed(out, *d);
  if (const auto* s = std::get_if<std::string>(&value)) PutBytes(out, *s);
}

Value ReadValue(BinaryReader& reader) {
  switch (reader.Fixed<uint8_t>()) {
    case 0:
      return {};
    case 1:
      return reader.Fixed<uint8_t>() != 0;
    case 2:
      return reader.Fixed<int64_t>();
    case 3:
      return reader.Fixed<double>();
    case 4:
      return std::string(reader.Bytes());
    default:
      reader.Fail();
      return {};
  }
}

}  // namespace

StatsBuilder::StatsBuilder(const model::FieldSchema& field) {
  stats_.field = field.id;
  stats_.type = field.type;
}

template <typename T>
void StatsBuilder::AddValues(const model::Column& column) {
  bool seen = false;
  T low{};
  T high{};
  const T* values = column.Values<T>();
  for (size_t row = 0; row < column.rows; ++row) {
    if (!column.IsValid(row)) continue;
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(values[row])) unknown_ = true;
    }
    low = seen ? std::min(low, values[row]) : values[row];
    high = seen ? std::max(high, values[row]) : values[row];
    seen = true;
  }
  if (!seen) return;
  using Held = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
  const auto widen = [&](T value) -> Value {
    if (stats_.type == DataType::kBool) return value != T{};
    return static_cast<Held>(value);
  };
  Value& min = stats_.stats.min;
  Value& max = stats_.stats.max;
  if (min.index() == 0 || widen(low) < min) min = widen(low);
  if (max.index() == 0 || max < widen(high)) max = widen(high);
}

void StatsBuilder::AddTexts(const model::Column& column) {
  auto& [min, max, nulls] = stats_.stats;
  for (size_t row = 0; row < column.rows; ++row) {
    if (!column.IsValid(row)) continue;
    const std::string_view text = column.Bytes(row);
    if (min.index() == 0 || text < std::get<std::string>(min)) min = std::string(text);
    if (max.index() == 0 || text > std::get<std::string>(max)) max = std::string(text);
  }
}

void StatsBuilder::Add(const model::Column& column) {
  stats_.data_bytes += column.data.size();
  for (size_t row = 0; row < column.rows && !column.valid.empty(); ++row) {
    stats_.stats.nulls += column.IsValid(row) ? 0 : 1;
  }
  switch (stats_.type) {
    case DataType::kBool:
      return AddValues<uint8_t>(column);
    case DataType::kInt8:
      return AddValues<int8_t>(column);
    case DataType::kInt16:
      return AddValues<int16_t>(column);
    case DataType::kInt32:
      return AddValues<int32_t>(column);
    case DataType::kInt64:
    case DataType::kTimestamptz:
      return AddValues<int64_t>(column);
    case DataType::kFloat:
      return AddValues<float>(column);
    case DataType::kDouble:
      return AddValues<double>(column);
    case DataType::kVarChar:
      return AddTexts(column);
    default:
      return;
  }
}

FieldStats StatsBuilder::Finish() const {
  FieldStats result = stats_;
  const auto is_long = [](const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr && text->size() > kTextBoundBytesMax;
  };
  if (unknown_ || is_long(result.stats.min) || is_long(result.stats.max)) {
    result.stats.min = {};
    result.stats.max = {};
  }
  return result;
}

std::string EncodeStats(uint64_t rows, std::span<const FieldStats> fields) {
  std::string content;
  for (const FieldStats& field : fields) {
    PutVarint(content, static_cast<uint64_t>(field.field.value()));
    PutFixed(content, static_cast<uint8_t>(field.type));
    PutVarint(content, field.data_bytes);
    PutVarint(content, field.stats.nulls);
    PutValue(content, field.stats.min);
    PutValue(content, field.stats.max);
  }
  std::string out = EncodeHeader(kMagic, {.rows = rows, .counts = {fields.size(), content.size()}});
  out.append(content);
  PutFixed(out, Crc32c(0, content.data(), content.size()));
  return out;
}

Result<std::vector<FieldStats>> DecodeStats(std::string_view file, uint64_t rows,
                                            const std::string& key) {
  KITE_ASSIGN_OR_RETURN(const FileHeader header, DecodeHeader(file, kMagic, key));
  const auto [count, content_bytes, unused_1, unused_2] = header.counts;
  if (header.rows != rows || count > kFieldsMax || content_bytes > file.size() ||
      file.size() != sizeof(header) + content_bytes + sizeof(uint32_t)) {
    return CorruptFile(key, "has sizes that do not fit its segment");
  }
  const std::string_view content = file.substr(sizeof(header), content_bytes);
  BinaryReader trailer(file.substr(sizeof(header) + content_bytes));
  if (trailer.Fixed<uint32_t>() != Crc32c(0, content.data(), content.size())) {
    return CorruptFile(key, "does not match its checksum");
  }
  BinaryReader reader(content);
  std::vector<FieldStats> fields;
  for (uint64_t i = 0; i < count && !reader.failed(); ++i) {
    FieldStats field;
    field.field = model::FieldId(static_cast<int64_t>(reader.Varint()));
    field.type = static_cast<DataType>(reader.Fixed<uint8_t>());
    field.data_bytes = reader.Varint();
    field.stats.nulls = reader.BoundedVarint(rows);
    field.stats.min = ReadValue(reader);
    field.stats.max = ReadValue(reader);
    fields.push_back(std::move(field));
  }
  KITE_RETURN_IF_ERROR(reader.Finish(StatusSubject::kSegment, key));
  return fields;
}

}  // namespace kite::segment
