// Aliases: further names of a collection, kept with it. A name means one thing in a database, be it
// alias or not.
#include <algorithm>

#include "model/meta_keys.h"
#include "roles/rootcoord/rootcoord.h"

namespace kite::roles {

using model::CollectionMeta;
using store::MetaOp;

namespace {

CollectionMeta WithAlias(const CollectionMeta& meta, const std::string& alias) {
  CollectionMeta changed = meta;
  changed.aliases.insert(std::ranges::lower_bound(changed.aliases, alias), alias);
  return changed;
}

CollectionMeta WithoutAlias(const CollectionMeta& meta, const std::string& alias) {
  CollectionMeta changed = meta;
  std::erase(changed.aliases, alias);
  return changed;
}

}  // namespace

Status RootCoordImpl::CheckAliasTarget(const CollectionName& name, const std::string& alias,
                                       CollectionPtr& target) const {
  KITE_RETURN_IF_ERROR(model::ValidateName("collection alias", alias, StatusSubject::kParameter,
                                           options_.schema.name_bytes_max));
  KITE_ASSIGN_OR_RETURN(target, catalog_.Find(name));
  // An alias of an alias would have to follow it when it moves.
  if (target->name() != name.collection) return CollectionNotFound(name);
  const auto taken = catalog_.Find({name.database, alias});
  if (taken.ok() && (*taken)->name() == alias) {
    return Status::InvalidArgument(StatusSubject::kAlias,
                                   "alias and collection name conflict[database=" +
                                       DatabaseNameOf(name.database) + "][alias=" + alias + "]");
  }
  return {};
}

Status RootCoordImpl::CreateAlias(const Context& context, const CollectionName& name,
                                  const std::string& alias) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  CollectionPtr target;
  KITE_RETURN_IF_ERROR(CheckAliasTarget(name, alias, target));
  const auto current = catalog_.Find({name.database, alias});
  if (!current.ok()) return CommitCollection(context, WithAlias(*target, alias));
  if (*current == target) return {};
  return Status::AlreadyExists(
      StatusSubject::kAlias, alias + " is alias to another collection: " + (*current)->name() +
                                 ": alias already exist[database=" + DatabaseNameOf(name.database) +
                                 "][alias=" + alias + "]");
}

Status RootCoordImpl::AlterAlias(const Context& context, const CollectionName& name,
                                 const std::string& alias) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  CollectionPtr target;
  KITE_RETURN_IF_ERROR(CheckAliasTarget(name, alias, target));
  const auto current = catalog_.Find({name.database, alias});
  if (!current.ok()) {
    return Status::NotFound(
        StatusSubject::kAlias,
        "alias not found[database=" + DatabaseNameOf(name.database) + "][alias=" + alias + "]");
  }
  if (*current == target) return {};
  const auto loser = std::make_shared<const CollectionMeta>(WithoutAlias(**current, alias));
  const auto winner = std::make_shared<const CollectionMeta>(WithAlias(*target, alias));
  KITE_RETURN_IF_ERROR(writer_.Commit(
      context, {MetaOp::Put(model::CollectionKey(loser->id), model::ToJson(*loser)),
                MetaOp::Put(model::CollectionKey(winner->id), model::ToJson(*winner))}));
  // In this order the alias always names a collection: the old one, then the new one.
  catalog_.Put(winner);
  catalog_.Put(loser);
  return {};
}

Status RootCoordImpl::DropAlias(const Context& context, const std::string& database,
                                const std::string& alias) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  const auto found = catalog_.Find({database, alias});
  if (found.status().Is(StatusKind::kNotFound, StatusSubject::kCollection)) return {};
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection, found);
  if (collection->name() == alias) {
    return Status::NotFound(StatusSubject::kAlias,
                            alias + " is a collection, not an alias: alias not found[database=" +
                                DatabaseNameOf(database) + "][alias=" + alias + "]");
  }
  return CommitCollection(context, WithoutAlias(*collection, alias));
}

}  // namespace kite::roles
