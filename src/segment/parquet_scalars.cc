#include "segment/parquet_scalars.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/io/memory.h>
#include <arrow/memory_pool.h>
#include <parquet/column_reader.h>
#include <parquet/column_writer.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/file_writer.h>
#include <parquet/schema.h>

#include <algorithm>

#include "segment/file_header.h"

namespace kite::segment {
namespace {

using model::Column;
using model::DataType;

/// Values are handed to Parquet in runs of about this size, so that no page becomes much larger.
constexpr size_t kRunBytes = size_t{1} << 20;
constexpr size_t kRunRowsMax = 8192;
/// What decoding needs beside the values: dictionary, levels, zstd's window.
constexpr int64_t kDecoderBytes = int64_t{64} << 20;
constexpr int32_t kFooterStringBytesMax = 1 << 20;
constexpr int32_t kFooterEntriesMax = 1 << 16;

/// How a data type is stored.
struct Storage {
  parquet::Type::type physical;
  std::shared_ptr<const parquet::LogicalType> logical;
};

Storage StorageOf(DataType type) {
  using parquet::LogicalType;
  using parquet::Type;
  switch (type) {
    case DataType::kBool:
      return {Type::BOOLEAN, LogicalType::None()};
    case DataType::kInt8:
      return {Type::INT32, LogicalType::Int(8, true)};
    case DataType::kInt16:
      return {Type::INT32, LogicalType::Int(16, true)};
    case DataType::kInt32:
      return {Type::INT32, LogicalType::Int(32, true)};
    case DataType::kInt64:
    case DataType::kTimestamptz:
      return {Type::INT64, LogicalType::Int(64, true)};
    case DataType::kFloat:
      return {Type::FLOAT, LogicalType::None()};
    case DataType::kDouble:
      return {Type::DOUBLE, LogicalType::None()};
    case DataType::kVarChar:
      return {Type::BYTE_ARRAY, LogicalType::String()};
    case DataType::kJson:
      return {Type::BYTE_ARRAY, LogicalType::JSON()};
    default:
      return {Type::BYTE_ARRAY, LogicalType::None()};
  }
}

/// Runs `body`, which may throw, and returns its Status or what it threw as one.
template <typename Body>
Status Guard(StatusKind kind, const std::string& what, const Body& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status::Exhausted(StatusSubject::kMemory, what + ": out of memory");
  } catch (const std::exception& e) {
    return {kind, StatusSubject::kSegment, what + ": " + e.what()};
  }
}

/// Arrow's face of the caller's sink. Keeps the first failure, which Arrow would turn into text.
class SinkStream final : public arrow::io::OutputStream {
 public:
  explicit SinkStream(ParquetWriter::Sink sink) : sink_(std::move(sink)) {}
  arrow::Status Write(const void* data, int64_t size) override {
    if (failure_.ok())
      failure_ = sink_({static_cast<const char*>(data), static_cast<size_t>(size)});
    if (!failure_.ok()) return arrow::Status::IOError(failure_.message());
    position_ += size;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return closed_; }
  const Status& failure() const { return failure_; }

 private:
  ParquetWriter::Sink sink_;
  Status failure_;
  int64_t position_ = 0;
  bool closed_ = false;
};

/// One past the last row of the run that begins at `first`.
size_t RunEnd(const Column& column, size_t first) {
  size_t end = std::min(column.rows, first + kRunRowsMax);
  if (!model::IsVariableWidth(column.type)) return end;
  const auto* offsets = column.offsets.As<uint64_t>();
  const auto* limit =
      std::upper_bound(offsets + first + 1, offsets + end + 1, offsets[first] + kRunBytes);
  return std::max<size_t>(first + 1, limit - offsets - 1);
}

/// Writes a column whose stored type is `Parquet`; get(row) gives a value in it.
template <typename Parquet, typename Get>
void WriteValues(parquet::ColumnWriter& any_writer, const Column& column, const Get& get) {
  auto& writer = static_cast<parquet::TypedColumnWriter<Parquet>&>(any_writer);
  const bool optional = writer.descr()->max_definition_level() > 0;
  // Not a std::vector: that of bool has no array.
  auto values = std::make_unique<typename Parquet::c_type[]>(std::min(kRunRowsMax, column.rows));
  std::vector<int16_t> levels;
  for (size_t first = 0; first < column.rows;) {
    const size_t end = RunEnd(column, first);
    size_t count = 0;
    levels.clear();
    for (size_t row = first; row < end; ++row) {
      const bool valid = column.IsValid(row);
      levels.push_back(valid ? 1 : 0);
      if (valid) values[count++] = get(row);
    }
    writer.WriteBatch(static_cast<int64_t>(end - first), optional ? levels.data() : nullptr,
                      nullptr, values.get());
    first = end;
  }
  writer.Close();
}

void WriteColumn(parquet::ColumnWriter& writer, const Column& column) {
  switch (column.type) {
    case DataType::kBool:
      return WriteValues<parquet::BooleanType>(
          writer, column, [&](size_t row) { return column.Values<uint8_t>()[row] != 0; });
    case DataType::kInt8:
      return WriteValues<parquet::Int32Type>(
          writer, column, [&](size_t row) { return int32_t{column.Values<int8_t>()[row]}; });
    case DataType::kInt16:
      return WriteValues<parquet::Int32Type>(
          writer, column, [&](size_t row) { return int32_t{column.Values<int16_t>()[row]}; });
    case DataType::kInt32:
      return WriteValues<parquet::Int32Type>(
          writer, column, [&](size_t row) { return column.Values<int32_t>()[row]; });
    case DataType::kInt64:
    case DataType::kTimestamptz:
      return WriteValues<parquet::Int64Type>(
          writer, column, [&](size_t row) { return column.Values<int64_t>()[row]; });
    case DataType::kFloat:
      return WriteValues<parquet::FloatType>(
          writer, column, [&](size_t row) { return column.Values<float>()[row]; });
    case DataType::kDouble:
      return WriteValues<parquet::DoubleType>(
          writer, column, [&](size_t row) { return column.Values<double>()[row]; });
    default:
      return WriteValues<parquet::ByteArrayType>(
          writer, column, [&](size_t row) { return parquet::ByteArray(column.Bytes(row)); });
  }
}

/// Calls put(row, value) for every value of the column chunk and null(row) for every null, `rows`
/// in all.
template <typename Parquet, typename Put, typename Null>
Status ReadChunk(parquet::ColumnReader& any_reader, int64_t rows, const Put& put,
                 const Null& null) {
  auto& reader = static_cast<parquet::TypedColumnReader<Parquet>&>(any_reader);
  const bool optional = reader.descr()->max_definition_level() > 0;
  constexpr int64_t kBatch = 4096;
  auto values = std::make_unique<typename Parquet::c_type[]>(kBatch);
  std::vector<int16_t> levels(kBatch);
  int64_t done = 0;
  while (done < rows) {
    int64_t read = 0;
    const int64_t count = reader.ReadBatch(std::min(kBatch, rows - done), levels.data(), nullptr,
                                           values.get(), &read);
    if (count <= 0) return Status::Internal("it ends early");
    int64_t value = 0;
    for (int64_t i = 0; i < count; ++i) {
      const bool valid = !optional || levels[i] != 0;
      if (valid && value == read) return Status::Internal("it has fewer values than it says");
      if (valid) {
        KITE_RETURN_IF_ERROR(put(values[value++]));
      } else {
        null();
      }
    }
    done += count;
  }
  return reader.HasNext() ? Status::Internal("it has more rows than its segment") : Status();
}

/// Reads all row groups' chunks of one column into a builder.
class ColumnDecoder {
 public:
  ColumnDecoder(const model::FieldSchema& field, uint64_t rows, uint64_t data_bytes)
      : type_(field.type),
        data_left_(data_bytes),
        builder_(field.id, field.type, field.element_type, field.dim, true) {
    builder_.Reserve(rows);
  }

  Status Read(parquet::ColumnReader& reader, int64_t rows) {
    switch (type_) {
      case DataType::kBool:
        return ReadFixed<parquet::BooleanType, uint8_t>(reader, rows);
      case DataType::kInt8:
        return ReadFixed<parquet::Int32Type, int8_t>(reader, rows);
      case DataType::kInt16:
        return ReadFixed<parquet::Int32Type, int16_t>(reader, rows);
      case DataType::kInt32:
        return ReadFixed<parquet::Int32Type, int32_t>(reader, rows);
      case DataType::kInt64:
      case DataType::kTimestamptz:
        return ReadFixed<parquet::Int64Type, int64_t>(reader, rows);
      case DataType::kFloat:
        return ReadFixed<parquet::FloatType, float>(reader, rows);
      case DataType::kDouble:
        return ReadFixed<parquet::DoubleType, double>(reader, rows);
      default:
        return ReadTexts(reader, rows);
    }
  }
  Column Finish() { return builder_.Finish(); }

 private:
  template <typename Parquet, typename T>
  Status ReadFixed(parquet::ColumnReader& reader, int64_t rows) {
    return ReadChunk<Parquet>(
        reader, rows,
        [&](auto value) {
          builder_.AppendFixed(static_cast<T>(value));
          return Status();
        },
        [&] { builder_.AppendNull(); });
  }
  Status ReadTexts(parquet::ColumnReader& reader, int64_t rows) {
    return ReadChunk<parquet::ByteArrayType>(
        reader, rows,
        [&](const parquet::ByteArray& value) {
          if (value.len > data_left_)
            return Status::Internal("it has more bytes than its statistics say");
          data_left_ -= value.len;
          builder_.AppendBytes(std::string_view(value));
          return Status();
        },
        [&] { builder_.AppendNull(); });
  }

  const DataType type_;
  uint64_t data_left_;
  model::ColumnBuilder builder_;
};

/// The position of a field in the file; -1 when it has none.
int FindColumn(const parquet::SchemaDescriptor& schema, model::FieldId field) {
  for (int i = 0; i < schema.num_columns(); ++i) {
    if (schema.Column(i)->schema_node()->field_id() == field.value()) return i;
  }
  return -1;
}

Status ReadColumn(parquet::ParquetFileReader& reader, const model::FieldSchema& field,
                  uint64_t rows, ColumnDecoder& decoder) {
  const std::shared_ptr<parquet::FileMetaData> metadata = reader.metadata();
  const int position = FindColumn(*metadata->schema(), field.id);
  if (position < 0) return Status::Internal("the file has no such column");
  const parquet::ColumnDescriptor* column = metadata->schema()->Column(position);
  if (column->physical_type() != StorageOf(field.type).physical ||
      column->max_repetition_level() != 0 || column->max_definition_level() > 1) {
    return Status::Internal("it has another type than its field");
  }
  uint64_t left = rows;
  for (int group = 0; group < metadata->num_row_groups(); ++group) {
    const int64_t group_rows = metadata->RowGroup(group)->num_rows();
    if (group_rows < 0 || static_cast<uint64_t>(group_rows) > left) {
      return Status::Internal("it has more rows than its segment");
    }
    left -= static_cast<uint64_t>(group_rows);
    KITE_RETURN_IF_ERROR(decoder.Read(*reader.RowGroup(group)->Column(position), group_rows));
  }
  return left == 0 ? Status() : Status::Internal("it has fewer rows than its segment");
}

}  // namespace

struct ParquetWriter::Impl {
  std::shared_ptr<SinkStream> stream;
  std::unique_ptr<parquet::ParquetFileWriter> writer;

  /// The sink's own failure says more than Arrow's text of it.
  template <typename Body>
  Status Run(const Body& body) const {
    const Status status = Guard(StatusKind::kInternal, "Parquet", body);
    return stream->failure().ok() ? status : stream->failure();
  }
};

ParquetWriter::ParquetWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ParquetWriter::~ParquetWriter() = default;

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::Open(std::vector<model::FieldSchema> fields,
                                                           Sink sink) {
  auto impl = std::make_unique<Impl>();
  impl->stream = std::make_shared<SinkStream>(std::move(sink));
  KITE_RETURN_IF_ERROR(impl->Run([&] {
    parquet::WriterProperties::Builder properties;
    properties.compression(parquet::Compression::ZSTD)->created_by("kite");
    parquet::schema::NodeVector nodes;
    for (const model::FieldSchema& field : fields) {
      const Storage storage = StorageOf(field.type);
      const auto repetition =
          field.is_primary_key ? parquet::Repetition::REQUIRED : parquet::Repetition::OPTIONAL;
      nodes.push_back(parquet::schema::PrimitiveNode::Make(field.name, repetition, storage.logical,
                                                           storage.physical, -1,
                                                           static_cast<int>(field.id.value())));
      if (field.is_primary_key)
        properties.disable_dictionary(field.name);  // its values are all different
    }
    const auto root =
        parquet::schema::GroupNode::Make("schema", parquet::Repetition::REQUIRED, nodes);
    impl->writer = parquet::ParquetFileWriter::Open(
        impl->stream, std::static_pointer_cast<parquet::schema::GroupNode>(root),
        properties.build());
    return Status();
  }));
  return std::unique_ptr<ParquetWriter>(new ParquetWriter(std::move(impl)));
}

Status ParquetWriter::WriteRowGroup(std::span<const Column> columns) {
  return impl_->Run([&] {
    parquet::RowGroupWriter* group = impl_->writer->AppendRowGroup();
    for (const Column& column : columns) WriteColumn(*group->NextColumn(), column);
    group->Close();
    return Status();
  });
}

Status ParquetWriter::Close() {
  return impl_->Run([&] {
    impl_->writer->Close();
    return Status();
  });
}

Result<Column> ReadParquetColumn(std::string_view file, const model::FieldSchema& field,
                                 uint64_t rows, uint64_t data_bytes, const std::string& key) {
  const std::string what = key + ", column " + field.name;
  Column column;
  const Status status = Guard(StatusKind::kCorruption, what, [&] {
    arrow::ProxyMemoryPool own(arrow::default_memory_pool());
    const auto size = static_cast<int64_t>(std::min<uint64_t>(data_bytes, uint64_t{1} << 40));
    arrow::CappedMemoryPool pool(&own, kDecoderBytes + 4 * size);
    parquet::ReaderProperties properties(&pool);
    properties.set_thrift_string_size_limit(kFooterStringBytesMax);
    properties.set_thrift_container_size_limit(kFooterEntriesMax);
    const auto source = std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
        reinterpret_cast<const uint8_t*>(file.data()), static_cast<int64_t>(file.size())));
    const auto reader = parquet::ParquetFileReader::Open(source, properties);
    ColumnDecoder decoder(field, rows, data_bytes);
    KITE_RETURN_IF_ERROR(ReadColumn(*reader, field, rows, decoder));
    column = decoder.Finish();
    return Status();
  });
  if (status.ok()) return column;
  if (status.Is(StatusKind::kInternal))
    return CorruptFile(what, "cannot be read: " + status.message());
  return status;
}

}  // namespace kite::segment
