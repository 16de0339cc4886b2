// Writes that follow from what is stored: read at a closed timestamp, written on condition that nothing changed since.
#include <limits>

#include "roles/proxy/proxy.h"

namespace kite::roles {
namespace {

/// Tries of a write whose rows change under it.
constexpr int kConflictTries = 20;

}  // namespace

Result<model::MutationResult> ProxyImpl::ReadModifyWrite(
    const Context& context, QueryPlan plan,
    const std::function<Result<model::MutationResult>(const QueryRows& rows, model::Timestamp read)>& write) {
  const model::CollectionMeta& collection = *plan.collection;
  plan.limit = std::numeric_limits<size_t>::max();
  for (uint32_t shard = 0; shard < collection.shards(); ++shard) plan.channels.push_back({collection.id, shard});
  Status conflict;
  for (int attempt = 0; attempt < kConflictTries; ++attempt) {
    KITE_RETURN_IF_ERROR(deps_.data_node->CheckCurrent(context, plan.channels));
    KITE_ASSIGN_OR_RETURN(plan.pinned, deps_.data_node->CloseTimestamp(plan.channels));
    const Result<QueryRows> rows = deps_.query_node->Query(context, plan);
    if (rows.status().Is(StatusKind::kFailedPrecondition, StatusSubject::kChannel)) {
      conflict = rows.status();  // a compaction overtook the timestamp; read at a newer one
      continue;
    }
    KITE_RETURN_IF_ERROR(rows.status());
    Result<model::MutationResult> result = write(*rows, *plan.pinned);
    if (result.ok() || !result.status().Is(StatusKind::kConflict)) return result;
    conflict = result.status();
  }
  return Status::BackPressure(StatusSubject::kChannel, "the rows to change keep changing: " + conflict.message());
}

}  // namespace kite::roles
