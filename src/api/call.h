// Call: one request on its way through a handler.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/server_info.h"
#include "api/wire.h"
#include "base/context.h"
#include "roles/roles.h"

namespace kite::api {

struct Call {
  const Context& context;
  const roles::Roles& roles;
  const ServerInfo& server;
  std::string database;  ///< of the request, else of the metadata; "" = default
  /// Holds the request. A copy of the pointer keeps what is borrowed from the request alive.
  std::shared_ptr<google::protobuf::Arena> arena;

  [[nodiscard]] model::CollectionName Name(std::string_view collection) const {
    return {database, std::string(collection)};
  }
  /// The database's name as replies show it.
  [[nodiscard]] const std::string& DatabaseName() const {
    static const std::string fallback(model::kDefaultDatabaseName);
    return database.empty() ? fallback : database;
  }
};

}  // namespace kite::api
