// MetaWriter: how a coordinator changes the MetaStore: fenced, bounded, and aware of what it does
// not know.
//
// After a commit whose outcome is unknown, `uncertain()` stays true until the coordinator has read
// its metadata again and says so. Not thread-safe: a coordinator makes its changes one after the
// other.
#pragma once

#include <memory>
#include <vector>

#include "model/request.h"
#include "store/meta_store.h"

namespace kite::roles {

class MetaWriter {
 public:
  /// `fence` holds while this process leads and is part of every transaction.
  MetaWriter(std::shared_ptr<store::MetaStore> meta, std::vector<store::MetaCompare> fence)
      : meta_(std::move(meta)), fence_(std::move(fence)) {}

  /// Durable when Ok. InvalidArgument: a value is too large to be stored. Unavailable: this process
  /// no longer leads. Conflict(Meta): one of `compares` does not hold. Otherwise see uncertain().
  Status Commit(const Context& context, std::vector<store::MetaOp> ops,
                std::vector<store::MetaCompare> compares = {});

  /// Commit on condition that the collection exists, so that nothing is written down for one that
  /// is being dropped. NotFound(Collection) names it as the caller did.
  Status CommitFor(const Context& context, const model::CollectionName& name,
                   model::CollectionId collection, std::vector<store::MetaOp> ops);

  [[nodiscard]] bool uncertain() const { return uncertain_; }
  void SetCertain() { uncertain_ = false; }
  /// For reading everything again.
  [[nodiscard]] static Context PatientContext();

 private:
  const std::shared_ptr<store::MetaStore> meta_;
  const std::vector<store::MetaCompare> fence_;
  bool uncertain_ = false;
};

}  // namespace kite::roles
