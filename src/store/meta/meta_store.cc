#include "store/meta_store.h"

namespace kite::store {

namespace {
constexpr size_t kPage = 1000;
}

Result<std::vector<MetaEntry>> RangeAll(const Context& context, MetaStore& store,
                                        const std::string& prefix) {
  std::vector<MetaEntry> all;
  for (std::string after;;) {
    KITE_ASSIGN_OR_RETURN(MetaPage page, store.Range(context, prefix, after, kPage));
    std::move(page.entries.begin(), page.entries.end(), std::back_inserter(all));
    if (page.next_after.empty()) return all;
    after = std::move(page.next_after);
  }
}

Result<int64_t> Campaign(const Context& context, MetaStore& store, const std::string& key,
                         const std::string& value, LeaseId lease) {
  const MetaTxn txn{{MetaCompare::Absent(key)}, {MetaOp::Put(key, value, lease)}};
  Result<int64_t> revision = store.Commit(context, txn);
  if (!revision.status().Is(StatusKind::kConflict)) return revision;
  KITE_ASSIGN_OR_RETURN(const std::optional<MetaEntry> holder, store.Get(context, key));
  return Status::Conflict(StatusSubject::kMeta,
                          holder ? "'" + key + "' is held by '" + holder->value + "'"
                                 : "'" + key + "' was held by another until just now");
}

}  // namespace kite::store
