// S3Client: signed requests to one bucket of one S3 store, repeated while that can help, and their
// failures in words that name the store and say what to do. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "store/object/http_client.h"
#include "store/object/s3_credentials.h"
#include "store/object/s3_object_store.h"

namespace kite::store {

struct S3Request {
  std::string method;
  std::string key;  ///< without the root path; empty: the bucket itself
  std::map<std::string, std::string> query = {};
  std::map<std::string, std::string> headers = {};  ///< names in lower case
  std::string_view body = {};
  /// The body is signed; else it carries a checksum of its own in `headers`.
  bool sign_body = false;
  uint64_t answer_bytes_max = uint64_t{16} << 20;
};

struct S3Answer {
  Status status;
  /// What the store calls its refusal, such as "NoSuchKey"; empty otherwise.
  std::string code;
  HttpResponse response;  ///< of the last attempt
  int attempts = 0;
};

class S3Client {
 public:
  /// InvalidArgument(Object) for options that cannot work.
  static Result<std::shared_ptr<S3Client>> Make(const S3Options& options,
                                                std::unique_ptr<S3CredentialSource> credentials);

  /// NotFound(Object) for a key that is not there; AlreadyExists(Object) when a condition of the
  /// request does not hold; InvalidArgument(Object) for a range outside of the object;
  /// Exhausted(Disk) when the store is full; FailedPrecondition(Object) for credentials, rights
  /// and bucket; Unavailable(Object) or the Context's end when the store did not answer.
  [[nodiscard]] S3Answer Call(const Context& context, const S3Request& request) const;

  /// Lists the bucket's beginning, and creates the bucket where that is needed and allowed.
  Status Probe(const Context& context);

  /// `key` under the root path.
  [[nodiscard]] std::string FullKey(std::string_view key) const { return root_ + std::string(key); }
  /// "the S3 store at minio:9000, bucket 'a-bucket'".
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  S3Client(const S3Options& options, std::unique_ptr<S3CredentialSource> credentials);
  struct Attempted;
  [[nodiscard]] Attempted Attempt(const Context& context, const S3Request& request) const;
  [[nodiscard]] Attempted Refused(const S3Request& request, HttpResponse response) const;
  [[nodiscard]] Status GaveUp(const Context& context, const std::string& last, int attempts) const;
  bool LearnRegion(const std::string& region) const;
  [[nodiscard]] std::string Region() const;
  [[nodiscard]] Status CreateBucket(const Context& context) const;
  [[nodiscard]] std::string MissingBucket() const;
  [[nodiscard]] Status Refusal(StatusKind kind, const std::string& what) const;

  const S3Options options_;
  const std::string root_;  ///< empty, or ends with '/'
  const std::string host_;
  const std::string name_;
  mutable std::mutex region_mutex_;
  mutable std::string region_;
  const std::unique_ptr<S3CredentialSource> credentials_;
  mutable HttpClient http_;
};

}  // namespace kite::store
