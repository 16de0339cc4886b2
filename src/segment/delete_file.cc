#include "segment/delete_file.h"

#include "base/coding.h"
#include "segment/checksummed_file.h"
#include "segment/file_header.h"

namespace kite::segment {
namespace {

constexpr std::string_view kMagic = "KITEDELS";
constexpr size_t kEntryBytes = sizeof(uint64_t) + sizeof(uint32_t);

}  // namespace

Result<FileMeta> WriteDeletes(const Context& context, store::ObjectStore& objects,
                              const std::string& key, std::span<const DeletedRow> rows) {
  std::string out = EncodeHeader(kMagic, {.rows = rows.size()});
  out.reserve(out.size() + rows.size() * kEntryBytes);
  for (const DeletedRow& entry : rows) PutFixed(out, entry.timestamp.value());
  for (const DeletedRow& entry : rows) PutFixed(out, entry.row);
  return WriteFile(context, objects, key, out);
}

Result<std::vector<DeletedRow>> ReadDeletes(const Context& context, store::ObjectStore& objects,
                                            const FileMeta& file, uint64_t segment_rows) {
  KITE_ASSIGN_OR_RETURN(const auto view, objects.Map(context, file.key));
  const std::string_view bytes = view->bytes();
  KITE_RETURN_IF_ERROR(VerifyBytes(bytes, file));
  KITE_ASSIGN_OR_RETURN(const FileHeader header, DecodeHeader(bytes, kMagic, file.key));
  if (header.rows > segment_rows || bytes.size() != sizeof(header) + header.rows * kEntryBytes) {
    return CorruptFile(file.key, "has sizes that do not fit its segment");
  }
  BinaryReader timestamps(bytes.substr(sizeof(header)));
  BinaryReader rows(bytes.substr(sizeof(header) + header.rows * sizeof(uint64_t)));
  std::vector<DeletedRow> entries(header.rows);
  for (DeletedRow& entry : entries) {
    entry.timestamp = model::Timestamp(timestamps.Fixed<uint64_t>());
    entry.row = rows.Fixed<engine::Row>();
    if (entry.row >= segment_rows)
      return CorruptFile(file.key, "deletes a row that the segment does not have");
  }
  return entries;
}

}  // namespace kite::segment
