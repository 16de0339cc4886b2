// Coalescer: single queries that wait for the same pass over the same vectors are answered by one search.
//
// Nobody waits for company. A query runs at once as long as fewer than `runners` searches of its kind do; those that
// come meanwhile wait, and when a search ends, the first of them takes the others along, at most kGroupMax at a time.
// So on an idle server nothing changes, and on a busy one the vectors are read once for many queries.
#pragma once

#include <compare>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "kite/engine/index.h"
#include "model/types.h"

namespace kite::query {

/// Thread-safe.
class Coalescer {
 public:
  /// Queries that one search answers; the engine scans for that many in one pass.
  static constexpr size_t kGroupMax = 16;

  /// What has to be equal for queries to be answered together: the rows that are read and how.
  struct Kind {
    const void* segment = nullptr;  ///< pinned by each of the queries
    const void* out = nullptr;      ///< the bitset of rows that are not visible; pinned as well
    size_t rows = 0;
    model::FieldId field;
    engine::Metric metric = engine::Metric::kL2;
    size_t k = 0;
    engine::ParamMap params;
    auto operator<=>(const Kind&) const = default;
  };

  /// Searches for several queries of one kind; as engine::Index::Search.
  using Run = std::function<Status(const Context&, const engine::QuerySet&, const engine::Sink&)>;

  /// `runners`: searches of one kind at the same time, 1 or more.
  explicit Coalescer(size_t runners) : runners_(runners) {}

  /// The hits of one query of a dense or binary type. `run` is called for it or, by another thread's call of this
  /// function, that call's: so it has to depend on the kind alone. A query that waits ends when its Context does; the
  /// others are not touched by that.
  Result<std::vector<engine::Neighbor>> Search(const Context& context, const Kind& kind,
                                               std::span<const std::byte> query, const Run& run);

  /// Queries that wait now.
  [[nodiscard]] size_t waiting() const;

 private:
  struct Call;
  using CallPtr = std::shared_ptr<Call>;
  struct Lane {
    size_t running = 0;
    std::deque<CallPtr> waiting;
  };

  /// Until the call is answered, leads, or has to end.
  Status Wait(std::unique_lock<std::mutex>& lock, const Context& context, Lane& lane, const CallPtr& call);
  /// The lane's next search begins, or there is none.
  void HandOver(const Kind& kind, Lane& lane);
  static void RunGroup(const std::vector<CallPtr>& group, const engine::QuerySet& queries, const Run& run);

  const size_t runners_;
  mutable std::mutex mutex_;
  std::map<Kind, Lane> lanes_;  ///< of kinds that run
};

}  // namespace kite::query
