// ObjectStore on the S3 API: AWS S3, MinIO and compatibles.
//
// Every object lies under "<root_path>/<key>" of one bucket, so that several databases can share
// it. Calls are repeated with back-off and jitter until they succeed, their Context ends, or - for
// a Context without a deadline - `retry_for` is over; then they fail with Unavailable(Object).
// Every message names the store's address and what to do. Map() reads through a local cache
// (object_cache.h). Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/disk.h"
#include "store/object_store.h"

namespace kite::store {

struct S3Options {
  std::string address;  ///< host or host:port; without scheme
  std::string bucket;
  std::string root_path;  ///< may be empty
  std::string region;     ///< empty: asked from the store, else us-east-1
  std::string access_key;
  std::string secret_key;
  /// Credentials come from the environment, a web identity token, the container's or the
  /// instance's metadata service instead; `access_key` and `secret_key` are ignored.
  bool use_iam = false;
  std::string iam_endpoint;  ///< of STS and the metadata services; empty: the usual ones
  bool use_tls = false;
  std::string ca_file;        ///< PEM; empty: the system's
  bool virtual_host = false;  ///< http://bucket.host/key instead of http://host/bucket/key
  bool create_bucket = true;  ///< when it is missing
  std::chrono::milliseconds request_timeout{10'000};  ///< without any progress
  std::chrono::milliseconds retry_for{30'000};        ///< of calls without a deadline
  std::string cache_dir;                              ///< of Map(); used by one store at a time
  uint64_t cache_bytes_max = 0;                       ///< 0: nine tenths of what the disk has free
  std::shared_ptr<Disk> disk;                         ///< of the cache; null: the machine's
};

/// Asks the store for the bucket, creating it where that is allowed and needed. Unavailable(Object)
/// when the store does not answer; FailedPrecondition(Object) when it refuses the credentials or
/// has no such bucket; InvalidArgument(Object) for options that cannot work.
Result<std::unique_ptr<ObjectStore>> OpenS3ObjectStore(const Context& context,
                                                       const S3Options& options);

}  // namespace kite::store
