#include <limits>

#include "roles/proxy/proxy.h"

namespace kite::roles {
namespace {

Status CheckWindow(const model::QueryRequest& request, bool filtered, bool count, const RequestLimits& limits) {
  if (count) {
    if (!request.limit) return {};
    return Status::InvalidArgument("count entities with pagination is not allowed: count(*) takes no limit");
  }
  if (!request.limit) {
    if (filtered) return {};
    return Status::InvalidArgument("empty expression should be used with limit: give a filter or a limit");
  }
  const std::string limit = std::to_string(*request.limit);
  const std::string offset = std::to_string(request.offset);
  if (*request.limit < 1) return Status::InvalidArgument("limit [" + limit + "] is invalid, it should be greater than 0");
  if (request.offset < 0) return Status::InvalidArgument("offset [" + offset + "] is invalid, it should be 0 or greater");
  if (*request.limit > limits.window_max || request.offset > limits.window_max - *request.limit) {
    return Status::InvalidArgument("invalid max query result window, (offset+limit) should be in range [1, " +
                                   std::to_string(limits.window_max) + "], but got " + offset + "+" + limit);
  }
  return {};
}

}  // namespace

Result<model::QueryResult> ProxyImpl::Query(const Context& context, const model::QueryRequest& request) {
  KITE_ASSIGN_OR_RETURN(const ReadTarget target, ResolveRead(context, request.name, request.partitions,
                                                             request.consistency, request.is_iterator, "query"));
  const model::CollectionSchema& schema = *target.collection->schema;
  KITE_ASSIGN_OR_RETURN(const OutputFields output, ResolveOutputFields(schema, request.output_fields, true));
  const bool filtered = request.filter.find_first_not_of(" \t\r\n") != std::string::npos;
  KITE_RETURN_IF_ERROR(CheckWindow(request, filtered, output.count, limits_));

  QueryPlan plan;
  plan.collection = target.collection;
  plan.channels = target.channels;
  plan.positions = target.positions;
  plan.partitions = target.partitions;
  plan.pinned = target.pinned;
  plan.keep_history = target.pinned.has_value();
  plan.ignore_growing = request.ignore_growing;
  plan.output_fields = output.fetch;
  plan.count_only = output.count;
  plan.skip = static_cast<size_t>(request.offset);
  plan.limit = request.limit ? static_cast<size_t>(*request.limit) : std::numeric_limits<size_t>::max();
  if (filtered) {
    KITE_ASSIGN_OR_RETURN(plan.filter, query::Filter::Parse(request.filter, schema, request.templates));
    plan.partitions = PrunePartitions(*target.collection, *plan.filter, std::move(plan.partitions));
  }
  KITE_ASSIGN_OR_RETURN(QueryRows rows, deps_.query_node->Query(context, plan));

  model::QueryResult result;
  result.rows = rows.rows;
  result.columns = std::move(rows.columns);
  result.output_fields = output.names;
  result.key_field = schema.primary_key().name;
  if (output.count) result.count = rows.count;
  result.session = target.session;
  result.collection = target.collection;
  return result;
}

}  // namespace kite::roles
