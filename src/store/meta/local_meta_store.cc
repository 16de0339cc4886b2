#include "store/meta/local_meta_store.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "store/meta/lease_table.h"
#include "store/meta/meta_txn.h"
#include "store/meta/watch_hub.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr auto kExpiryRetry = milliseconds(500);  // when the disk refused to end a lease
constexpr size_t kRangeLimitMax = 10'000;

Status NoLease(LeaseId lease) {
  return Status::NotFound(StatusSubject::kMeta, "lease " + std::to_string(lease) + " has ended");
}

/// A transaction on its way to the backend.
struct Attempt {
  int64_t revision = 0;
  MetaChanges changes;
  std::map<std::string, LeaseId> leases;  ///< of the keys that were put
};

class LocalMetaStore final : public MetaStore {
 public:
  LocalMetaStore(std::unique_ptr<MetaBackend> backend, std::shared_ptr<const Clock> clock,
                 int64_t revision)
      : backend_(std::move(backend)),
        clock_(std::move(clock)),
        revision_(revision),
        leases_(std::max<int64_t>(clock_->NowMicros(), 1)),
        hub_(std::make_shared<WatchHub>(revision)) {}
  ~LocalMetaStore() override;
  LocalMetaStore(const LocalMetaStore&) = delete;
  LocalMetaStore& operator=(const LocalMetaStore&) = delete;

  Result<std::optional<MetaEntry>> Get(const Context& context, const std::string& key) override;
  Result<MetaPage> Range(const Context& context, const std::string& prefix,
                         const std::string& after, size_t limit) override;
  Result<int64_t> Commit(const Context& context, const MetaTxn& txn) override;
  Result<std::unique_ptr<MetaWatch>> Watch(
      const std::string& prefix, int64_t from_revision,
      std::function<void(const std::vector<MetaEvent>&)> on_event) override {
    return hub_->Watch(prefix, from_revision, std::move(on_event));
  }
  Result<LeaseId> GrantLease(const Context& context, milliseconds ttl) override;
  Status KeepAlive(const Context& context, LeaseId lease) override;
  Status RevokeLease(const Context& context, LeaseId lease) override;

 private:
  Status ExpireIfDue();
  Status Prepare();
  Status ExpireDue();
  Status EndLease(LeaseId lease);
  Result<int64_t> Write(Attempt attempt);
  void Finish(Attempt attempt);
  Status ResolveUnknown();
  void NoteNextEnd();
  void ExpiryLoop();

  const std::unique_ptr<MetaBackend> backend_;
  const std::shared_ptr<const Clock> clock_;
  std::atomic<int64_t> next_end_{kNever};  ///< of a lease, in boot nanoseconds

  std::mutex mutex_;  ///< held for a whole commit; guards what follows
  std::condition_variable leases_changed_;
  int64_t revision_;
  std::optional<Attempt> unknown_;  ///< the last write failed: it may have been applied
  LeaseTable leases_;
  bool closing_ = false;
  std::thread expiry_thread_;

  const std::shared_ptr<WatchHub> hub_;
};

LocalMetaStore::~LocalMetaStore() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  leases_changed_.notify_all();
  if (expiry_thread_.joinable()) expiry_thread_.join();
  hub_->Close();
}

// ---- reads

Result<std::optional<MetaEntry>> LocalMetaStore::Get(const Context& context,
                                                     const std::string& key) {
  KITE_RETURN_IF_ERROR(ValidateMetaKey(key));
  KITE_RETURN_IF_ERROR(context.Check());
  KITE_RETURN_IF_ERROR(ExpireIfDue());
  return backend_->Get(key);
}

Result<MetaPage> LocalMetaStore::Range(const Context& context, const std::string& prefix,
                                       const std::string& after, size_t limit) {
  if (limit == 0)
    return Status::InvalidArgument(StatusSubject::kMeta, "a page has at least one entry");
  KITE_RETURN_IF_ERROR(context.Check());
  KITE_RETURN_IF_ERROR(ExpireIfDue());
  return backend_->Range(prefix, after, std::min(limit, kRangeLimitMax));
}

Status LocalMetaStore::ExpireIfDue() {
  const int64_t next_end = next_end_.load(std::memory_order_relaxed);
  if (next_end == kNever || clock_->BootNanos() < next_end) return {};
  const std::lock_guard lock(mutex_);
  return Prepare();
}

// ---- transactions (mutex_ held)

Result<int64_t> LocalMetaStore::Commit(const Context& context, const MetaTxn& txn) {
  KITE_RETURN_IF_ERROR(ValidateMetaTxn(txn));
  KITE_RETURN_IF_ERROR(context.Check());
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(Prepare());
  KITE_RETURN_IF_ERROR(CheckMetaCompares(*backend_, txn.compares));
  Attempt attempt{.revision = revision_ + 1, .changes = {}, .leases = {}};
  for (const MetaOp& op : txn.ops) {
    if (op.lease != 0 && !leases_.Has(op.lease)) return NoLease(op.lease);
    attempt.leases[op.key] = op.lease;
  }
  KITE_ASSIGN_OR_RETURN(attempt.changes, EvaluateMetaOps(*backend_, txn.ops, attempt.revision));
  return Write(std::move(attempt));
}

/// What has to be known or done before any transaction. A failure means that nothing was changed.
Status LocalMetaStore::Prepare() {
  Status ready = ResolveUnknown();
  if (ready.ok()) ready = ExpireDue();
  if (ready.ok()) return {};
  return Status::Unavailable(StatusSubject::kMeta,
                             "the metadata store cannot be written: " + ready.message());
}

Result<int64_t> LocalMetaStore::Write(Attempt attempt) {
  if (attempt.changes.empty()) return revision_;
  const Status written = backend_->Write(attempt.revision, attempt.changes);
  if (!written.ok()) {
    unknown_ = std::move(attempt);
    return written;
  }
  Finish(std::move(attempt));
  return revision_;
}

void LocalMetaStore::Finish(Attempt attempt) {
  revision_ = attempt.revision;
  for (const auto& [key, state] : attempt.changes) {
    leases_.Attach(key, state && state->leased ? attempt.leases[key] : 0);
  }
  NoteNextEnd();
  hub_->Publish(revision_, MetaEventsOf(attempt.changes, revision_));
}

/// After a write that failed: learns from the backend whether it was applied.
Status LocalMetaStore::ResolveUnknown() {
  if (!unknown_) return {};
  KITE_ASSIGN_OR_RETURN(const int64_t revision, backend_->Revision());
  Attempt attempt = *std::exchange(unknown_, std::nullopt);
  if (revision == attempt.revision) Finish(std::move(attempt));
  return {};
}

// ---- leases

Result<LeaseId> LocalMetaStore::GrantLease(const Context& context, milliseconds ttl) {
  if (ttl <= milliseconds(0) || ttl > std::chrono::hours(24 * 365)) {
    return Status::InvalidArgument(StatusSubject::kMeta, "a lease lasts from 1 ms to a year, not " +
                                                             std::to_string(ttl.count()) + " ms");
  }
  KITE_RETURN_IF_ERROR(context.Check());
  const std::lock_guard lock(mutex_);
  const LeaseId lease = leases_.Grant(nanoseconds(ttl).count(), clock_->BootNanos());
  NoteNextEnd();
  if (!expiry_thread_.joinable()) {
    expiry_thread_ = std::thread([this] { ExpiryLoop(); });
    pthread_setname_np(expiry_thread_.native_handle(), "kite-leases");
  }
  leases_changed_.notify_all();
  return lease;
}

Status LocalMetaStore::KeepAlive(const Context& context, LeaseId lease) {
  KITE_RETURN_IF_ERROR(context.Check());
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(Prepare());
  if (!leases_.KeepAlive(lease, clock_->BootNanos())) return NoLease(lease);
  NoteNextEnd();
  return {};
}

Status LocalMetaStore::RevokeLease(const Context& context, LeaseId lease) {
  KITE_RETURN_IF_ERROR(context.Check());
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(Prepare());
  if (!leases_.Has(lease)) return NoLease(lease);
  return EndLease(lease);
}

Status LocalMetaStore::ExpireDue() {
  for (const LeaseId lease : leases_.Due(clock_->BootNanos()))
    KITE_RETURN_IF_ERROR(EndLease(lease));
  return {};
}

Status LocalMetaStore::EndLease(LeaseId lease) {
  Attempt attempt{.revision = revision_ + 1, .changes = {}, .leases = {}};
  for (const std::string& key : leases_.Keys(lease)) attempt.changes[key] = std::nullopt;
  KITE_RETURN_IF_ERROR(Write(std::move(attempt)).status());
  leases_.Remove(lease);
  NoteNextEnd();
  return {};
}

void LocalMetaStore::NoteNextEnd() {
  next_end_.store(leases_.NextEnd().value_or(kNever), std::memory_order_relaxed);
}

void LocalMetaStore::ExpiryLoop() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    const std::optional<int64_t> next_end = leases_.NextEnd();
    if (!next_end) {
      leases_changed_.wait(lock);
      continue;
    }
    if (const int64_t wait = *next_end - clock_->BootNanos(); wait > 0) {
      leases_changed_.wait_for(lock, nanoseconds(wait));
      continue;
    }
    if (!Prepare().ok()) leases_changed_.wait_for(lock, kExpiryRetry);
  }
}

}  // namespace

Result<std::unique_ptr<MetaStore>> OpenLocalMetaStore(std::unique_ptr<MetaBackend> backend,
                                                      std::shared_ptr<const Clock> clock) {
  KITE_ASSIGN_OR_RETURN(int64_t revision, backend->Revision());
  KITE_ASSIGN_OR_RETURN(const std::vector<std::string> leased, backend->LeasedKeys());
  if (!leased.empty()) {
    MetaChanges changes;
    for (const std::string& key : leased) changes[key] = std::nullopt;
    KITE_RETURN_IF_ERROR(backend->Write(++revision, changes));
  }
  return std::make_unique<LocalMetaStore>(std::move(backend), std::move(clock), revision);
}

}  // namespace kite::store
