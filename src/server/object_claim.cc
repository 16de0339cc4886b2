#include "server/object_claim.h"

#include <array>
#include <cstdio>
#include <random>

namespace kite::server {
namespace {

constexpr const char* kMetaKey = "objects/database";
constexpr const char* kObjectKey = "database-id";

std::string NewId() {
  std::random_device random;
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%08x%08x%08x%08x", random(), random(), random(),
                random());
  return text.data();
}

/// The metadata's id, a new one when it has none yet.
Result<std::string> DatabaseId(const Context& context, store::MetaStore& meta) {
  KITE_ASSIGN_OR_RETURN(const auto known, meta.Get(context, kMetaKey));
  if (known) return known->value;
  const std::string id = NewId();
  store::MetaTxn txn;
  txn.compares.push_back(store::MetaCompare::Absent(kMetaKey));
  txn.ops.push_back(store::MetaOp::Put(kMetaKey, id));
  const Result<int64_t> put = meta.Commit(context, txn);
  KITE_ASSIGN_OR_RETURN(const auto now, meta.Get(context, kMetaKey));
  if (now) return now->value;
  return put.ok() ? Status::Internal("the database's id was stored and is not there") : put.status();
}

Status OfAnother(const std::string& place) {
  return Status::FailedPrecondition(
      StatusSubject::kNode,
      place + " holds the objects of another database, whose metadata is elsewhere: use another "
              "minio.rootPath or minio.bucketName, or the metadata (etcd.endpoints, etcd.rootPath, "
              "localStorage.path) that belongs to it");
}

}  // namespace

Status ClaimObjects(const Context& context, store::MetaStore& meta, store::ObjectStore& objects,
                    const std::string& place) {
  KITE_ASSIGN_OR_RETURN(const std::string id, DatabaseId(context, meta));
  const Status taken = objects.PutNew(context, kObjectKey, id);
  if (!taken.Is(StatusKind::kAlreadyExists)) return taken;
  KITE_ASSIGN_OR_RETURN(const std::string holder, objects.Get(context, kObjectKey));
  return holder == id ? Status::Ok() : OfAnother(place);
}

Status CheckClaim(const Context& context, store::MetaStore& meta, store::ObjectStore& objects,
                  const std::string& place) {
  KITE_ASSIGN_OR_RETURN(const auto id, meta.Get(context, kMetaKey));
  if (!id) return {};
  const Result<std::string> holder = objects.Get(context, kObjectKey);
  if (holder.status().Is(StatusKind::kNotFound)) {
    return Status::NotFound(StatusSubject::kObject,
                            place + " does not hold the objects of this database: '" + kObjectKey +
                                "' is missing; check minio.rootPath and minio.bucketName");
  }
  KITE_RETURN_IF_ERROR(holder.status());
  return *holder == id->value ? Status::Ok() : OfAnother(place);
}

}  // namespace kite::server
