// Metrics: counters and histograms under Milvus's names, as text for Prometheus.
//
// Recording costs a hash lookup and a few atomics: the metrics of a method are found once and kept.
// The state of the database and of the process is gathered when asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/observer.h"
#include "server/build_info.h"
#include "server/database.h"
#include "server/log.h"

namespace kite::server {

/// Thread-safe.
class Metrics final : public api::CallObserver {
 public:
  /// Defects are written to `log`, which must outlive this.
  Metrics(const BuildInfo& build, Log& log);
  ~Metrics() override;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // CallObserver
  void OnCall(std::string_view method, int32_t code, double latency_ms) override;
  void OnDefect(std::string_view method, std::string_view what) override;

  void AddSearchedVectors(size_t count);
  void AddInsertedRows(size_t count);
  void AddUpsertedRows(size_t count);
  void AddDeletedRows(size_t count);

  /// Prometheus's text format. Without `stats` (the database is not open) its gauges are left out.
  [[nodiscard]] std::string Text(const std::optional<DatabaseStats>& stats) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  Log& log_;
};

}  // namespace kite::server
