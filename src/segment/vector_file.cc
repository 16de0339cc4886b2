#include "segment/vector_file.h"

#include <algorithm>
#include <cstring>

#include "base/aligned_memory.h"
#include "segment/checksummed_file.h"
#include "segment/file_header.h"

namespace kite::segment {
namespace {

constexpr std::string_view kRowsMagic = "KITEVROW";
constexpr std::string_view kSparseMagic = "KITESPRS";
constexpr size_t kNpyHeaderBytes = 4096;
constexpr size_t kNpyPreludeBytes = 10;  // magic, version, length of the dictionary

bool IsSparse(model::DataType type) { return type == model::DataType::kSparseFloatVector; }

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

std::string VectorFileName(const model::FieldSchema& field) {
  return "vector_" + std::to_string(field.id.value()) + (IsSparse(field.type) ? ".sparse" : ".npy");
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

namespace {

Status Changed(const model::FieldSchema& field) {
  return Status::Internal("the vectors of field " + field.name +
                          " changed while they were written");
}

Status WriteDense(ChecksummedWriter& writer, const model::FieldSchema& field, uint64_t count,
                  const ColumnScan& scan) {
  const std::string header = NpyHeader(field.type, field.dim, count);
  KITE_RETURN_IF_ERROR(writer.Append(header));
  KITE_RETURN_IF_ERROR(
      scan([&](const model::Column& column) { return writer.Append(column.data.view()); }));
  const uint64_t size = header.size() + count * model::FixedWidth(field.type, field.dim);
  return writer.size() == size ? Status() : Changed(field);
}

/// The offsets come first, so the vectors are read twice.
Status WriteSparse(ChecksummedWriter& writer, const model::FieldSchema& field, uint64_t rows,
                   const ColumnScan& scan) {
  std::vector<uint64_t> offsets = {0};
  offsets.reserve(rows + 1);
  KITE_RETURN_IF_ERROR(scan([&](const model::Column& column) {
    for (size_t row = 0; row < column.rows; ++row) {
      offsets.push_back(offsets.back() + column.Bytes(row).size() / sizeof(engine::SparseEntry));
    }
    return Status();
  }));
  if (offsets.size() != rows + 1) return Changed(field);
  KITE_RETURN_IF_ERROR(
      writer.Append(EncodeHeader(kSparseMagic, {.rows = rows, .counts = {offsets.back()}})));
  KITE_RETURN_IF_ERROR(writer.Append(BytesOf(offsets.data(), offsets.size())));
  const uint64_t begin = writer.size();
  KITE_RETURN_IF_ERROR(
      scan([&](const model::Column& column) { return writer.Append(column.data.view()); }));
  const uint64_t size = begin + offsets.back() * sizeof(engine::SparseEntry);
  return writer.size() == size ? Status() : Changed(field);
}

}  // namespace

Status WriteVectors(const Context& context, store::ObjectStore& objects, const std::string& prefix,
                    const model::FieldSchema& field, uint64_t rows, const ColumnScan& scan,
                    std::vector<FileMeta>& files) {
  Present present{.rows = {}, .count = rows};
  if (field.nullable) {
    KITE_ASSIGN_OR_RETURN(present, FindPresent(scan, rows));
  }
  KITE_ASSIGN_OR_RETURN(auto writer,
                        ChecksummedWriter::Open(context, objects, prefix + VectorFileName(field)));
  KITE_RETURN_IF_ERROR(IsSparse(field.type) ? WriteSparse(*writer, field, rows, scan)
                                            : WriteDense(*writer, field, present.count, scan));
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

namespace {

/// Smaller files would not lie on huge pages.
constexpr size_t kCopiedBytesMin = size_t{4} << 20;

class MemoryView final : public store::ObjectView {
 public:
  MemoryView(AlignedBytes memory, size_t size) : memory_(std::move(memory)), size_(size) {}
  [[nodiscard]] std::string_view bytes() const override {
    return {reinterpret_cast<const char*>(memory_.get()), size_};
  }

 private:
  AlignedBytes memory_;
  size_t size_;
};

/// The view itself when it is small or when there is no memory for a copy.
Result<std::shared_ptr<const store::ObjectView>> CopyToMemory(
    const Context& context, std::shared_ptr<const store::ObjectView> view) {
  constexpr size_t kPiece = size_t{16} << 20;
  const std::string_view bytes = view->bytes();
  AlignedBytes memory =
      bytes.size() < kCopiedBytesMin ? AlignedBytes() : AllocateAligned(bytes.size());
  if (memory == nullptr) return view;
  for (size_t begin = 0; begin < bytes.size(); begin += kPiece) {
    KITE_RETURN_IF_ERROR(context.Check());
    const std::string_view piece = bytes.substr(begin, kPiece);
    std::memcpy(memory.get() + begin, piece.data(), piece.size());
  }
  return std::make_shared<MemoryView>(std::move(memory), bytes.size());
}

}  // namespace

Result<std::shared_ptr<const VectorFile>> VectorFile::Open(const Context& context,
                                                           store::ObjectStore& objects,
                                                           const SegmentMeta& meta,
                                                           const model::FieldSchema& field,
                                                           engine::LoadMode mode) {
  auto result = std::make_shared<VectorFile>();
  engine::VectorSource& source = result->source_;
  source.type = static_cast<engine::VectorType>(field.type);  // Milvus's numbers in both
  source.dim = field.dim;
  source.rows = meta.rows;
  const FileMeta* file = FindFile(meta, VectorFileName(field));
  if (file == nullptr) {
    if (IsSparse(field.type)) {
      result->no_entries_.assign(meta.rows + 1, 0);
      source.count = meta.rows;
      source.entry_offsets = result->no_entries_;
    }
    return result;
  }
  KITE_ASSIGN_OR_RETURN(result->data_, MapFile(context, objects, *file));
  if (mode == engine::LoadMode::kResident) {
    KITE_ASSIGN_OR_RETURN(result->data_, CopyToMemory(context, std::move(result->data_)));
  }
  const FileMeta* rows = FindFile(meta, VectorRowsFileName(field.id));
  KITE_RETURN_IF_ERROR(IsSparse(field.type)
                           ? result->MapSparse(*file, meta.rows)
                           : result->MapDense(*file, field, meta.rows, rows != nullptr));
  if (rows != nullptr) {
    KITE_RETURN_IF_ERROR(result->MapRows(context, objects, *rows, meta.rows));
  }
  return result;
}

Status VectorFile::MapDense(const FileMeta& file, const model::FieldSchema& field, uint64_t rows,
                            bool nulls) {
  const std::string_view bytes = data_->bytes();
  const size_t width = model::FixedWidth(field.type, field.dim);
  if (width == 0 || bytes.size() < kNpyHeaderBytes ||
      (bytes.size() - kNpyHeaderBytes) % width != 0) {
    return CorruptFile(file.key, "has a size that does not fit its vectors");
  }
  source_.count = (bytes.size() - kNpyHeaderBytes) / width;
  if (bytes.substr(0, kNpyHeaderBytes) != NpyHeader(field.type, field.dim, source_.count)) {
    return CorruptFile(file.key, "has a header that does not fit its vectors");
  }
  if (!nulls && source_.count != rows) {
    return CorruptFile(file.key, "has another number of vectors than its segment has rows");
  }
  source_.data = reinterpret_cast<const std::byte*>(bytes.data() + kNpyHeaderBytes);
  return {};
}

Status VectorFile::MapSparse(const FileMeta& file, uint64_t rows) {
  const std::string_view bytes = data_->bytes();
  KITE_ASSIGN_OR_RETURN(const FileHeader header, DecodeHeader(bytes, kSparseMagic, file.key));
  const uint64_t begin = sizeof(header) + (rows + 1) * sizeof(uint64_t);
  if (header.rows != rows || bytes.size() < begin ||
      (bytes.size() - begin) / sizeof(engine::SparseEntry) != header.counts[0] ||
      (bytes.size() - begin) % sizeof(engine::SparseEntry) != 0) {
    return CorruptFile(file.key, "has sizes that do not fit its segment");
  }
  const std::span offsets(reinterpret_cast<const uint64_t*>(bytes.data() + sizeof(header)),
                          rows + 1);
  if (offsets.front() != 0 || offsets.back() != header.counts[0] ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    return CorruptFile(file.key, "has offsets that do not fit its vectors");
  }
  source_.count = rows;
  source_.entry_offsets = offsets;
  source_.data = reinterpret_cast<const std::byte*>(bytes.data() + begin);
  return {};
}

Status VectorFile::MapRows(const Context& context, store::ObjectStore& objects,
                           const FileMeta& file, uint64_t rows) {
  KITE_ASSIGN_OR_RETURN(rows_, MapFile(context, objects, file));
  const std::string_view bytes = rows_->bytes();
  KITE_ASSIGN_OR_RETURN(const FileHeader header, DecodeHeader(bytes, kRowsMagic, file.key));
  const bool sparse = !source_.entry_offsets.empty();
  const uint64_t count = header.counts[0];
  if (header.rows != rows || count > rows || (!sparse && count != source_.count) ||
      bytes.size() != sizeof(header) + count * sizeof(engine::Row)) {
    return CorruptFile(file.key, "has sizes that do not fit its segment");
  }
  present_ = {reinterpret_cast<const engine::Row*>(bytes.data() + sizeof(header)), count};
  uint64_t next = 0;
  for (const engine::Row row : present_) {
    if (row < next || row >= rows) return CorruptFile(file.key, "has rows that do not rise");
    next = uint64_t{row} + 1;
  }
  if (!sparse) source_.row_of = present_;
  return {};
}

std::optional<size_t> VectorFile::PositionOf(engine::Row row) const {
  if (!data_) return std::nullopt;
  if (!rows_) return row;
  const auto found = std::lower_bound(present_.begin(), present_.end(), row);
  if (found == present_.end() || *found != row) return std::nullopt;
  return found - present_.begin();
}

model::Column VectorFile::Fetch(const model::FieldSchema& field,
                                std::span<const engine::Row> rows) const {
  model::ColumnBuilder builder(field.id, field.type, field.element_type, field.dim, true);
  builder.Reserve(rows.size());
  const size_t width = model::FixedWidth(field.type, field.dim);
  const auto* data = reinterpret_cast<const char*>(source_.data);
  const auto offsets = source_.entry_offsets;
  for (const engine::Row row : rows) {
    const std::optional<size_t> position = PositionOf(row);
    if (!position) {
      builder.AppendNull();
    } else if (IsSparse(field.type)) {
      builder.AppendBytes({data + offsets[row] * sizeof(engine::SparseEntry),
                           (offsets[row + 1] - offsets[row]) * sizeof(engine::SparseEntry)});
    } else {
      builder.AppendBytes({data + *position * width, width});
    }
  }
  return builder.Finish();
}

size_t VectorFile::memory_bytes() const {
  if (source_.entry_offsets.empty()) {
    return source_.count * engine::VectorBytes(source_.type, source_.dim);
  }
  return source_.entry_offsets.size_bytes() +
         source_.entry_offsets.back() * sizeof(engine::SparseEntry);
}

}  // namespace kite::segment
