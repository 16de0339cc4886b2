// Partial updates: an upsert whose columns change only what they name. The stored rows are read at a closed timestamp,
// completed, and written back on condition that they are still what was read.
#include <unordered_set>

#include "roles/proxy/dynamic.h"
#include "roles/proxy/proxy.h"

namespace kite::roles {
namespace {

using model::Column;
using model::ColumnBuilder;
using model::DataType;
using model::FieldSchema;

/// A request says nothing about which of two changes to one row comes first.
Status CheckDistinct(const Column& keys) {
  std::unordered_set<std::string_view> seen;
  const bool integers = keys.type == DataType::kInt64;
  for (size_t row = 0; row < keys.rows; ++row) {
    const std::string_view bytes =
        integers ? keys.data.view().substr(row * sizeof(int64_t), sizeof(int64_t)) : keys.Bytes(row);
    if (seen.insert(bytes).second) continue;
    return Status::InvalidArgument(StatusSubject::kField,
                                   "duplicate primary keys are not allowed in the same batch of a partial update: " +
                                       KeyText(keys, row));
  }
  return {};
}

/// One field of all rows: from what was sent, else from what is stored, else what an insert gives a missing field.
Result<Column> CompleteColumn(const FieldSchema& field, const Column& keys, const Column* sent, const Column& stored,
                              const std::vector<size_t>& stored_rows) {
  const std::vector<size_t> sent_places = sent == nullptr ? std::vector<size_t>() : Places(*sent);
  const std::vector<size_t> stored_places = Places(stored);
  ColumnBuilder builder(field);
  builder.Reserve(keys.rows);
  for (size_t row = 0; row < keys.rows; ++row) {
    const size_t old = stored_rows[row];
    if (sent != nullptr && field.is_dynamic && old < stored.rows) {
      builder.AppendBytes(MergeObjects(stored.Bytes(old), sent->Bytes(row)));
    } else if (sent != nullptr) {
      builder.AppendFrom(*sent, row, sent_places[row]);
    } else if (old < stored.rows) {
      builder.AppendFrom(stored, old, stored_places[old]);
    } else {
      const Status status = AppendMissing(field, builder);
      if (status.ok()) continue;
      return Status::InvalidArgument(StatusSubject::kField, "there is no row with the primary key " +
                                                                KeyText(keys, row) +
                                                                " to update, and for a new one: " + status.message());
    }
  }
  return builder.Finish();
}

}  // namespace

Result<model::MutationResult> ProxyImpl::PartialUpsert(const Context& context, const CollectionPtr& collection,
                                                       const model::InsertRequest& request,
                                                       std::optional<int64_t> first_id) {
  const model::CollectionSchema& schema = *collection->schema;
  const FieldSchema& key_field = schema.primary_key();
  KITE_ASSIGN_OR_RETURN(const model::RowBatch sent, CheckNamedColumns(schema, request.columns, request.rows));
  const Column& keys = *sent.Find(key_field.id);
  KITE_RETURN_IF_ERROR(CheckDistinct(keys));

  QueryPlan plan;
  plan.collection = collection;
  KITE_ASSIGN_OR_RETURN(plan.filter, KeyFilter(schema, keys));
  for (const FieldSchema& field : schema.fields) plan.output_fields.push_back(field.id);
  return ReadModifyWrite(
      context, std::move(plan),
      [&](const QueryRows& stored, model::Timestamp read) -> Result<model::MutationResult> {
        const auto key_at = std::ranges::find(schema.fields, key_field.id, &FieldSchema::id) - schema.fields.begin();
        const std::vector<size_t> stored_rows = FindStored(keys, stored.columns[static_cast<size_t>(key_at)]);
        model::RowBatch rows;
        rows.rows = keys.rows;
        for (size_t i = 0; i < schema.fields.size(); ++i) {
          const FieldSchema& field = schema.fields[i];
          KITE_ASSIGN_OR_RETURN(Column column,
                                CompleteColumn(field, keys, sent.Find(field.id), stored.columns[i], stored_rows));
          rows.columns.push_back(std::move(column));
        }
        return WriteUpsert(context, collection, request.partition, std::move(rows), first_id, read);
      });
}

}  // namespace kite::roles
