#include "segment/vector_file.h"

#include <algorithm>

#include "segment/checksummed_file.h"
#include "segment/file_header.h"

namespace kite::segment {
namespace {

constexpr std::string_view kRowsMagic = "KITEVROW";
constexpr size_t kNpyHeaderBytes = 4096;
constexpr size_t kNpyPreludeBytes = 10;  // magic, version, length of the dictionary

/// numpy has no bfloat16 and no bits: those are written as what they are in memory.
std::string_view NpyElement(model::DataType type) {
  switch (type) {
    case model::DataType::kFloatVector:
      return "<f4";
    case model::DataType::kFloat16Vector:
      return "<f2";
    case model::DataType::kBFloat16Vector:
      return "<u2";
    case model::DataType::kInt8Vector:
      return "|i1";
    case model::DataType::kBinaryVector:
      return "|u1";
    default:
      break;
  }
  KITE_CHECK(false, "only dense and binary vectors have a .npy file");
}

/// Rows with a value, and how many there are; empty rows when all have one.
struct Present {
  std::vector<engine::Row> rows;
  uint64_t count = 0;
};

Result<Present> FindPresent(const ColumnScan& scan, uint64_t rows) {
  Present present;
  engine::Row row = 0;
  KITE_RETURN_IF_ERROR(scan([&](const model::Column& column) {
    for (size_t i = 0; i < column.rows; ++i, ++row) {
      if (column.IsValid(i)) present.rows.push_back(row);
    }
    return Status();
  }));
  present.count = present.rows.size();
  if (present.count == rows) present.rows.clear();
  return present;
}

}  // namespace

std::string VectorFileName(model::FieldId field) {
  return "vector_" + std::to_string(field.value()) + ".npy";
}

std::string VectorRowsFileName(model::FieldId field) {
  return "vector_" + std::to_string(field.value()) + ".rows";
}

std::string NpyHeader(model::DataType type, uint32_t dim, uint64_t count) {
  const uint32_t columns = type == model::DataType::kBinaryVector ? dim / 8 : dim;
  std::string header("\x93NUMPY\x01\x00", 8);
  PutFixed(header, static_cast<uint16_t>(kNpyHeaderBytes - kNpyPreludeBytes));
  header.append("{'descr': '")
      .append(NpyElement(type))
      .append("', 'fortran_order': False, 'shape': (");
  header.append(std::to_string(count)).append(", ").append(std::to_string(columns)).append("), }");
  header.resize(kNpyHeaderBytes - 1, ' ');
  header.push_back('\n');
  return header;
}

Status WriteVectors(const Context& context, store::ObjectStore& objects, const std::string& prefix,
                    const model::FieldSchema& field, uint64_t rows, const ColumnScan& scan,
                    std::vector<FileMeta>& files) {
  Present present{.rows = {}, .count = rows};
  if (field.nullable) {
    KITE_ASSIGN_OR_RETURN(present, FindPresent(scan, rows));
  }
  KITE_ASSIGN_OR_RETURN(
      auto writer, ChecksummedWriter::Open(context, objects, prefix + VectorFileName(field.id)));
  const std::string header = NpyHeader(field.type, field.dim, present.count);
  KITE_RETURN_IF_ERROR(writer->Append(header));
  KITE_RETURN_IF_ERROR(
      scan([&](const model::Column& column) { return writer->Append(column.data.view()); }));
  if (writer->size() != header.size() + present.count * model::FixedWidth(field.type, field.dim)) {
    return Status::Internal("the vectors of field " + field.name +
                            " changed while they were written");
  }
  KITE_ASSIGN_OR_RETURN(FileMeta file, writer->Finish());
  files.push_back(std::move(file));
  if (present.count == rows) return {};

  std::string map = EncodeHeader(kRowsMagic, {.rows = rows, .counts = {present.count}});
  map.append(BytesOf(present.rows.data(), present.rows.size()));
  KITE_ASSIGN_OR_RETURN(file,
                        WriteFile(context, objects, prefix + VectorRowsFileName(field.id), map));
  files.push_back(std::move(file));
  return {};
}

Result<std::shared_ptr<const VectorFile>> VectorFile::Open(const Context& context,
                                                           store::ObjectStore& objects,
                                                           const SegmentMeta& meta,
                                                           const model::FieldSchema& field) {
  auto result = std::make_shared<VectorFile>();
  engine::VectorSource& source = result->source_;
  source.type = static_cast<engine::VectorType>(field.type);  // Milvus's numbers in both
  source.dim = field.dim;
  source.rows = meta.rows;
  const FileMeta* file = FindFile(meta, VectorFileName(field.id));
  if (file == nullptr) return result;

  KITE_ASSIGN_OR_RETURN(result->data_, MapFile(context, objects, *file));
  const std::string_view bytes = result->data_->bytes();
  const size_t width = model::FixedWidth(field.type, field.dim);
  if (width == 0 || bytes.size() < kNpyHeaderBytes ||
      (bytes.size() - kNpyHeaderBytes) % width != 0) {
    return CorruptFile(file->key, "has a size that does not fit its vectors");
  }
  source.count = (bytes.size() - kNpyHeaderBytes) / width;
  if (bytes.substr(0, kNpyHeaderBytes) != NpyHeader(field.type, field.dim, source.count)) {
    return CorruptFile(file->key, "has a header that does not fit its vectors");
  }
  source.data = reinterpret_cast<const std::byte*>(bytes.data() + kNpyHeaderBytes);
  if (const FileMeta* rows = FindFile(meta, VectorRowsFileName(field.id)); rows != nullptr) {
    KITE_RETURN_IF_ERROR(result->MapRows(context, objects, *rows, meta.rows));
  } else if (source.count != meta.rows) {
    return CorruptFile(file->key, "has another number of vectors than its segment has rows");
  }
  return result;
}

Status VectorFile::MapRows(const Context& context, store::ObjectStore& objects,
                           const FileMeta& file, uint64_t rows) {
  KITE_ASSIGN_OR_RETURN(rows_, MapFile(context, objects, file));
  const std::string_view bytes = rows_->bytes();
  KITE_ASSIGN_OR_RETURN(const FileHeader header, DecodeHeader(bytes, kRowsMagic, file.key));
  if (header.rows != rows || header.counts[0] != source_.count || source_.count > rows ||
      bytes.size() != sizeof(header) + source_.count * sizeof(engine::Row)) {
    return CorruptFile(file.key, "has sizes that do not fit its segment");
  }
  source_.row_of = {reinterpret_cast<const engine::Row*>(bytes.data() + sizeof(header)),
                    source_.count};
  uint64_t next = 0;
  for (const engine::Row row : source_.row_of) {
    if (row < next || row >= rows) return CorruptFile(file.key, "has rows that do not rise");
    next = uint64_t{row} + 1;
  }
  return {};
}

model::Column VectorFile::Fetch(const model::FieldSchema& field,
                                std::span<const engine::Row> rows) const {
  model::ColumnBuilder builder(field.id, field.type, field.element_type, field.dim, true);
  builder.Reserve(rows.size());
  const size_t width = model::FixedWidth(field.type, field.dim);
  const auto* data = reinterpret_cast<const char*>(source_.data);
  for (const engine::Row row : rows) {
    size_t position = row;
    if (source_.count != source_.rows) {
      const auto it = std::lower_bound(source_.row_of.begin(), source_.row_of.end(), row);
      if (it == source_.row_of.end() || *it != row) {
        builder.AppendNull();
        continue;
      }
      position = it - source_.row_of.begin();
    }
    builder.AppendBytes({data + position * width, width});
  }
  return builder.Finish();
}

}  // namespace kite::segment
