// MetaStore on etcd v3 (3.4 or newer), by itself or shared with others.
//
// Keys are kept below <root_path>/kite/. Revisions are etcd's own. Reads are linearizable. A lease
// is granted in whole seconds, rounded up, and etcd has a minimum of its own (about 2 s): it never
// ends early. A commit carries a key of the store's own, by which the outcome of one that was not
// answered is found out; it is repeated only when it had no effect and cannot have one any more.
//
// A lost or slow etcd fails calls with Unavailable(Meta) after `request_timeout`; nothing has to be
// reopened when it is back. When etcd has compacted the history that a living watch still needs,
// the watch tells the difference to the present state in one batch.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "store/meta_store.h"

namespace kite::store {

struct EtcdOptions {
  std::vector<std::string> endpoints;  ///< "host:port", with or without http:// or https://
  std::string root_path = "by-dev";
  std::string user;  ///< empty: no authentication
  std::string password;
  bool tls = false;           ///< an endpoint that begins with https:// means it too
  std::string tls_ca_file;    ///< empty: the system's authorities
  std::string tls_cert_file;  ///< with tls_key_file: the client's own certificate
  std::string tls_key_file;
  std::chrono::milliseconds request_timeout{10'000};  ///< of a call, with all its tries
};

/// Connects to nothing yet: an etcd that does not answer is the calls' business. InvalidArgument
/// for endpoints and certificate files that cannot be right.
Result<std::unique_ptr<MetaStore>> OpenEtcdMetaStore(EtcdOptions options);

}  // namespace kite::store
