#include "segment/test_rows.h"

#include <gtest/gtest.h>

#include "segment/segment_writer.h"
#include "store/object/memory_object_store.h"

namespace kite::segment::testing {
namespace {

using model::Column;
using model::DataType;
using model::FieldSchema;

uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t h = (a + 1) * 0x9E3779B97F4A7C15U ^ (b + 7) * 0xC2B2AE3D27D4EB4FU;
  h ^= h >> 29;
  h *= 0xBF58476D1CE4E5B9U;
  return h ^ (h >> 32);
}

FieldSchema Field(int64_t id, std::string name, DataType type, bool nullable, uint32_t dim = 0) {
  FieldSchema field;
  field.id = model::FieldId(id);
  field.name = std::move(name);
  field.type = type;
  field.dim = dim;
  field.nullable = nullable;
  return field;
}

model::Value ScalarOf(DataType type, uint64_t hash) {
  switch (type) {
    case DataType::kBool:
      return (hash & 1) != 0;
    case DataType::kInt8:
      return int64_t{static_cast<int8_t>(hash)};
    case DataType::kInt16:
      return int64_t{static_cast<int16_t>(hash)};
    case DataType::kInt32:
      return int64_t{static_cast<int32_t>(hash)};
    case DataType::kInt64:
      return static_cast<int64_t>(hash);
    case DataType::kFloat:
      return static_cast<double>(static_cast<float>(hash % 1000) / 8);
    case DataType::kDouble:
      return static_cast<double>(hash % 100000) / 7;
    case DataType::kJson:
      return "{\"n\": " + std::to_string(hash % 100) + "}";
    default:
      return std::string(hash % 40, static_cast<char>('a' + hash % 26));
  }
}

std::string ArrayOf(DataType element_type, uint64_t hash) {
  std::string bytes;
  for (uint64_t i = 0; i < hash % 4; ++i) {
    if (element_type == DataType::kVarChar) {
      const std::string text(Mix(hash, i) % 5, 'x');
      PutFixed(bytes, static_cast<uint32_t>(text.size()));
      bytes.append(text);
    } else {
      for (size_t b = 0; b < model::FixedWidth(element_type, 0); ++b)
        bytes.push_back(static_cast<char>(i % 2));
    }
  }
  return bytes;
}

/// Up to five entries; some vectors are empty.
void AppendSparse(const FieldSchema& field, uint64_t number, model::ColumnBuilder& builder) {
  const uint64_t hash = Mix(number, static_cast<uint64_t>(field.id.value()) + 1);
  std::string bytes;
  for (uint64_t i = 0; i < hash % 6; ++i) {
    PutFixed(bytes, static_cast<uint32_t>(100 * i + Mix(hash, i) % 40));
    PutFixed(bytes, static_cast<float>(1 + Mix(hash, i) % 7) / 8.0F);
  }
  builder.AppendBytes(bytes);
}

void AppendVector(const FieldSchema& field, uint64_t number, model::ColumnBuilder& builder) {
  if (field.type == DataType::kSparseFloatVector) return AppendSparse(field, number, builder);
  std::string bytes;
  const size_t width = model::FixedWidth(field.type, field.dim);
  while (bytes.size() < width) {
    const uint64_t hash = Mix(number * 64 + bytes.size(), static_cast<uint64_t>(field.id.value()));
    if (field.type == DataType::kFloatVector) {
      PutFixed(bytes, static_cast<float>(hash % 2048) / 1024.0F - 1.0F);
    } else if (field.type == DataType::kFloat16Vector) {
      PutFixed(bytes, static_cast<uint16_t>(0x3000 + hash % 0x0800));
    } else if (field.type == DataType::kBFloat16Vector) {
      PutFixed(bytes, static_cast<uint16_t>(0x3F00 + hash % 0x0080));
    } else {
      PutFixed(bytes, static_cast<uint8_t>(hash));
    }
  }
  builder.AppendBytes(bytes);
}

void AppendKey(DataType type, uint64_t number, model::ColumnBuilder& builder) {
  if (type == DataType::kInt64) {
    builder.AppendFixed(static_cast<int64_t>(number * 3));
  } else {
    builder.AppendBytes("key-" + std::to_string(number));
  }
}

}  // namespace

SchemaPtr EverySchema(DataType key_type) {
  auto schema = std::make_shared<model::CollectionSchema>();
  schema->name = "every";
  auto& fields = schema->fields;
  fields.push_back(Field(100, "id", key_type, false));
  fields.back().is_primary_key = true;
  const DataType scalars[] = {DataType::kBool,   DataType::kInt8,    DataType::kInt16,
                              DataType::kInt32,  DataType::kInt64,   DataType::kFloat,
                              DataType::kDouble, DataType::kVarChar, DataType::kJson};
  for (const DataType type : scalars) {
    const auto id = static_cast<int64_t>(100 + fields.size());
    fields.push_back(Field(id, "s" + std::to_string(id), type, id % 2 == 0));
  }
  const DataType elements[] = {DataType::kBool,   DataType::kInt8,   DataType::kInt16,
                               DataType::kInt32,  DataType::kInt64,  DataType::kFloat,
                               DataType::kDouble, DataType::kVarChar};
  for (const DataType type : elements) {
    const auto id = static_cast<int64_t>(100 + fields.size());
    fields.push_back(Field(id, "a" + std::to_string(id), DataType::kArray, id % 2 == 0));
    fields.back().element_type = type;
  }
  fields.push_back(Field(120, "v", DataType::kFloatVector, false, kDim));
  fields.push_back(Field(121, "nullable_v", DataType::kFloatVector, true, 3));
  fields.push_back(Field(122, "f16", DataType::kFloat16Vector, false, 5));
  fields.push_back(Field(123, "bf16", DataType::kBFloat16Vector, true, 4));
  fields.push_back(Field(124, "i8", DataType::kInt8Vector, false, 7));
  fields.push_back(Field(125, "bits", DataType::kBinaryVector, true, 16));
  fields.push_back(Field(127, "sparse", DataType::kSparseFloatVector, false));
  fields.push_back(Field(128, "nullable_sparse", DataType::kSparseFloatVector, true));
  fields.push_back(Field(126, "$meta", DataType::kJson, true));
  fields.back().is_dynamic = true;
  schema->enable_dynamic_field = true;
  return schema;
}

SchemaPtr SmallSchema(uint32_t dim) {
  auto schema = std::make_shared<model::CollectionSchema>();
  schema->name = "small";
  schema->fields = {Field(100, "id", DataType::kInt64, false),
                    Field(105, "n", DataType::kInt64, false),
                    Field(120, "v", DataType::kFloatVector, false, dim)};
  schema->fields[0].is_primary_key = true;
  return schema;
}

SchemaPtr WithNewFields(const SchemaPtr& schema) {
  auto newer = std::make_shared<model::CollectionSchema>(*schema);
  newer->version = schema->version + 1;
  newer->fields.push_back(Field(140, "defaulted", DataType::kInt32, false));
  newer->fields.back().default_value = int64_t{42};
  newer->fields.push_back(Field(141, "null", DataType::kVarChar, true));
  newer->fields.push_back(Field(142, "new_v", DataType::kFloatVector, true, 4));
  newer->fields.push_back(Field(143, "new_sparse", DataType::kSparseFloatVector, true));
  return newer;
}

Column MakeColumn(const FieldSchema& field, std::span<const uint64_t> numbers) {
  model::ColumnBuilder builder(field);
  for (const uint64_t number : numbers) {
    const uint64_t hash = Mix(number, static_cast<uint64_t>(field.id.value()));
    if (field.is_primary_key) {
      AppendKey(field.type, number, builder);
    } else if (field.nullable && hash % 3 == 0) {
      builder.AppendNull();
    } else if (model::IsVector(field.type)) {
      AppendVector(field, number, builder);
    } else if (field.type == DataType::kArray) {
      builder.AppendBytes(ArrayOf(field.element_type, hash / 3));
    } else {
      builder.AppendValue(ScalarOf(field.type, hash / 3));
    }
  }
  return builder.Finish();
}

model::RowBatch MakeRows(const model::CollectionSchema& schema, uint64_t first, size_t count) {
  const std::vector<uint64_t> numbers = Range(first, count);
  model::RowBatch batch;
  batch.rows = count;
  for (const FieldSchema& field : schema.fields)
    batch.columns.push_back(MakeColumn(field, numbers));
  return batch;
}

Column MakeKeys(const model::CollectionSchema& schema, std::span<const uint64_t> numbers) {
  return MakeColumn(schema.primary_key(), numbers);
}

void ExpectSameValues(const Column& a, const Column& b) {
  ASSERT_EQ(a.type, b.type);
  ASSERT_EQ(a.element_type, b.element_type);
  ASSERT_EQ(a.rows, b.rows);
  for (size_t row = 0; row < a.rows; ++row) {
    ASSERT_EQ(a.IsValid(row), b.IsValid(row)) << "field " << a.field << ", row " << row;
    if (model::IsVariableWidth(a.type)) {
      ASSERT_EQ(a.Bytes(row), b.Bytes(row)) << "field " << a.field << ", row " << row;
    }
  }
  ASSERT_EQ(a.data.view(), b.data.view()) << "field " << a.field;
}

void ExpectRows(const Segment& segment, const model::CollectionSchema& schema,
                std::span<const engine::Row> rows, std::span<const uint64_t> numbers) {
  for (const FieldSchema& field : schema.fields) {
    const Result<Column> column = segment.Fetch(field.id, rows);
    ASSERT_TRUE(column.ok()) << column.status();
    ASSERT_NO_FATAL_FAILURE(ExpectSameValues(*column, MakeColumn(field, numbers))) << field.name;
  }
}

std::vector<engine::Row> VisibleRows(const Segment& segment, model::Timestamp t) {
  const Visibility visible = segment.VisibleAt(t);
  std::vector<engine::Row> rows;
  for (engine::Row row = 0; row < visible.rows; ++row) {
    if (visible.bits() == nullptr || ((visible.bits()[row >> 6] >> (row & 63)) & 1) == 0)
      rows.push_back(row);
  }
  EXPECT_EQ(visible.out_count, visible.rows - rows.size());
  return rows;
}

std::vector<engine::Row> SearchRows(const Segment& segment, const model::CollectionSchema& schema,
                                    model::FieldId field, uint64_t number, size_t k,
                                    model::Timestamp t) {
  const Column query = MakeColumn(*schema.Find(field), std::vector{number});
  const Visibility visible = segment.VisibleAt(t);
  engine::Filter filter;
  filter.deleted = visible.bits();
  filter.deleted_count = visible.out_count;
  engine::SearchParams params;
  params.k = k;
  engine::Scratch scratch;
  std::vector<engine::Row> rows;
  const Status status = segment.Search(Context(), field, engine::Metric::kL2, visible.rows,
                                       {query.data.As<std::byte>(), 1}, params, filter, scratch,
                                       [&](size_t, std::span<const engine::Neighbor> hits) {
                                         for (const engine::Neighbor& hit : hits)
                                           rows.push_back(hit.row);
                                       });
  EXPECT_TRUE(status.ok()) << status;
  return rows;
}

std::shared_ptr<store::ObjectStore> MemoryObjects() {
  auto objects = store::OpenMemoryObjectStore();
  EXPECT_TRUE(objects.ok()) << objects.status();
  return *std::move(objects);
}

SegmentMeta Seal(const std::shared_ptr<store::ObjectStore>& objects, const SchemaPtr& schema,
                 const Segment& segment, std::span<const engine::Row> rows) {
  const model::SegmentId id(9);
  SegmentWriter writer(objects, SegmentPrefix(model::CollectionId(1), id), schema);
  EXPECT_TRUE(writer.AppendRows(Context(), segment, rows).ok());
  auto meta = writer.Finish(Context(), id, model::PartitionId(3));
  EXPECT_TRUE(meta.ok()) << meta.status();
  return meta.ok() ? *meta : SegmentMeta();
}

SegmentMeta SealAll(const std::shared_ptr<store::ObjectStore>& objects, const SchemaPtr& schema,
                    const Segment& segment) {
  return Seal(objects, schema, segment, Range(engine::Row{0}, segment.rows()));
}

}  // namespace kite::segment::testing
