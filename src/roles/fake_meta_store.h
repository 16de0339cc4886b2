// For tests: a MetaStore in memory whose commits can be made to fail, before or after they took
// effect.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "store/meta_store.h"

namespace kite::roles {

class FakeMetaStore final : public store::MetaStore {
 public:
  enum class Fault { kNone, kNotApplied, kAppliedButUnknown };
  /// The n-th commit from now (0: the next) fails like this, once.
  void FailCommit(int n, Fault fault) {
    const std::lock_guard lock(mutex_);
    fail_in_ = n;
    fault_ = fault;
  }
  void FailReads(bool fail) {
    const std::lock_guard lock(mutex_);
    fail_reads_ = fail;
  }
  [[nodiscard]] std::map<std::string, std::string> Contents(const std::string& prefix) const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::string> contents;
    for (const auto& [key, entry] : entries_) {
      if (key.starts_with(prefix)) contents[key] = entry.value;
    }
    return contents;
  }
  [[nodiscard]] int commits() const {
    const std::lock_guard lock(mutex_);
    return commits_;
  }
  void Put(const std::string& key, const std::string& value) {
    const std::lock_guard lock(mutex_);
    Apply(store::MetaOp::Put(key, value), ++revision_);
  }

  Result<std::optional<store::MetaEntry>> Get(const Context&, const std::string& key) override {
    const std::lock_guard lock(mutex_);
    if (fail_reads_) return Status::IoError(StatusSubject::kMeta, "the read was made to fail");
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::optional<store::MetaEntry>();
    return std::optional<store::MetaEntry>(found->second);
  }
  Result<store::MetaPage> Range(const Context&, const std::string& prefix, const std::string& after,
                                size_t limit) override {
    const std::lock_guard lock(mutex_);
    if (fail_reads_) return Status::IoError(StatusSubject::kMeta, "the read was made to fail");
    store::MetaPage page;
    for (const auto& [key, entry] : entries_) {
      if (!key.starts_with(prefix) || key <= after) continue;
      if (page.entries.size() == limit) {
        page.next_after = page.entries.back().key;
        break;
      }
      page.entries.push_back(entry);
    }
    return page;
  }
  Result<int64_t> Commit(const Context& context, const store::MetaTxn& txn) override {
    KITE_RETURN_IF_ERROR(context.Check());
    const std::lock_guard lock(mutex_);
    ++commits_;
    Fault fault = Fault::kNone;
    if (fault_ != Fault::kNone && fail_in_-- == 0) fault = std::exchange(fault_, Fault::kNone);
    if (fault == Fault::kNotApplied) {
      return Status::IoError(StatusSubject::kMeta, "the commit was made to fail");
    }
    for (const store::MetaCompare& compare : txn.compares) {
      if (!Holds(compare)) return Status::Conflict(StatusSubject::kMeta, compare.key);
    }
    ++revision_;
    for (const store::MetaOp& op : txn.ops) Apply(op, revision_);
    if (fault == Fault::kAppliedButUnknown) {
      return Status::IoError(StatusSubject::kMeta, "the answer was made to get lost");
    }
    return revision_;
  }
  Result<std::unique_ptr<store::MetaWatch>> Watch(
      const std::string&, int64_t,
      std::function<void(const std::vector<store::MetaEvent>&)>) override {
    return Status::Unimplemented("watch");
  }
  Result<store::LeaseId> GrantLease(const Context&, std::chrono::milliseconds) override {
    return Status::Unimplemented("leases");
  }
  Status KeepAlive(const Context&, store::LeaseId) override {
    return Status::Unimplemented("leases");
  }
  Status RevokeLease(const Context&, store::LeaseId) override {
    return Status::Unimplemented("leases");
  }

 private:
  bool Holds(const store::MetaCompare& compare) const {
    const auto found = entries_.find(compare.key);
    const bool present = found != entries_.end();
    switch (compare.target) {
      case store::MetaCompare::Target::kCreateRevision:
        return (present ? found->second.create_revision : 0) == compare.revision;
      case store::MetaCompare::Target::kModRevision:
        return (present ? found->second.mod_revision : 0) == compare.revision;
      case store::MetaCompare::Target::kValue:
        return present && found->second.value == compare.value;
    }
    return false;
  }
  void Apply(const store::MetaOp& op, int64_t revision) {
    switch (op.kind) {
      case store::MetaOp::Kind::kPut: {
        store::MetaEntry& entry = entries_[op.key];
        entry.key = op.key;
        entry.value = op.value;
        if (entry.create_revision == 0) entry.create_revision = revision;
        entry.mod_revision = revision;
        break;
      }
      case store::MetaOp::Kind::kDelete:
        entries_.erase(op.key);
        break;
      case store::MetaOp::Kind::kDeletePrefix:
        std::erase_if(entries_, [&](const auto& entry) { return entry.first.starts_with(op.key); });
        break;
    }
  }

  mutable std::mutex mutex_;
  std::map<std::string, store::MetaEntry> entries_;
  int64_t revision_ = 0;
  int commits_ = 0;
  int fail_in_ = 0;
  Fault fault_ = Fault::kNone;
  bool fail_reads_ = false;
};

}  // namespace kite::roles
