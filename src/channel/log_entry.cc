#include "channel/log_entry.h"

namespace kite::channel {
namespace {

constexpr uint8_t kFormatVersion = 1;
constexpr size_t kAlignment = 8;
/// More than any schema has (SchemaLimits::fields_max and the hidden ones).
constexpr uint64_t kColumnsMax = 4096;

size_t PaddingTo8(size_t size) { return (kAlignment - size % kAlignment) % kAlignment; }

}  // namespace

std::unique_ptr<EncodedLogEntry> EncodeLogEntry(const LogEntry& entry) {
  auto encoded = std::make_unique<EncodedLogEntry>();
  std::string columns;
  std::vector<std::string_view> body;
  const bool deletes = entry.deleted_keys.type != model::DataType::kNone;
  if (deletes) model::EncodeColumn(entry.deleted_keys, columns, body);
  for (const model::Column& column : entry.rows.columns) model::EncodeColumn(column, columns, body);

  std::string& header = encoded->header;
  PutFixed(header, uint32_t{0});  // length of the header, set below
  PutFixed(header, kFormatVersion);
  PutFixed(header, entry.kind);
  PutVarint(header, static_cast<uint64_t>(entry.channel.collection.value()));
  PutVarint(header, entry.channel.shard);
  PutFixed(header, entry.timestamp.value());
  PutVarint(header, entry.schema_version);
  PutVarint(header, static_cast<uint64_t>(entry.partition.value()));
  PutVarint(header, static_cast<uint64_t>(entry.delete_partition.value()));
  PutVarint(header, deletes ? 1 : 0);
  PutVarint(header, entry.rows.columns.size());
  PutVarint(header, entry.rows.rows);
  header += columns;
  header.append(PaddingTo8(header.size()), '\0');
  const auto length = static_cast<uint32_t>(header.size());
  std::memcpy(header.data(), &length, sizeof(length));

  encoded->pieces.reserve(body.size() + 1);
  encoded->pieces.emplace_back(header);
  encoded->pieces.insert(encoded->pieces.end(), body.begin(), body.end());
  return encoded;
}

Result<LogEntry> DecodeLogEntry(std::shared_ptr<const std::string> payload) {
  const auto malformed = [](const char* what) {
    return Status::Corruption(StatusSubject::kLog, std::string("a log entry is malformed: ") + what);
  };
  uint32_t header_size = 0;
  if (payload->size() < sizeof(header_size)) return malformed("it is too short");
  std::memcpy(&header_size, payload->data(), sizeof(header_size));
  if (header_size > payload->size() || header_size < sizeof(header_size)) return malformed("bad header length");
  const std::string_view bytes = *payload;
  BinaryReader header(bytes.substr(sizeof(header_size), header_size - sizeof(header_size)));
  BinaryReader body(bytes.substr(header_size));

  if (header.Fixed<uint8_t>() != kFormatVersion) return malformed("unknown format version");
  LogEntry entry;
  const auto kind = header.Fixed<uint8_t>();
  if (kind < 1 || kind > 3) return malformed("unknown kind");
  entry.kind = static_cast<LogEntry::Kind>(kind);
  entry.channel.collection = model::CollectionId(static_cast<int64_t>(header.Varint()));
  entry.channel.shard = static_cast<uint32_t>(header.BoundedVarint(UINT32_MAX));
  entry.timestamp = model::Timestamp(header.Fixed<uint64_t>());
  entry.schema_version = static_cast<uint32_t>(header.BoundedVarint(UINT32_MAX));
  entry.partition = model::PartitionId(static_cast<int64_t>(header.Varint()));
  entry.delete_partition = model::PartitionId(static_cast<int64_t>(header.Varint()));
  const uint64_t deletes = header.BoundedVarint(1);
  const uint64_t columns = header.BoundedVarint(kColumnsMax);
  entry.rows.rows = header.Varint();
  if (header.failed()) return malformed("truncated header");

  if (deletes != 0) {
    KITE_ASSIGN_OR_RETURN(model::RowBatch keys, model::DecodeColumns(header, body, 1, payload));
    entry.deleted_keys = std::move(keys.columns.front());
  }
  const uint64_t rows = entry.rows.rows;
  if (columns > 0) {
    KITE_ASSIGN_OR_RETURN(entry.rows, model::DecodeColumns(header, body, columns, payload));
  }
  if (entry.rows.rows != rows) return malformed("columns of other lengths than declared");
  return entry;
}

}  // namespace kite::channel
