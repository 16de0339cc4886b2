// Query.
#include "api/decode_search.h"
#include "api/encode_column.h"
#include "api/handlers.h"
#include "api/service.h"

namespace kite::api {

namespace {

/// Milvus's name of the column that answers count(*).
constexpr std::string_view kCountField = "count(*)";

void EncodeCount(int64_t count, pb::QueryResults& reply) {
  pb_schema::FieldData* column = reply.add_fields_data();
  column->set_type(pb_schema::Int64);
  column->set_field_name(std::string(kCountField));
  column->mutable_scalars()->mutable_long_data()->add_data(count);
  reply.add_output_fields(std::string(kCountField));
}

Status Query(Call& call, const pb::QueryRequest& request, pb::QueryResults& reply) {
  KITE_ASSIGN_OR_RETURN(const model::QueryRequest query, DecodeQuery(call, request));
  KITE_ASSIGN_OR_RETURN(const model::QueryResult result, call.roles.proxy->Query(call.context, query));
  reply.set_collection_name(request.collection_name());
  reply.set_session_ts(result.session.value());
  reply.set_primary_field_name(result.key_field);
  if (result.count) {
    EncodeCount(*result.count, reply);
    return {};
  }
  EncodeColumns(result.columns, *result.collection->schema, reply.mutable_fields_data());
  for (const std::string& name : result.output_fields) reply.add_output_fields(name);
  return {};
}

}  // namespace

void AddQueryHandlers(Service& service) { service.Add("Query", &Query); }

}  // namespace kite::api
