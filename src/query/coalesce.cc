#include "query/coalesce.h"

#include <algorithm>
#include <cstring>

namespace kite::query {

/// Fields are guarded by the Coalescer's mutex, but for `query`, `context`, which do not change, and what RunGroup()
/// writes before `state` says kAnswered.
struct Coalescer::Call {
  enum class State : uint8_t { kWaiting, kTaken, kLeads, kAnswered };

  Context context;
  std::span<const std::byte> query;  ///< valid while the call waits or leads
  State state = State::kWaiting;
  std::condition_variable_any changed;
  Status status;
  std::vector<engine::Neighbor> hits;
};

namespace {

/// One after the other, aligned as a vector is.
std::vector<uint64_t> Pack(const std::vector<std::span<const std::byte>>& queries) {
  const size_t bytes = queries.front().size();
  std::vector<uint64_t> words((queries.size() * bytes + 7) / 8);
  auto* out = reinterpret_cast<std::byte*>(words.data());
  for (const std::span<const std::byte> query : queries) {
    std::memcpy(out, query.data(), bytes);
    out += bytes;
  }
  return words;
}

}  // namespace

Result<std::vector<engine::Neighbor>> Coalescer::Search(const Context& context, const Kind& kind,
                                                        std::span<const std::byte> query, const Run& run) {
  auto call = std::make_shared<Call>();
  call->context = context;
  call->query = query;
  std::unique_lock lock(mutex_);
  Lane& lane = lanes_[kind];
  if (lane.running < runners_) {
    ++lane.running;
  } else {
    lane.waiting.push_back(call);
    KITE_RETURN_IF_ERROR(Wait(lock, context, lane, call));
    if (call->state == Call::State::kAnswered) {
      KITE_RETURN_IF_ERROR(call->status);
      return std::move(call->hits);
    }
  }
  std::vector<CallPtr> group = {call};
  std::vector<std::span<const std::byte>> queries = {query};
  while (group.size() < kGroupMax && !lane.waiting.empty()) {
    group.push_back(std::move(lane.waiting.front()));
    lane.waiting.pop_front();
    group.back()->state = Call::State::kTaken;
    queries.push_back(group.back()->query);
  }
  // A call that was taken may end before the search does: its query is copied while it cannot.
  const std::vector<uint64_t> packed = Pack(queries);
  lock.unlock();
  RunGroup(group, {reinterpret_cast<const std::byte*>(packed.data()), group.size(), {}}, run);
  lock.lock();
  for (const CallPtr& other : group) {
    other->state = Call::State::kAnswered;
    other->changed.notify_one();
  }
  HandOver(kind, lane);
  KITE_RETURN_IF_ERROR(call->status);
  return std::move(call->hits);
}

Status Coalescer::Wait(std::unique_lock<std::mutex>& lock, const Context& context, Lane& lane, const CallPtr& call) {
  const auto decided = [&call] { return call->state == Call::State::kLeads || call->state == Call::State::kAnswered; };
  // A wait without end is no wait_until: the clock's maximum overflows inside of it.
  const bool done = context.has_deadline()
                        ? call->changed.wait_until(lock, context.stop_token(), context.deadline(), decided)
                        : call->changed.wait(lock, context.stop_token(), decided);
  if (done) return {};
  if (call->state == Call::State::kWaiting) std::erase(lane.waiting, call);
  const Status ended = context.Check();
  return ended.ok() ? Status::DeadlineExceeded() : ended;
}

void Coalescer::HandOver(const Kind& kind, Lane& lane) {
  if (lane.waiting.empty()) {
    if (--lane.running == 0) lanes_.erase(kind);
    return;
  }
  const CallPtr next = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  next->state = Call::State::kLeads;
  next->changed.notify_one();
}

void Coalescer::RunGroup(const std::vector<CallPtr>& group, const engine::QuerySet& queries, const Run& run) {
  // A search for several goes on until the last of them would end; cancelling one does not stop it.
  Context context = group.front()->context;
  if (group.size() > 1) {
    Context::Clock::time_point last = Context::Clock::time_point::min();
    for (const CallPtr& call : group) last = std::max(last, call->context.deadline());
    context = Context().WithDeadline(last);
  }
  const Status status = run(context, queries, [&group](size_t query, std::span<const engine::Neighbor> hits) {
    group[query]->hits.assign(hits.begin(), hits.end());
  });
  for (const CallPtr& call : group) {
    const Status ended = call->context.Check();
    call->status = ended.ok() ? status : ended;
  }
}

size_t Coalescer::waiting() const {
  const std::lock_guard lock(mutex_);
  size_t calls = 0;
  for (const auto& [kind, lane] : lanes_) calls += lane.waiting.size();
  return calls;
}

}  // namespace kite::query
