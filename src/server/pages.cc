#include "server/pages.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace kite::server {

void Pages::SetNotReady(std::string reason) {
  const std::scoped_lock lock(mutex_);
  database_ = nullptr;
  serving_ = false;
  reason_ = std::move(reason);
}

void Pages::SetDatabase(const Database& database, bool serving) {
  const std::scoped_lock lock(mutex_);
  database_ = &database;
  serving_ = serving;
  reason_ = "starting: opening the port for clients";
}

HttpReply Pages::Answer(const std::string& path) const {
  if (path == "/livez" || path == "/healthz") return {.body = "OK"};
  if (path == "/readyz") return Ready();
  if (path == "/metrics") return MetricsText();
  if (path == "/") return About();
  return {.status = 404, .body = "there is no such page; see /\n"};
}

HttpReply Pages::Ready() const {
  const std::scoped_lock lock(mutex_);
  if (database_ == nullptr || !serving_) return {.status = 503, .body = reason_ + "\n"};
  std::string reason;
  if (!database_->Ready(&reason)) return {.status = 503, .body = reason + "\n"};
  return {.body = "OK"};
}

HttpReply Pages::About() const {
  const nlohmann::ordered_json about = {{"name", "Kite"},
                                        {"version", build_.version},
                                        {"milvus_version", build_.milvus_version},
                                        {"git_commit", build_.git_commit},
                                        {"pages", {"/livez", "/healthz", "/readyz", "/metrics"}}};
  return {.content_type = "application/json", .body = about.dump(2) + "\n"};
}

HttpReply Pages::MetricsText() const {
  std::optional<DatabaseStats> stats;
  {
    const std::scoped_lock lock(mutex_);
    if (database_ != nullptr) stats = database_->Stats();
  }
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics_.Text(stats)};
}

}  // namespace kite::server
