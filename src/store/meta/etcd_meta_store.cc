#include "store/meta/etcd_meta_store.h"

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <utility>

#include "base/clock.h"
#include "etcd_rpc.grpc.pb.h"
#include "store/meta/etcd_client.h"
#include "store/meta/etcd_txn.h"
#include "store/meta/etcd_watch.h"
#include "store/meta/meta_txn.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = EtcdClient::Outcome;
using Try = EtcdClient::Try;

constexpr size_t kRangeLimitMax = 10'000;
// A page grows while its entries are small: the first request must not fetch what is too much.
constexpr size_t kFirstChunk = 32;
constexpr size_t kPageBytes = size_t{4} << 20;
constexpr milliseconds kCleanUpMax{1000};
constexpr int64_t kSlotAgeMaxMs = int64_t{24} * 3600 * 1000;

uint64_t RandomBits() {
  static std::mutex mutex;
  static std::mt19937_64 random((static_cast<uint64_t>(std::random_device{}()) << 32) ^
                                std::random_device{}());
  const std::lock_guard lock(mutex);
  return random();
}

std::string Hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, number);
  return text;
}

std::string RootOf(const std::string& root_path) {
  std::string root = root_path;
  while (root.ends_with('/')) root.pop_back();
  return root.empty() ? "kite/" : root + "/kite/";
}

Status NoLease(LeaseId lease) {
  return Status::NotFound(StatusSubject::kMeta, "lease " + std::to_string(lease) + " has ended");
}

// What a slot holds: when it was put, and by what.
constexpr std::string_view kAsked = " asked";

std::string SlotValue() { return std::to_string(Clock::System()->NowMicros() / 1000); }

Status RefusalOf(const Try& refused) {
  const std::string& message = refused.status.message();
  if (refused.code == grpc::StatusCode::NOT_FOUND) {
    return Status::NotFound(StatusSubject::kMeta,
                            "the lease of a metadata key has ended: " + message);
  }
  if (refused.code == grpc::StatusCode::INVALID_ARGUMENT) {
    return Status::InvalidArgument(StatusSubject::kMeta, message);
  }
  return refused.status;
}

class EtcdMetaStore final : public MetaStore {
 public:
  explicit EtcdMetaStore(std::shared_ptr<EtcdClient> client)
      : client_(std::move(client)),
        root_(RootOf(client_->options().root_path) + "meta/"),
        slots_root_(RootOf(client_->options().root_path) + "commits/"),
        name_(Hex(RandomBits())) {}
  ~EtcdMetaStore() override;
  EtcdMetaStore(const EtcdMetaStore&) = delete;
  EtcdMetaStore& operator=(const EtcdMetaStore&) = delete;

  Result<std::optional<MetaEntry>> Get(const Context& context, const std::string& key) override;
  Result<MetaPage> Range(const Context& context, const std::string& prefix,
                         const std::string& after, size_t limit) override;
  Result<int64_t> Commit(const Context& context, const MetaTxn& txn) override;
  Result<std::unique_ptr<MetaWatch>> Watch(
      const std::string& prefix, int64_t from_revision,
      std::function<void(const std::vector<MetaEvent>&)> on_event) override;
  Result<LeaseId> GrantLease(const Context& context, milliseconds ttl) override;
  Status KeepAlive(const Context& context, LeaseId lease) override;
  Status RevokeLease(const Context& context, LeaseId lease) override;

 private:
  class Handle;
  enum class Fate { kApplied, kNotApplied, kUnknown };

  Result<etcdserverpb::RangeResponse> RangeOnce(const Context& context,
                                                const etcdserverpb::RangeRequest& request);
  Try SendTxn(const Context& context, EtcdClient::TimePoint deadline,
              const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response);
  Fate FindOut(const Context& context, EtcdClient::Patience& patience, EtcdSlot& slot);
  Result<int64_t> CommitWith(const Context& context, const MetaTxn& txn, EtcdSlot& slot,
                             bool* slot_known);
  EtcdSlot TakeSlot();
  void ReturnSlot(EtcdSlot slot);
  void RemoveOldSlots();

  const std::shared_ptr<EtcdClient> client_;
  const std::string root_;
  const std::string slots_root_;
  const std::string name_;  ///< of this store among others on the same etcd

  std::atomic<bool> old_slots_removed_{false};

  std::mutex mutex_;  ///< guards what follows
  std::vector<EtcdSlot> free_slots_;
  size_t slots_made_ = 0;
  std::vector<std::weak_ptr<EtcdWatcher>> watchers_;
};

class EtcdMetaStore::Handle final : public MetaWatch {
 public:
  explicit Handle(std::shared_ptr<EtcdWatcher> watcher) : watcher_(std::move(watcher)) {}
  ~Handle() override { watcher_->End(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

 private:
  const std::shared_ptr<EtcdWatcher> watcher_;
};

EtcdMetaStore::~EtcdMetaStore() {
  std::vector<std::weak_ptr<EtcdWatcher>> watchers;
  etcdserverpb::TxnRequest remove;
  {
    const std::lock_guard lock(mutex_);
    watchers.swap(watchers_);
    for (const EtcdSlot& slot : free_slots_) {
      if (slot.revision != 0 && remove.success_size() < 100)
        remove.add_success()->mutable_request_delete_range()->set_key(slot.key);
    }
  }
  for (const auto& weak : watchers) {
    if (const auto watcher = weak.lock()) watcher->End();
  }
  if (remove.success_size() == 0) return;
  // Whoever opens the next store removes what this leaves behind.
  etcdserverpb::TxnResponse ignored;
  (void)SendTxn({}, std::chrono::steady_clock::now() + kCleanUpMax, remove, &ignored);
}

// ---- reads

Result<etcdserverpb::RangeResponse> EtcdMetaStore::RangeOnce(
    const Context& context, const etcdserverpb::RangeRequest& request) {
  etcdserverpb::RangeResponse response;
  const Try read = client_->TryUntilAnswered(
      context, [&](const EtcdClient::ChannelPtr& channel, grpc::ClientContext& call) {
        return etcdserverpb::KV::NewStub(channel)->Range(&call, request, &response);
      });
  if (read.outcome != Outcome::kOk) return read.status;
  return response;
}

Result<std::optional<MetaEntry>> EtcdMetaStore::Get(const Context& context,
                                                    const std::string& key) {
  KITE_RETURN_IF_ERROR(ValidateMetaKey(key));
  KITE_RETURN_IF_ERROR(context.Check());
  etcdserverpb::RangeRequest request;
  request.set_key(root_ + key);
  KITE_ASSIGN_OR_RETURN(const etcdserverpb::RangeResponse response, RangeOnce(context, request));
  if (response.kvs().empty()) return std::optional<MetaEntry>();
  return std::optional<MetaEntry>(EtcdEntry(root_, response.kvs(0)));
}

Result<MetaPage> EtcdMetaStore::Range(const Context& context, const std::string& prefix,
                                      const std::string& after, size_t limit) {
  if (limit == 0)
    return Status::InvalidArgument(StatusSubject::kMeta, "a page has at least one entry");
  KITE_RETURN_IF_ERROR(context.Check());
  limit = std::min(limit, kRangeLimitMax);
  etcdserverpb::RangeRequest request;
  request.set_key(std::max(root_ + prefix, after.empty() ? "" : root_ + after + '\0'));
  request.set_range_end(EtcdPrefixEnd(root_ + prefix));
  MetaPage page;
  if (request.key() >= request.range_end()) return page;
  size_t bytes = 0;
  while (true) {
    const size_t seen = page.entries.size();
    const size_t fitting = seen == 0 ? kFirstChunk : (kPageBytes - bytes) / (bytes / seen + 1) + 1;
    request.set_limit(static_cast<int64_t>(std::min(limit - seen, fitting)));
    KITE_ASSIGN_OR_RETURN(const etcdserverpb::RangeResponse response, RangeOnce(context, request));
    for (const mvccpb::KeyValue& kv : response.kvs()) {
      bytes += kv.key().size() + kv.value().size();
      page.entries.push_back(EtcdEntry(root_, kv));
    }
    if (!response.more() || response.kvs().empty()) return page;
    if (page.entries.size() >= limit || bytes >= kPageBytes) {
      page.next_after = page.entries.back().key;
      return page;
    }
    request.set_key(response.kvs(response.kvs_size() - 1).key() + '\0');
  }
}

// ---- transactions

EtcdSlot EtcdMetaStore::TakeSlot() {
  const std::lock_guard lock(mutex_);
  if (free_slots_.empty()) {
    return {slots_root_ + name_ + "/" + std::to_string(slots_made_++), 0};
  }
  EtcdSlot slot = std::move(free_slots_.back());
  free_slots_.pop_back();
  return slot;
}

void EtcdMetaStore::ReturnSlot(EtcdSlot slot) {
  const std::lock_guard lock(mutex_);
  free_slots_.push_back(std::move(slot));
}

/// What stores that were killed left behind. The age keeps away from those that live; one of them
/// that finds its slot gone begins it anew.
void EtcdMetaStore::RemoveOldSlots() {
  const Context context = Context().WithTimeout(kCleanUpMax);
  etcdserverpb::RangeRequest request;
  request.set_key(slots_root_);
  request.set_range_end(EtcdPrefixEnd(slots_root_));
  request.set_limit(1000);
  const auto found = RangeOnce(context, request);
  if (!found.ok()) return;
  const int64_t now_ms = Clock::System()->NowMicros() / 1000;
  etcdserverpb::TxnRequest remove;
  for (const mvccpb::KeyValue& kv : found->kvs()) {
    const int64_t age_ms = now_ms - std::atoll(kv.value().c_str());
    if (age_ms < kSlotAgeMaxMs || remove.success_size() >= 100) continue;
    remove.add_success()->mutable_request_delete_range()->set_key(kv.key());
  }
  etcdserverpb::TxnResponse ignored;
  if (remove.success_size() > 0) (void)SendTxn(context, context.deadline(), remove, &ignored);
}

Try EtcdMetaStore::SendTxn(const Context& context, EtcdClient::TimePoint deadline,
                           const etcdserverpb::TxnRequest& request,
                           etcdserverpb::TxnResponse* response) {
  return client_->TryOnce(
      context, deadline, [&](const EtcdClient::ChannelPtr& channel, grpc::ClientContext& call) {
        return etcdserverpb::KV::NewStub(channel)->Txn(&call, request, response);
      });
}

/// After a commit without an answer: changes the slot, so that the commit cannot happen any more,
/// unless it has changed it already.
EtcdMetaStore::Fate EtcdMetaStore::FindOut(const Context& context, EtcdClient::Patience& patience,
                                           EtcdSlot& slot) {
  etcdserverpb::TxnRequest request = MakeEtcdTxn(root_, {}, slot, "");
  auto* unchanged = request.add_compare();
  unchanged->set_key(slot.key);
  unchanged->set_target(etcdserverpb::Compare::MOD);
  unchanged->set_mod_revision(slot.revision);
  auto* mark = request.add_success()->mutable_request_put();
  mark->set_key(slot.key);
  mark->set_value(SlotValue() + std::string(kAsked));
  while (!patience.over()) {
    etcdserverpb::TxnResponse response;
    const Try asked = SendTxn(context, patience.NextDeadline(), request, &response);
    if (asked.outcome == Outcome::kRefused) return Fate::kUnknown;
    if (asked.outcome != Outcome::kOk) {
      patience.Wait();
      continue;
    }
    if (response.succeeded()) {
      slot.revision = response.header().revision();
      return Fate::kNotApplied;
    }
    const auto& found = response.responses(0).response_range();
    slot.revision = found.kvs().empty() ? 0 : found.kvs(0).mod_revision();
    const bool asked_before = found.kvs().empty() || found.kvs(0).value().ends_with(kAsked);
    return asked_before ? Fate::kNotApplied : Fate::kApplied;
  }
  return Fate::kUnknown;
}

Result<int64_t> EtcdMetaStore::Commit(const Context& context, const MetaTxn& txn) {
  KITE_RETURN_IF_ERROR(ValidateMetaTxn(txn));
  KITE_RETURN_IF_ERROR(context.Check());
  EtcdSlot slot = TakeSlot();
  bool slot_known = true;
  Result<int64_t> committed = CommitWith(context, txn, slot, &slot_known);
  // What became of a slot that is not known may still change.
  if (slot_known) ReturnSlot(std::move(slot));
  if (committed.ok() && !old_slots_removed_.exchange(true)) RemoveOldSlots();
  return committed;
}

Result<int64_t> EtcdMetaStore::CommitWith(const Context& context, const MetaTxn& txn,
                                          EtcdSlot& slot, bool* slot_known) {
  EtcdClient::Patience patience(context, client_->options().request_timeout);
  while (true) {
    const etcdserverpb::TxnRequest request = MakeEtcdTxn(root_, txn, slot, SlotValue());
    etcdserverpb::TxnResponse response;
    const Try sent = SendTxn(context, patience.NextDeadline(), request, &response);
    if (sent.outcome == Outcome::kOk) {
      if (response.succeeded()) {
        if (request.success_size() > 0) slot.revision = response.header().revision();
        return response.header().revision();
      }
      if (const auto failed = FailedCompare(txn, response)) {
        return Status::Conflict(StatusSubject::kMeta, "metadata key '" + txn.compares[*failed].key +
                                                          "' has changed meanwhile");
      }
      const auto& found = response.responses(0).response_range();
      slot.revision = found.kvs().empty() ? 0 : found.kvs(0).mod_revision();
      if (patience.Wait()) continue;
      return Status::Unavailable(StatusSubject::kMeta,
                                 client_->Name() + " was too slow; nothing was changed");
    }
    if (sent.outcome == Outcome::kRefused) return RefusalOf(sent);
    if (sent.outcome == Outcome::kUnknown && !txn.ops.empty()) {
      switch (FindOut(context, patience, slot)) {
        case Fate::kApplied:
          return slot.revision;
        case Fate::kNotApplied:
          break;
        case Fate::kUnknown:
          *slot_known = false;
          return Status::IoError(
              StatusSubject::kMeta,
              sent.status.message() + "; the transaction was sent and not answered");
      }
    }
    if (!patience.Wait()) return context.cancelled() ? Status::Cancelled() : sent.status;
  }
}

// ---- watches

Result<std::unique_ptr<MetaWatch>> EtcdMetaStore::Watch(
    const std::string& prefix, int64_t from_revision,
    std::function<void(const std::vector<MetaEvent>&)> on_event) {
  KITE_ASSIGN_OR_RETURN(
      std::shared_ptr<EtcdWatcher> watcher,
      StartEtcdWatcher(client_, root_, prefix, from_revision, std::move(on_event)));
  const std::lock_guard lock(mutex_);
  std::erase_if(watchers_, [](const auto& weak) { return weak.expired(); });
  watchers_.push_back(watcher);
  return std::make_unique<Handle>(std::move(watcher));
}

// ---- leases

Result<LeaseId> EtcdMetaStore::GrantLease(const Context& context, milliseconds ttl) {
  if (ttl <= milliseconds(0) || ttl > std::chrono::hours(24 * 365)) {
    return Status::InvalidArgument(StatusSubject::kMeta, "a lease lasts from 1 ms to a year, not " +
                                                             std::to_string(ttl.count()) + " ms");
  }
  KITE_RETURN_IF_ERROR(context.Check());
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(std::chrono::ceil<seconds>(ttl).count());
  // Chosen here, so that a request that was not answered can be repeated.
  request.set_id(static_cast<int64_t>(RandomBits() >> 1) | 1);
  etcdserverpb::LeaseGrantResponse response;
  const Try granted = client_->TryUntilAnswered(
      context, [&](const EtcdClient::ChannelPtr& channel, grpc::ClientContext& call) {
        return etcdserverpb::Lease::NewStub(channel)->LeaseGrant(&call, request, &response);
      });
  const bool granted_before =
      granted.outcome == Outcome::kRefused && granted.code == grpc::StatusCode::FAILED_PRECONDITION;
  if (granted.outcome != Outcome::kOk && !granted_before) return granted.status;
  return request.id();
}

Status EtcdMetaStore::KeepAlive(const Context& context, LeaseId lease) {
  KITE_RETURN_IF_ERROR(context.Check());
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseKeepAliveResponse response;
  const Try kept = client_->TryUntilAnswered(
      context, [&](const EtcdClient::ChannelPtr& channel, grpc::ClientContext& call) {
        const auto stub = etcdserverpb::Lease::NewStub(channel);
        const auto stream = stub->LeaseKeepAlive(&call);
        const bool answered = stream->Write(request) && stream->Read(&response);
        if (answered) call.TryCancel();
        const grpc::Status ended = stream->Finish();
        if (answered) return grpc::Status::OK;
        return ended.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream ended") : ended;
      });
  if (kept.outcome == Outcome::kOk) return response.ttl() > 0 ? Status::Ok() : NoLease(lease);
  return kept.code == grpc::StatusCode::NOT_FOUND ? NoLease(lease) : kept.status;
}

Status EtcdMetaStore::RevokeLease(const Context& context, LeaseId lease) {
  KITE_RETURN_IF_ERROR(context.Check());
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseRevokeResponse response;
  int sent = 0;
  const Try revoked = client_->TryUntilAnswered(
      context, [&](const EtcdClient::ChannelPtr& channel, grpc::ClientContext& call) {
        ++sent;
        return etcdserverpb::Lease::NewStub(channel)->LeaseRevoke(&call, request, &response);
      });
  if (revoked.outcome == Outcome::kOk) return {};
  if (revoked.code != grpc::StatusCode::NOT_FOUND) return revoked.status;
  // The second time it may be gone because of the first.
  return sent > 1 ? Status::Ok() : NoLease(lease);
}

}  // namespace

Result<std::unique_ptr<MetaStore>> OpenEtcdMetaStore(EtcdOptions options) {
  KITE_ASSIGN_OR_RETURN(std::shared_ptr<EtcdClient> client, EtcdClient::Make(std::move(options)));
  return std::make_unique<EtcdMetaStore>(std::move(client));
}

}  // namespace kite::store
