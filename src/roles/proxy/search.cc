#include <algorithm>
#include <strings.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/crc32c.h"
#include "roles/proxy/proxy.h"
#include "roles/proxy/vectors.h"

namespace kite::roles {
namespace {

using model::DataType;
using model::SearchRequest;

Result<float> ParseFloat(const std::string& name, const std::string& text) {
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && std::isfinite(value)) return value;
  return Status::InvalidArgument("parameter " + name + " is '" + text.substr(0, 100) + "', it must be a finite number");
}

Result<std::optional<engine::Range>> ParseRange(const model::Properties& params, engine::Metric metric) {
  const auto radius = params.find("radius");
  const auto filter = params.find("range_filter");
  if (radius == params.end()) {
    if (filter == params.end()) return std::optional<engine::Range>();
    return Status::InvalidArgument("range_filter needs a radius beside it");
  }
  engine::Range range;
  KITE_ASSIGN_OR_RETURN(range.radius, ParseFloat("radius", radius->second));
  if (filter == params.end()) return std::optional(range);
  KITE_ASSIGN_OR_RETURN(range.range_filter, ParseFloat("range_filter", filter->second));
  const bool larger = engine::LargerIsBetter(metric);
  if (larger ? range.radius < *range.range_filter : range.radius > *range.range_filter) return std::optional(range);
  return Status::InvalidArgument("metric type " + std::string(engine::MetricName(metric)) + " needs range_filter(" +
                                 filter->second + ") to be " + (larger ? "greater" : "less") + " than radius(" +
                                 radius->second + ")");
}

Status CheckCounts(const SearchRequest& request, const RequestLimits& limits) {
  const auto count = static_cast<int64_t>(request.query_count);
  if (count < 1 || count > limits.queries_max) {
    return Status::InvalidArgument("nq [" + std::to_string(count) +
                                   "] is invalid, nq (number of search vector per search request) should be in range [1, " +
                                   std::to_string(limits.queries_max) + "], but got " + std::to_string(count));
  }
  if (request.limit < 1 || request.limit > limits.window_max) {
    const std::string k = std::to_string(request.limit);
    return Status::InvalidArgument("topk [" + k + "] is invalid, top k should be in range [1, " +
                                   std::to_string(limits.window_max) + "], but got " + k);
  }
  if (request.offset < 0 || request.offset > limits.window_max - request.limit) {
    return Status::InvalidArgument("offset [" + std::to_string(request.offset) + "] is invalid, (offset+limit) should be in range [1, " +
                                   std::to_string(limits.window_max) + "], but got " +
                                   std::to_string(request.offset) + "+" + std::to_string(request.limit));
  }
  return {};
}

Result<const model::FieldSchema*> ResolveField(const model::CollectionSchema& schema, const std::string& name) {
  if (!name.empty()) {
    const model::FieldSchema* field = schema.Find(name);
    if (field == nullptr) {
      return Status::InvalidArgument(StatusSubject::kField, "failed to get field schema by name: fieldName(" + name +
                                                                ") not found in collection '" + schema.name + "'");
    }
    if (IsVector(field->type)) return field;
    return Status::InvalidArgument(StatusSubject::kField, "field '" + name + "' is of type " +
                                                              std::string(DataTypeName(field->type)) +
                                                              "; a search needs a vector field");
  }
  const model::FieldSchema* only = nullptr;
  for (const model::FieldSchema& field : schema.fields) {
    if (!IsVector(field.type)) continue;
    if (only != nullptr) {
      return Status::InvalidArgument(StatusSubject::kField,
                                     "multiple anns_fields exist, please specify a anns_field in search_params: '" +
                                         only->name + "' and '" + field.name + "' are vector fields of collection '" +
                                         schema.name + "'");
    }
    only = &field;
  }
  return only;
}

Status DimensionMismatch(std::string_view query, const model::FieldSchema& field) {
  // Dimensions of binary vectors are bits.
  const size_t width = model::FixedWidth(field.type, 8);
  const std::string length = 8 * query.size() % width == 0
                                 ? std::to_string(8 * query.size() / width) + " dimensions"
                                 : std::to_string(query.size()) + " bytes, " + std::to_string(width / 8) +
                                       " for each dimension are expected";
  return Status::InvalidArgument(StatusSubject::kField, "vector dimension mismatch: field '" + field.name +
                                                            "' has dim(" + std::to_string(field.dim) +
                                                            "), a query vector has " + length);
}

Status CheckQueries(const SearchRequest& request, const model::FieldSchema& field) {
  if (request.vector_type != field.type) {
    return Status::InvalidArgument(StatusSubject::kField, "the queries are of type " +
                                                              std::string(DataTypeName(request.vector_type)) + ", field '" +
                                                              field.name + "' is " + std::string(DataTypeName(field.type)));
  }
  const size_t bytes = model::FixedWidth(field.type, field.dim);
  for (const std::string_view query : request.queries) {
    if (field.type == DataType::kSparseFloatVector) {
      const Status status = CheckSparseBytes(query);
      if (!status.ok()) {
        return Status::InvalidArgument(StatusSubject::kField, std::string(status.message()) + ", in a query for field '" +
                                                                  field.name + "'");
      }
      continue;
    }
    if (query.size() != bytes) return DimensionMismatch(query, field);
    if (!IsFiniteVector(field.type, query)) {
      return Status::InvalidArgument(StatusSubject::kField, "value 'NaN' or infinity in a query vector is not a number");
    }
  }
  return {};
}

/// The field to group by, with the rules of a grouping search.
Result<const model::FieldSchema*> ResolveGrouping(const model::CollectionSchema& schema, const SearchRequest& request,
                                                  const RequestLimits& limits) {
  const model::FieldSchema* field = schema.Find(request.group_by_field);
  if (field == nullptr) {
    return Status::InvalidArgument(StatusSubject::kField, "groupBy field not found in schema: collection '" +
                                                              schema.name + "' has no field '" +
                                                              request.group_by_field + "'");
  }
  if (field->type != DataType::kBool && !IsInteger(field->type) && field->type != DataType::kVarChar) {
    return Status::InvalidArgument(StatusSubject::kField,
                                   "group_by_field '" + field->name + "' is of type " +
                                       std::string(DataTypeName(field->type)) +
                                       ", unsupported data type for group by: it should be Bool, an integer or VarChar");
  }
  if (request.is_iterator || request.iterator) {
    return Status::InvalidArgument("Not allowed to do groupBy when doing iteration");
  }
  if (request.params.contains("radius") || request.params.contains("range_filter")) {
    return Status::InvalidArgument("Not allowed to do range-search when doing search-group-by");
  }
  if (request.group_size >= 1 && request.group_size <= limits.group_size_max) return field;
  return Status::InvalidArgument("input group size:" + std::to_string(request.group_size) +
                                 " is invalid, group_size should be in range [1, " +
                                 std::to_string(limits.group_size_max) + "]");
}

float Rounded(float score, int32_t decimals) {
  const double factor = std::pow(10.0, decimals);
  return static_cast<float>(std::round(static_cast<double>(score) * factor) / factor);
}

/// Stable over the life of an iterator, as clients expect of its token.
std::string IteratorToken(const model::SearchRequest& request, model::Timestamp pinned) {
  if (!request.iterator->token.empty()) return request.iterator->token;
  const std::string_view query = request.queries.front();
  return "kite-" + std::to_string(pinned.value()) + "-" + std::to_string(Crc32c(0, query.data(), query.size()));
}

}  // namespace

Result<SearchRequest> ProxyImpl::WithVectorsOfKeys(const Context& context, const ReadTarget& target,
                                                   const SearchRequest& request) {
  const model::CollectionSchema& schema = *target.collection->schema;
  const model::FieldSchema& key_field = schema.primary_key();
  const model::Column& keys = request.query_keys;
  KITE_ASSIGN_OR_RETURN(const model::FieldSchema* field, ResolveField(schema, request.field));
  if (keys.type != key_field.type) {
    return Status::InvalidArgument(StatusSubject::kField, "the ids are of type " + std::string(DataTypeName(keys.type)) +
                                                              ", the primary key '" + key_field.name + "' is " +
                                                              std::string(DataTypeName(key_field.type)));
  }
  QueryPlan plan;
  plan.collection = target.collection;
  plan.channels = target.channels;
  plan.positions = target.positions;
  plan.pinned = target.pinned;
  plan.keep_history = target.pinned.has_value();
  KITE_ASSIGN_OR_RETURN(plan.filter, KeyFilter(schema, keys));
  plan.output_fields = {key_field.id, field->id};
  plan.limit = std::numeric_limits<size_t>::max();
  KITE_ASSIGN_OR_RETURN(const QueryRows rows, deps_.query_node->Query(context, plan));

  const std::vector<size_t> found = FindStored(keys, rows.columns[0]);
  auto vectors = std::make_shared<const model::Column>(rows.columns[1]);
  const std::vector<size_t> places = Places(*vectors);
  SearchRequest by_vectors = request;
  for (size_t i = 0; i < keys.rows; ++i) {
    if (found[i] == rows.rows) {
      return Status::InvalidArgument("some of the provided primary key IDs do not exist: collection '" + schema.name +
                                     "' has no row with the primary key " + KeyText(keys, i));
    }
    if (!vectors->IsValid(found[i])) {
      return Status::InvalidArgument(StatusSubject::kField, "the row with the primary key " + KeyText(keys, i) +
                                                                " has no vector in field '" + field->name +
                                                                "' to search with: it is null");
    }
    by_vectors.queries.push_back(
        IsVariableWidth(field->type)
            ? vectors->Bytes(found[i])
            : vectors->data.view().substr(places[found[i]] * vectors->width(), vectors->width()));
  }
  by_vectors.vector_type = field->type;
  by_vectors.owner = std::move(vectors);
  return by_vectors;
}

Result<SearchPlan> ProxyImpl::PlanSearch(const ReadTarget& target, const SearchRequest& request,
                                         const OutputFields& output) {
  const model::CollectionSchema& schema = *target.collection->schema;
  KITE_ASSIGN_OR_RETURN(const model::FieldSchema* field, ResolveField(schema, request.field));
  KITE_RETURN_IF_ERROR(CheckQueries(request, *field));
  const std::vector<model::IndexPtr> indexes = deps_.index_coord->Indexes(target.collection->id);
  const auto index = std::find_if(indexes.begin(), indexes.end(),
                                  [field](const model::IndexPtr& other) { return other->field == field->id; });
  if (index == indexes.end()) {
    return Status::NotFound(StatusSubject::kIndex, "index not found[field=" + field->name + "]");
  }
  if (!request.metric.empty() && strcasecmp(request.metric.c_str(), (*index)->metric.c_str()) != 0) {
    return Status::InvalidArgument(StatusSubject::kMetric, "metric type not match: the index of field '" + field->name +
                                                               "' has another: invalid parameter[expected=" +
                                                               (*index)->metric + "][actual=" + request.metric + "]");
  }
  SearchPlan plan;
  plan.collection = target.collection;
  plan.channels = target.channels;
  plan.positions = target.positions;
  plan.partitions = target.partitions;
  plan.pinned = target.pinned;
  plan.keep_history = target.pinned.has_value();
  plan.field = field->id;
  KITE_ASSIGN_OR_RETURN(plan.metric, engine::ParseMetric((*index)->metric));
  plan.queries = request.queries;
  plan.output_fields = output.fetch;
  plan.ignore_growing = request.ignore_growing;
  plan.skip = static_cast<size_t>(request.offset);
  plan.params.k = static_cast<size_t>(request.limit + request.offset);
  plan.params.params = request.params;
  for (const std::string_view name : engine::MetricParams(plan.metric)) {
    plan.params.params.erase(std::string(name));
    if (const auto of_index = (*index)->params.find(name); of_index != (*index)->params.end()) {
      plan.params.params.emplace(*of_index);
    }
  }
  if (!request.group_by_field.empty()) {
    KITE_ASSIGN_OR_RETURN(const model::FieldSchema* group_by, ResolveGrouping(schema, request, limits_));
    plan.group_by = group_by->id;
    plan.params.group_size = static_cast<size_t>(request.group_size);
    plan.fill_groups = request.strict_group_size;
  }
  KITE_ASSIGN_OR_RETURN(plan.params.range, ParseRange(request.params, plan.metric));
  if (request.iterator) {
    plan.params.k = std::max<size_t>(request.iterator->batch_size, 1);
    plan.with_ties = true;
    // Pages are exact. Every row that scores as the bound was in the page before.
    plan.params.after = request.iterator->last_bound
                            ? engine::Neighbor{*request.iterator->last_bound, std::numeric_limits<engine::Row>::max()}
                            : engine::BeforeAllHits(plan.metric);
  }
  KITE_RETURN_IF_ERROR(engine::ValidateSearch((*index)->index_type, plan.params));
  if (!request.filter.empty()) {
    KITE_ASSIGN_OR_RETURN(plan.filter, query::Filter::Parse(request.filter, schema, request.templates));
    plan.partitions = PrunePartitions(*target.collection, *plan.filter, std::move(plan.partitions));
  }
  return plan;
}

Result<model::SearchResult> ProxyImpl::Search(const Context& context, const SearchRequest& request) {
  KITE_ASSIGN_OR_RETURN(const ReadTarget target,
                        ResolveRead(context, request.name, request.partitions, request.consistency,
                                    request.is_iterator || request.iterator.has_value(), "search"));
  KITE_RETURN_IF_ERROR(CheckCounts(request, limits_));
  KITE_ASSIGN_OR_RETURN(const OutputFields output,
                        ResolveOutputFields(*target.collection->schema, request.output_fields, false));
  SearchRequest by_vectors;
  const bool by_keys = request.query_keys.type != DataType::kNone;
  if (by_keys) {
    KITE_ASSIGN_OR_RETURN(by_vectors, WithVectorsOfKeys(context, target, request));
  }
  const SearchRequest& search = by_keys ? by_vectors : request;
  KITE_ASSIGN_OR_RETURN(const SearchPlan plan, PlanSearch(target, search, output));
  KITE_ASSIGN_OR_RETURN(model::SearchResult result, deps_.query_node->Search(context, plan));

  result.collection = target.collection;
  result.key_field = target.collection->schema->primary_key().name;
  result.output_fields = output.names;
  result.limit = request.limit;
  result.session = target.session;
  if (request.iterator) {
    result.iterator_token = IteratorToken(search, *target.pinned);
    const float none = engine::LargerIsBetter(plan.metric) ? std::numeric_limits<float>::max()
                                                           : -std::numeric_limits<float>::max();
    result.iterator_last_bound = !result.scores.empty() ? result.scores.back()
                                                        : request.iterator->last_bound.value_or(none);
  }
  if (request.round_decimal >= 0) {
    for (float& score : result.scores) score = Rounded(score, request.round_decimal);
  }
  return result;
}

}  // namespace kite::roles
