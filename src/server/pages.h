// Pages: what the metrics port answers.
//
//   /          name, version and the other pages, as JSON
//   /livez, /healthz   the process is alive: OK, from the first moment to the last
//   /readyz    OK when it may take traffic, else 503 with the reason
//   /metrics   Prometheus's text format
#pragma once

#include <mutex>
#include <string>

#include "server/build_info.h"
#include "server/database.h"
#include "server/http_server.h"
#include "server/metrics.h"

namespace kite::server {

/// Thread-safe.
class Pages {
 public:
  /// Not ready, "starting". `metrics` must outlive this.
  Pages(const BuildInfo& build, const Metrics& metrics) : build_(build), metrics_(metrics) {}

  /// Not ready for this reason, and without a database. Returns when no page reads the one from
  /// before.
  void SetNotReady(std::string reason);
  /// The database's figures are shown; ready when it says so and `serving`.
  void SetDatabase(const Database& database, bool serving);

  [[nodiscard]] HttpReply Answer(const std::string& path) const;

 private:
  [[nodiscard]] HttpReply Ready() const;
  [[nodiscard]] HttpReply About() const;
  [[nodiscard]] HttpReply MetricsText() const;

  const BuildInfo build_;
  const Metrics& metrics_;
  mutable std::mutex mutex_;
  const Database* database_ = nullptr;
  bool serving_ = false;
  std::string reason_ = "starting: opening the data";
};

}  // namespace kite::server
