// MeteredProxy: a Proxy that counts the rows and vectors that pass through it.
#pragma once

#include "roles/roles.h"
#include "server/metrics.h"

namespace kite::server {

/// Thread-safe as the proxy behind it.
class MeteredProxy final : public roles::Proxy {
 public:
  /// Both must outlive this.
  MeteredProxy(roles::Proxy& proxy, Metrics& metrics) : proxy_(proxy), metrics_(metrics) {}

  Result<model::MutationResult> Insert(const Context& context,
                                       const model::InsertRequest& request) override {
    Result<model::MutationResult> result = proxy_.Insert(context, request);
    if (!result.ok()) return result;
    if (request.upsert) {
      metrics_.AddUpsertedRows(request.rows);
    } else {
      metrics_.AddInsertedRows(request.rows);
    }
    return result;
  }

  Result<model::MutationResult> Delete(const Context& context,
                                       const model::DeleteRequest& request) override {
    Result<model::MutationResult> result = proxy_.Delete(context, request);
    if (result.ok() && result->deleted > 0)
      metrics_.AddDeletedRows(static_cast<size_t>(result->deleted));
    return result;
  }

  Result<model::SearchResult> Search(const Context& context,
                                     const model::SearchRequest& request) override {
    Result<model::SearchResult> result = proxy_.Search(context, request);
    if (result.ok()) metrics_.AddSearchedVectors(request.query_count);
    return result;
  }

  Result<model::QueryResult> Query(const Context& context,
                                   const model::QueryRequest& request) override {
    return proxy_.Query(context, request);
  }

 private:
  roles::Proxy& proxy_;
  Metrics& metrics_;
};

}  // namespace kite::server
