#include "server/ownership.h"

#include <pthread.h>

#include <random>
#include <utility>

#include "base/clock.h"
#include "base/sleep.h"

namespace kite::server {
namespace {

using std::chrono::milliseconds;
using store::MetaCompare;
using store::MetaOp;

constexpr char kOwnerKey[] = "server/owner";
constexpr char kTermKey[] = "server/term";
constexpr milliseconds kPoll{100};
/// What a store may take to end a lease that is over.
constexpr milliseconds kLeaseEndMax{4000};
constexpr milliseconds kGiveBackMax{1000};

/// Who has the database, as it is stored: the node id, and a description.
struct Holder {
  std::string node_id;
  std::string description;
};

Holder HolderOf(const std::string& value) {
  const size_t space = value.find(' ');
  return {value.substr(0, space),
          space == std::string::npos ? value : value.substr(space + 1)};
}

std::string RandomTerm() {
  std::random_device random;
  return std::to_string((static_cast<uint64_t>(random()) << 32) | random());
}

}  // namespace

class Ownership::FencedStore final : public store::MetaStore {
 public:
  FencedStore(Ownership& owner, std::shared_ptr<store::MetaStore> meta)
      : owner_(owner), meta_(std::move(meta)) {}

  Result<std::optional<store::MetaEntry>> Get(const Context& context,
                                              const std::string& key) override {
    return meta_->Get(context, key);
  }
  Result<store::MetaPage> Range(const Context& context, const std::string& prefix,
                                const std::string& after, size_t limit) override {
    return meta_->Range(context, prefix, after, limit);
  }
  Result<int64_t> Commit(const Context& context, const store::MetaTxn& txn) override;
  Result<std::unique_ptr<store::MetaWatch>> Watch(
      const std::string& prefix, int64_t from_revision,
      std::function<void(const std::vector<store::MetaEvent>&)> on_event) override {
    return meta_->Watch(prefix, from_revision, std::move(on_event));
  }
  Result<store::LeaseId> GrantLease(const Context& context, milliseconds ttl) override {
    return meta_->GrantLease(context, ttl);
  }
  Status KeepAlive(const Context& context, store::LeaseId lease) override {
    return meta_->KeepAlive(context, lease);
  }
  Status RevokeLease(const Context& context, store::LeaseId lease) override {
    return meta_->RevokeLease(context, lease);
  }

 private:
  Ownership& owner_;
  const std::shared_ptr<store::MetaStore> meta_;
};

Result<int64_t> Ownership::FencedStore::Commit(const Context& context, const store::MetaTxn& txn) {
  for (int attempt = 0;; ++attempt) {
    const int64_t epoch = owner_.epoch_;
    store::MetaTxn fenced = txn;
    fenced.compares.push_back(MetaCompare::Created(kOwnerKey, epoch));
    Result<int64_t> committed = meta_->Commit(context, fenced);
    if (!committed.status().Is(StatusKind::kConflict)) return committed;
    // A compare of the caller's, or ours?
    const auto owner = meta_->Get(context, kOwnerKey);
    if (owner.ok() && *owner && (*owner)->create_revision == epoch) return committed;
    if (attempt > 0) return Status::Unavailable(StatusSubject::kMeta, committed.status().message());
    const Status again = owner_.TakeAgain(context, epoch);
    if (!again.ok()) return Status::Unavailable(StatusSubject::kMeta, again.message());
  }
}

Ownership::Ownership(std::shared_ptr<store::MetaStore> meta, OwnerOptions options)
    : meta_(std::move(meta)), options_(std::move(options)), term_(RandomTerm()) {
  fenced_ = std::make_shared<FencedStore>(*this, meta_);
}

Result<std::unique_ptr<Ownership>> Ownership::Acquire(const Context& context,
                                                      std::shared_ptr<store::MetaStore> meta,
                                                      OwnerOptions options) {
  std::unique_ptr<Ownership> ownership(new Ownership(std::move(meta), std::move(options)));
  KITE_RETURN_IF_ERROR(ownership->Take(context));
  ownership->thread_ = std::thread([raw = ownership.get()] { raw->KeepAlive(); });
  pthread_setname_np(ownership->thread_.native_handle(), "kite-owner");
  return ownership;
}

Ownership::~Ownership() {
  context_.Cancel();
  if (thread_.joinable()) thread_.join();
  if (lease_ != 0) (void)meta_->RevokeLease(Context().WithTimeout(kGiveBackMax), lease_);
}

std::string Ownership::Value() const { return options_.node_id + " " + options_.description; }

bool Ownership::lost(std::string* reason) const {
  const std::lock_guard lock(lost_mutex_);
  *reason = lost_;
  return !lost_.empty();
}

bool Ownership::sure() const { return Clock::System()->BootNanos() < sure_until_; }

/// The lease has begun at this time or later.
void Ownership::SureFrom(int64_t boot_nanos) {
  sure_until_ = boot_nanos + std::chrono::nanoseconds(options_.lease).count();
}

Status Ownership::Renew(const Context& context) {
  const int64_t asked = Clock::System()->BootNanos();
  KITE_RETURN_IF_ERROR(meta_->KeepAlive(context, lease_));
  SureFrom(asked);
  return {};
}

Status Ownership::Take(const Context& context) {
  const int64_t asked = Clock::System()->BootNanos();
  KITE_ASSIGN_OR_RETURN(lease_, meta_->GrantLease(context, options_.lease));
  SureFrom(asked);
  const auto patience = Context::Clock::now() + options_.lease + kLeaseEndMax;
  while (true) {
    const Result<int64_t> taken = meta_->Commit(
        context, {{MetaCompare::Absent(kOwnerKey)},
                  {MetaOp::Put(kOwnerKey, Value(), lease_), MetaOp::Put(kTermKey, term_)}});
    if (taken.ok()) {
      epoch_ = *taken;
      return {};
    }
    if (!taken.status().Is(StatusKind::kConflict)) return taken.status();
    std::string holder;
    KITE_ASSIGN_OR_RETURN(const bool gone, RemoveDeadHolder(context, &holder));
    if (gone) continue;
    if (Context::Clock::now() >= patience) {
      return Status::FailedPrecondition(
          StatusSubject::kNode,
          "the database in " + options_.database + " is served by " + holder +
              "; stop that server, or give this one an etcd.rootPath of its own");
    }
    // The holder may have died a moment ago: then its lease ends. Ours must not, meanwhile.
    KITE_RETURN_IF_ERROR(Renew(context));
    if (!SleepFor(context, kPoll)) return context.Check();
  }
}

/// True when the key may be free now.
Result<bool> Ownership::RemoveDeadHolder(const Context& context, std::string* holder) {
  KITE_ASSIGN_OR_RETURN(const auto entry, meta_->Get(context, kOwnerKey));
  if (!entry) return true;
  const Holder found = HolderOf(entry->value);
  *holder = found.description;
  if (found.node_id != options_.node_id) return false;
  const Status removed =
      meta_
          ->Commit(context, {{MetaCompare::Unchanged(kOwnerKey, entry->mod_revision)},
                             {MetaOp::Delete(kOwnerKey)}})
          .status();
  if (removed.ok() || removed.Is(StatusKind::kConflict)) return true;
  return removed;
}

Status Ownership::TakeAgain(const Context& context, int64_t seen_epoch) {
  const std::lock_guard lock(take_mutex_);
  if (epoch_ != seen_epoch) return {};  // another thread did
  if (std::string reason; lost(&reason)) return Status::Unavailable(StatusSubject::kMeta, reason);
  KITE_ASSIGN_OR_RETURN(const auto entry, meta_->Get(context, kOwnerKey));
  KITE_ASSIGN_OR_RETURN(const auto term, meta_->Get(context, kTermKey));
  if (!term || term->value != term_) {
    const std::lock_guard lost_lock(lost_mutex_);
    lost_ = "another server took over the database in " + options_.database + ": " +
            (entry ? HolderOf(entry->value).description : "it is gone by now");
    return Status::Unavailable(StatusSubject::kMeta, lost_);
  }
  if (entry) {  // ours: the term would be another's otherwise
    epoch_ = entry->create_revision;
    return {};
  }
  const int64_t asked = Clock::System()->BootNanos();
  KITE_ASSIGN_OR_RETURN(const store::LeaseId lease, meta_->GrantLease(context, options_.lease));
  KITE_ASSIGN_OR_RETURN(const int64_t epoch,
                        meta_->Commit(context, {{MetaCompare::Absent(kOwnerKey),
                                                 MetaCompare::Equals(kTermKey, term_)},
                                                {MetaOp::Put(kOwnerKey, Value(), lease)}}));
  lease_ = lease;
  epoch_ = epoch;
  SureFrom(asked);
  return {};
}

void Ownership::KeepAlive() {
  const milliseconds interval = options_.lease / 3;
  while (SleepFor(context_, interval)) {
    const int64_t epoch = epoch_;
    const Status kept = Renew(context_.WithTimeout(options_.lease));
    if (kept.Is(StatusKind::kNotFound))
      (void)TakeAgain(context_.WithTimeout(options_.lease), epoch);
    std::string ignored;
    if (lost(&ignored)) return;
  }
}

Status AwaitNoOwner(const Context& context, store::MetaStore& meta, const OwnerOptions& options) {
  const auto patience = Context::Clock::now() + options.lease + kLeaseEndMax;
  while (true) {
    KITE_ASSIGN_OR_RETURN(const auto entry, meta.Get(context, kOwnerKey));
    if (!entry) return {};
    const Holder holder = HolderOf(entry->value);
    if (holder.node_id == options.node_id) return {};  // dead: its folder is ours
    if (Context::Clock::now() >= patience) {
      return Status::FailedPrecondition(
          StatusSubject::kNode, "the database in " + options.database + " is served by " +
                                    holder.description + "; stop that server first");
    }
    if (!SleepFor(context, kPoll)) return context.Check();
  }
}

Result<std::string> LastTerm(const Context& context, store::MetaStore& meta) {
  KITE_ASSIGN_OR_RETURN(const auto term, meta.Get(context, kTermKey));
  return term ? term->value : "";
}

}  // namespace kite::server
