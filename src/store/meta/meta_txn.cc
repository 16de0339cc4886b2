#include "store/meta/meta_txn.h"

#include <algorithm>

namespace kite::store {
namespace {

constexpr size_t kKeyBytesMax = 1024;
constexpr size_t kValueBytesMax = size_t{1} << 20;
constexpr size_t kTxnBytesMax = kValueBytesMax + kValueBytesMax / 4;
constexpr size_t kOpsMax = 128;
constexpr size_t kComparesMax = 64;
constexpr size_t kPage = 1000;

Status Invalid(std::string message) {
  return Status::InvalidArgument(StatusSubject::kMeta, std::move(message));
}

bool Holds(const MetaCompare& compare, const std::optional<MetaEntry>& entry) {
  switch (compare.target) {
    case MetaCompare::Target::kCreateRevision:
      return compare.revision == (entry ? entry->create_revision : 0);
    case MetaCompare::Target::kModRevision:
      return compare.revision == (entry ? entry->mod_revision : 0);
    case MetaCompare::Target::kValue:
      return entry && compare.value == entry->value;
  }
  return false;
}

/// Adds a deletion of every stored key under `prefix` to `changes`.
Status DeletePrefix(MetaBackend& backend, const std::string& prefix, MetaChanges* changes) {
  for (auto changed = changes->lower_bound(prefix);
       changed != changes->end() && changed->first.starts_with(prefix); ++changed) {
    changed->second.reset();
  }
  for (std::string after;;) {
    KITE_ASSIGN_OR_RETURN(const MetaPage page, backend.Range(prefix, after, kPage));
    for (const MetaEntry& entry : page.entries) (*changes)[entry.key].reset();
    if (page.next_after.empty()) return {};
    after = page.next_after;
  }
}

/// The entry that a Put makes of what is stored.
Result<StoredMeta> PutOver(MetaBackend& backend, const MetaOp& op, int64_t revision) {
  KITE_ASSIGN_OR_RETURN(const std::optional<MetaEntry> stored, backend.Get(op.key));
  const int64_t create_revision = stored ? stored->create_revision : revision;
  return StoredMeta{{op.key, op.value, create_revision, revision}, op.lease != 0};
}

}  // namespace

Status ValidateMetaKey(const std::string& key) {
  if (!key.empty() && key.size() <= kKeyBytesMax) return {};
  return Invalid("a metadata key has 1 to 1024 bytes, not " + std::to_string(key.size()));
}

Status ValidateMetaTxn(const MetaTxn& txn) {
  size_t bytes = 0;
  for (const MetaCompare& compare : txn.compares) {
    KITE_RETURN_IF_ERROR(ValidateMetaKey(compare.key));
    bytes += compare.key.size() + compare.value.size();
  }
  if (txn.compares.size() > kComparesMax) {
    return Invalid("a metadata transaction has at most 64 compares, not " +
                   std::to_string(txn.compares.size()));
  }
  size_t counted = 0;
  for (const MetaOp& op : txn.ops) {
    KITE_RETURN_IF_ERROR(ValidateMetaKey(op.key));
    if (op.value.size() > kValueBytesMax) {
      return Invalid("the value of metadata key '" + op.key + "' has " +
                     std::to_string(op.value.size()) + " bytes; at most 1048576 are allowed");
    }
    if (op.kind != MetaOp::Kind::kDeletePrefix) ++counted;
    bytes += op.key.size() + op.value.size();
  }
  if (bytes > kTxnBytesMax) {
    return Invalid("a metadata transaction has at most " + std::to_string(kTxnBytesMax) +
                   " bytes, not " + std::to_string(bytes));
  }
  if (counted <= kOpsMax) return {};
  return Invalid("a metadata transaction has at most 128 changes, not " + std::to_string(counted));
}

Status CheckMetaCompares(MetaBackend& backend, const std::vector<MetaCompare>& compares) {
  for (const MetaCompare& compare : compares) {
    KITE_ASSIGN_OR_RETURN(const std::optional<MetaEntry> entry, backend.Get(compare.key));
    if (Holds(compare, entry)) continue;
    return Status::Conflict(StatusSubject::kMeta,
                            "metadata key '" + compare.key + "' has changed meanwhile");
  }
  return {};
}

Result<MetaChanges> EvaluateMetaOps(MetaBackend& backend, const std::vector<MetaOp>& ops,
                                    int64_t revision) {
  MetaChanges changes;
  for (const MetaOp& op : ops) {
    switch (op.kind) {
      case MetaOp::Kind::kPut: {
        KITE_ASSIGN_OR_RETURN(StoredMeta put, PutOver(backend, op, revision));
        changes[op.key] = std::move(put);
        break;
      }
      case MetaOp::Kind::kDelete:
        changes[op.key].reset();
        break;
      case MetaOp::Kind::kDeletePrefix:
        KITE_RETURN_IF_ERROR(DeletePrefix(backend, op.key, &changes));
        break;
    }
  }
  for (auto change = changes.begin(); change != changes.end();) {
    if (!change->second) {
      KITE_ASSIGN_OR_RETURN(const std::optional<MetaEntry> stored, backend.Get(change->first));
      if (!stored) {
        change = changes.erase(change);
        continue;
      }
    }
    ++change;
  }
  return changes;
}

std::vector<MetaEvent> MetaEventsOf(const MetaChanges& changes, int64_t revision) {
  std::vector<MetaEvent> events;
  events.reserve(changes.size());
  for (const auto& [key, state] : changes) {
    if (state) {
      events.push_back({MetaEvent::Kind::kPut, state->entry});
    } else {
      events.push_back({MetaEvent::Kind::kDelete, {key, {}, 0, revision}});
    }
  }
  return events;
}

}  // namespace kite::store
