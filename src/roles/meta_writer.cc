#include "roles/meta_writer.h"

#include <chrono>
#include <string>

#include "model/meta_keys.h"

namespace kite::roles {
namespace {

/// The largest value of the MetaStore.
constexpr size_t kValueBytesMax = size_t{1} << 20;
/// For what should end one way or the other, whatever the caller's patience.
constexpr std::chrono::seconds kStorePatience{10};

Status NoLongerLeads() {
  return Status::Unavailable(StatusSubject::kNode,
                             "this coordinator no longer leads; nothing was changed, retry");
}

}  // namespace

Context MetaWriter::PatientContext() { return Context().WithTimeout(kStorePatience); }

Status MetaWriter::Commit(const Context& context, std::vector<store::MetaOp> ops,
                          std::vector<store::MetaCompare> compares) {
  KITE_RETURN_IF_ERROR(context.Check());
  for (const store::MetaOp& op : ops) {
    if (op.value.size() <= kValueBytesMax) continue;
    return Status::InvalidArgument("names, descriptions and parameters take " +
                                   std::to_string(op.value.size()) + " bytes, at most " +
                                   std::to_string(kValueBytesMax) + " are possible");
  }
  const bool conditional = !compares.empty();
  store::MetaTxn txn;
  txn.compares = std::move(compares);
  txn.compares.insert(txn.compares.end(), fence_.begin(), fence_.end());
  txn.ops = std::move(ops);
  // Not the caller's deadline: it would leave the outcome open more often than need be.
  const auto committed = meta_->Commit(PatientContext(), txn);
  if (committed.ok()) return {};
  const Status status = committed.status();
  switch (status.kind()) {
    case StatusKind::kInvalidArgument:
    case StatusKind::kUnavailable:
      return status;
    case StatusKind::kConflict:
      return conditional ? status : NoLongerLeads();
    default:
      uncertain_ = true;
      return status.WithContext(
          "whether the change was made is not known, look before you repeat it");
  }
}

Status MetaWriter::CommitFor(const Context& context, const model::CollectionName& name,
                             model::CollectionId collection, std::vector<store::MetaOp> ops) {
  const std::string key = model::CollectionKey(collection);
  const auto gone = [&] {
    return Status::NotFound(StatusSubject::kCollection,
                            "collection not found[collection=" + name.collection + "]");
  };
  KITE_ASSIGN_OR_RETURN(const auto entry, meta_->Get(context, key));
  if (!entry) return gone();
  const Status status =
      Commit(context, std::move(ops), {store::MetaCompare::Created(key, entry->create_revision)});
  if (!status.Is(StatusKind::kConflict)) return status;
  KITE_ASSIGN_OR_RETURN(const auto now, meta_->Get(context, key));
  return now ? NoLongerLeads() : gone();
}

}  // namespace kite::roles
