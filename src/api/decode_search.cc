#include "api/decode_search.h"

#include <limits>

#include "api/json_text.h"
#include "api/schema_codec.h"
#include "api/text.h"

namespace kite::api {

namespace {

using model::DataType;

Status NotYet(std::string_view what) {
  return Status::Unimplemented(std::string(what) + " is not supported by this server yet");
}

Status BadParameter(const std::string& what) { return Status::InvalidArgument(what + ": invalid parameter"); }

template <typename Request>
Result<model::Consistency> DecodeConsistency(const Request& request) {
  model::Consistency consistency;
  consistency.use_collection_default = request.use_default_consistency();
  consistency.guarantee = request.guarantee_timestamp();
  if (!consistency.use_collection_default) {
    KITE_ASSIGN_OR_RETURN(consistency.level, DecodeConsistencyLevel(request.consistency_level()));
  }
  return consistency;
}

Status CheckSearchFeatures(const pb::SearchRequest& request, const Params& params) {
  if (request.sub_reqs_size() > 0) return NotYet("hybrid search");
  if (request.has_function_score()) return NotYet("re-ranking with a function score");
  if (request.function_chains_size() > 0) return NotYet("search with function chains");
  if (request.has_highlighter()) return NotYet("highlighting");
  if (request.has_search_aggregation()) return NotYet("search aggregation");
  if (request.has_namespace_()) return NotYet("search in a namespace");
  if (!params.Text("order_by_fields").empty()) return NotYet("search with order_by_fields");
  return {};
}

Result<DataType> QueryType(int placeholder_type) {
  if (placeholder_type >= pb_common::BinaryVector && placeholder_type <= pb_common::Int8Vector) {
    return static_cast<DataType>(placeholder_type);  // Milvus gave both the same numbers
  }
  if (placeholder_type == pb_common::VarChar) return NotYet("full-text search (text as query)");
  if (placeholder_type >= pb_common::EmbListBinaryVector && placeholder_type <= pb_common::EmbListInt8Vector) {
    return NotYet("search with embedding lists");
  }
  return BadParameter("query vectors of type " + std::to_string(placeholder_type) + " do not exist");
}

Status DecodeVectors(const Call& call, const pb::SearchRequest& request, model::SearchRequest& decoded) {
  const std::string& bytes = request.placeholder_group();
  auto* group = google::protobuf::Arena::CreateMessage<pb_common::PlaceholderGroup>(call.arena.get());
  if (!group->ParseFromString(bytes)) return BadParameter("placeholder_group is not a valid PlaceholderGroup message");
  if (group->placeholders_size() > 1) {
    return BadParameter("placeholder_group has " + std::to_string(group->placeholders_size()) +
                        " placeholders, one is expected");
  }
  if (group->placeholders_size() == 1) {
    const pb_common::PlaceholderValue& value = group->placeholders(0);
    KITE_ASSIGN_OR_RETURN(decoded.vector_type, QueryType(value.type()));
    decoded.queries.assign(value.values().begin(), value.values().end());
  }
  decoded.query_count = decoded.queries.size();
  decoded.owner = call.arena;
  return {};
}

/// Primary keys in place of query vectors.
void DecodeKeys(const pb::SearchRequest& request, model::SearchRequest& decoded) {
  const pb_schema::IDs& ids = request.ids();
  const bool texts = ids.has_str_id();
  model::ColumnBuilder keys(model::FieldId(), texts ? DataType::kVarChar : DataType::kInt64, DataType::kNone, 0, false);
  for (const int64_t id : ids.int_id().data()) keys.AppendFixed(id);
  for (const std::string& id : ids.str_id().data()) keys.AppendBytes(id);
  decoded.query_keys = keys.Finish();
  decoded.query_count = decoded.query_keys.rows;
}

Status DecodeQueries(const Call& call, const pb::SearchRequest& request, model::SearchRequest& decoded) {
  if (request.has_ids()) {
    DecodeKeys(request, decoded);
  } else {
    KITE_RETURN_IF_ERROR(DecodeVectors(call, request, decoded));
  }
  if (request.nq() != 0 && request.nq() != static_cast<int64_t>(decoded.query_count)) {
    return BadParameter("nq is " + std::to_string(request.nq()) + ", but the request carries " +
                        std::to_string(decoded.query_count) + (request.has_ids() ? " ids" : " query vectors"));
  }
  return {};
}

/// The JSON object under the key "params": what the index gets. Values become texts; what the request itself is
/// about (SDKs repeat it in there) is left out.
Status DecodeIndexParams(std::string_view text, model::Properties& out) {
  constexpr size_t kBytesMax = size_t{1} << 20;
  constexpr std::string_view kNotForIndex[] = {"metric_type", "offset", "ignore_growing", "page_retain_order", "hints",
                                               "round_decimal", "analyzer_name"};
  if (text.empty()) return {};
  if (text.size() > kBytesMax) return BadParameter("search parameter 'params' is longer than 1 MiB");
  const std::optional<nlohmann::json> json = ParseJson(text);
  if (!json || !json->is_object()) {
    return BadParameter("search parameter 'params' is '" + Quoted(text) + "', a JSON object is expected");
  }
  for (const auto& [key, value] : json->items()) {
    if (std::ranges::find(kNotForIndex, key) != std::end(kNotForIndex)) continue;
    out[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return {};
}

Status DecodeIterator(const Params& params, model::SearchRequest& decoded) {
  KITE_ASSIGN_OR_RETURN(decoded.is_iterator, params.Bool("iterator"));
  KITE_ASSIGN_OR_RETURN(const bool second_version, params.Bool("search_iter_v2"));
  if (!second_version) return {};
  model::SearchIterator iterator;
  KITE_ASSIGN_OR_RETURN(const int64_t batch_size, params.Int("search_iter_batch_size", 0));
  if (batch_size < 0 || batch_size > std::numeric_limits<uint32_t>::max()) {
    return BadParameter("search_iter_batch_size is " + std::to_string(batch_size) + ", it should be positive");
  }
  iterator.batch_size = static_cast<uint32_t>(batch_size);
  iterator.token = params.Text("search_iter_id");
  if (const auto bound = params.Find("search_iter_last_bound")) {
    KITE_ASSIGN_OR_RETURN(iterator.last_bound, ParseFloat("parameter 'search_iter_last_bound'", *bound));
  }
  decoded.iterator = std::move(iterator);
  return {};
}

Status DecodeGrouping(const Params& params, model::SearchRequest& decoded) {
  const std::string_view several = params.Text("group_by_fields");
  if (several.find(',') != std::string_view::npos) return NotYet("search grouped by several fields");
  decoded.group_by_field = several.empty() ? params.Text("group_by_field") : several;
  KITE_ASSIGN_OR_RETURN(decoded.group_size, params.Int("group_size", 1));
  KITE_ASSIGN_OR_RETURN(decoded.strict_group_size, params.Bool("strict_group_size"));
  return {};
}

Status DecodeSearchParams(const Params& params, model::SearchRequest& decoded) {
  KITE_ASSIGN_OR_RETURN(decoded.limit, params.Int(params.Find("topk") ? "topk" : "limit", 0));
  KITE_ASSIGN_OR_RETURN(decoded.offset, params.Int("offset", 0));
  KITE_ASSIGN_OR_RETURN(const int64_t round_decimal, params.Int("round_decimal", -1));
  if (round_decimal < -1 || round_decimal > 6) {
    return BadParameter("round_decimal is " + std::to_string(round_decimal) + ", it should be in range [-1, 6]");
  }
  decoded.round_decimal = static_cast<int32_t>(round_decimal);
  KITE_ASSIGN_OR_RETURN(decoded.ignore_growing, params.Bool("ignore_growing"));
  decoded.field = params.Text("anns_field");
  decoded.metric = params.Text("metric_type");
  KITE_RETURN_IF_ERROR(DecodeIndexParams(params.Text("params"), decoded.params));
  KITE_RETURN_IF_ERROR(DecodeGrouping(params, decoded));
  return DecodeIterator(params, decoded);
}

}  // namespace

Result<model::SearchRequest> DecodeSearch(const Call& call, const pb::SearchRequest& request) {
  const Params params(request.search_params());
  KITE_RETURN_IF_ERROR(CheckSearchFeatures(request, params));
  model::SearchRequest decoded;
  decoded.name = call.Name(request.collection_name());
  decoded.partitions = ToStrings(request.partition_names());
  decoded.filter = request.dsl();
  decoded.output_fields = ToStrings(request.output_fields());
  KITE_ASSIGN_OR_RETURN(decoded.templates, DecodeTemplates(request.expr_template_values()));
  KITE_ASSIGN_OR_RETURN(decoded.consistency, DecodeConsistency(request));
  KITE_RETURN_IF_ERROR(DecodeSearchParams(params, decoded));
  KITE_RETURN_IF_ERROR(DecodeQueries(call, request, decoded));
  return decoded;
}

Result<model::QueryRequest> DecodeQuery(const Call& call, const pb::QueryRequest& request) {
  const Params params(request.query_params());
  if (request.has_namespace_()) return NotYet("query in a namespace");
  if (!params.Text("group_by_fields").empty()) return NotYet("query with group_by_fields");
  if (!params.Text("order_by_fields").empty()) return NotYet("query with order_by_fields");
  model::QueryRequest decoded;
  decoded.name = call.Name(request.collection_name());
  decoded.partitions = ToStrings(request.partition_names());
  decoded.filter = request.expr();
  decoded.output_fields = ToStrings(request.output_fields());
  KITE_ASSIGN_OR_RETURN(decoded.templates, DecodeTemplates(request.expr_template_values()));
  KITE_ASSIGN_OR_RETURN(decoded.consistency, DecodeConsistency(request));
  constexpr int64_t kUnlimited = -1;  // as Milvus's SDKs say "no limit"
  KITE_ASSIGN_OR_RETURN(const int64_t limit, params.Int("limit", kUnlimited));
  if (limit != kUnlimited) decoded.limit = limit;
  KITE_ASSIGN_OR_RETURN(decoded.offset, params.Int("offset", 0));
  KITE_ASSIGN_OR_RETURN(decoded.is_iterator, params.Bool("iterator"));
  KITE_ASSIGN_OR_RETURN(decoded.ignore_growing, params.Bool("ignore_growing"));
  return decoded;
}

}  // namespace kite::api
