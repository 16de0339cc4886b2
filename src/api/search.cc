// Search.
#include <cstring>

#include "api/decode_search.h"
#include "api/encode_column.h"
#include "api/handlers.h"
#include "api/service.h"

namespace kite::api {

namespace {

void EncodeGroups(const model::SearchResult& result, const std::string& field, pb_schema::SearchResultData* out) {
  if (result.group_values.type == model::DataType::kNone) return;
  const model::FieldSchema* schema = result.collection->schema->Find(result.group_values.field);
  if (schema == nullptr) schema = result.collection->schema->Find(field);
  if (schema == nullptr) return;
  EncodeFieldData(result.group_values, *schema, out->mutable_group_by_field_value());
  *out->add_group_by_field_values() = out->group_by_field_value();
}

void EncodeResult(const model::SearchRequest& request, const model::SearchResult& result,
                  pb_schema::SearchResultData* out) {
  const model::CollectionSchema& schema = *result.collection->schema;
  out->set_num_queries(static_cast<int64_t>(request.query_count));
  out->set_top_k(result.limit);
  out->set_primary_field_name(result.key_field);
  out->mutable_topks()->Add(result.hits.begin(), result.hits.end());
  out->mutable_scores()->Add(result.scores.begin(), result.scores.end());
  EncodeKeys(result.keys, schema.primary_key().type, out->mutable_ids());
  EncodeColumns(result.columns, schema, out->mutable_fields_data());
  for (const std::string& name : result.output_fields) out->add_output_fields(name);
  EncodeGroups(result, request.group_by_field, out);
  if (!request.iterator) return;
  out->mutable_search_iterator_v2_results()->set_token(result.iterator_token);
  out->mutable_search_iterator_v2_results()->set_last_bound(result.iterator_last_bound);
}

Status Search(Call& call, const pb::SearchRequest& request, pb::SearchResults& reply) {
  KITE_ASSIGN_OR_RETURN(const model::SearchRequest search, DecodeSearch(call, request));
  KITE_ASSIGN_OR_RETURN(const model::SearchResult result, call.roles.proxy->Search(call.context, search));
  EncodeResult(search, result, reply.mutable_results());
  reply.set_collection_name(request.collection_name());
  reply.set_session_ts(result.session.value());
  return {};
}

}  // namespace

void AddSearchHandlers(Service& service) { service.Add("Search", &Search); }

}  // namespace kite::api
