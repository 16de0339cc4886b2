// Insert, Upsert.
#include <algorithm>

#include "api/decode_column.h"
#include "api/handlers.h"
#include "api/mutation.h"
#include "api/service.h"

namespace kite::api {

namespace {

/// The schema, if the columns cannot be read without it; else null.
template <typename Request>
Result<std::shared_ptr<const model::CollectionSchema>> SchemaFor(Call& call, const Request& request) {
  const auto is_array = [](const pb_schema::FieldData& data) { return data.type() == pb_schema::Array; };
  if (std::ranges::none_of(request.fields_data(), is_array)) return std::shared_ptr<const model::CollectionSchema>();
  KITE_ASSIGN_OR_RETURN(const model::CollectionPtr collection,
                        call.roles.root_coord->GetCollection(call.context, call.Name(request.collection_name())));
  return collection->schema;
}

template <typename Request>
Result<model::InsertRequest> Decode(Call& call, const Request& request) {
  if (request.has_namespace_()) return Status::Unimplemented("namespaces are not supported by this server yet");
  if (request.num_rows() == 0) {
    return Status::InvalidArgument(StatusSubject::kRequest, "num_rows should be greater than 0: invalid parameter");
  }
  model::InsertRequest insert;
  insert.name = call.Name(request.collection_name());
  insert.partition = request.partition_name();
  insert.rows = request.num_rows();
  insert.schema_timestamp = request.schema_timestamp();
  KITE_ASSIGN_OR_RETURN(const auto schema, SchemaFor(call, request));
  KITE_ASSIGN_OR_RETURN(insert.columns, DecodeColumns(request.fields_data(), insert.rows, schema.get(), call.arena));
  return insert;
}

Status Insert(Call& call, const pb::InsertRequest& request, pb::MutationResult& reply) {
  KITE_ASSIGN_OR_RETURN(const model::InsertRequest insert, Decode(call, request));
  KITE_ASSIGN_OR_RETURN(const model::MutationResult result, call.roles.proxy->Insert(call.context, insert));
  EncodeMutation(result, &reply);
  return {};
}

Status Upsert(Call& call, const pb::UpsertRequest& request, pb::MutationResult& reply) {
  for (const pb_schema::FieldPartialUpdateOp& op : request.field_ops()) {
    if (op.op() != pb_schema::FieldPartialUpdateOp::REPLACE) {
      return Status::Unimplemented("upsert of field '" + op.field_name() +
                                   "': appending to and removing from arrays is not supported by this server yet");
    }
  }
  KITE_ASSIGN_OR_RETURN(model::InsertRequest upsert, Decode(call, request));
  upsert.upsert = true;
  upsert.partial_update = request.partial_update();
  KITE_ASSIGN_OR_RETURN(const model::MutationResult result, call.roles.proxy->Insert(call.context, upsert));
  EncodeMutation(result, &reply);
  return {};
}

}  // namespace

void AddInsertHandlers(Service& service) {
  service.Add("Insert", &Insert);
  service.Add("Upsert", &Upsert);
}

}  // namespace kite::api
