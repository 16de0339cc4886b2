#include "roles/querynode/querynode.h"

namespace kite::roles {

Result<QueryRows> QueryNodeImpl::Query(const Context& context, const QueryPlan& plan) {
  KITE_ASSIGN_OR_RETURN(
      const std::vector<query::PinnedSegment> segments,
      Pin(context, {plan.channels, plan.positions, plan.partitions, plan.pinned, plan.keep_history, plan.ignore_growing}));
  QueryRows result;
  if (plan.count_only) {
    KITE_ASSIGN_OR_RETURN(result.count, query::CountSelected(context, *deps_.search, segments, plan.filter.get()));
    return result;
  }
  const model::FieldSchema& key_field = plan.collection->schema->primary_key();
  KITE_ASSIGN_OR_RETURN(const std::vector<query::RowAddress> rows,
                        query::SelectOrdered(context, *deps_.search, segments, key_field, plan.filter.get(), plan.skip,
                                             plan.limit));
  result.rows = rows.size();
  for (const model::FieldId field : plan.output_fields) {
    KITE_RETURN_IF_ERROR(context.Check());
    KITE_ASSIGN_OR_RETURN(model::Column column,
                          query::FetchColumn(segments, *plan.collection->schema->Find(field), rows));
    result.columns.push_back(std::move(column));
  }
  return result;
}

}  // namespace kite::roles
