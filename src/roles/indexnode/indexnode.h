// IndexNodeImpl: builds the index of one segment and stores its file.
#pragma once

#include <memory>

#include "base/executor.h"
#include "roles/roles.h"
#include "store/object_store.h"

namespace kite::roles {

struct IndexNodeDeps {
  std::shared_ptr<store::ObjectStore> objects;
  Executor* build = nullptr;  ///< helps the calling thread with a build; outlives the node
};

/// Thread-safe.
class IndexNodeImpl final : public IndexNode {
 public:
  explicit IndexNodeImpl(IndexNodeDeps deps) : deps_(std::move(deps)) {}

  Result<segment::VectorIndexMeta> Build(const Context&, const BuildTask&,
                                         const std::function<void(double)>& progress) override;

 private:
  const IndexNodeDeps deps_;
};

}  // namespace kite::roles
