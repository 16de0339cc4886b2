// Where S3 credentials come from, and keeping temporary ones fresh.
//
// Static keys, or the first of: the environment (AWS_ACCESS_KEY_ID …), a web identity token
// (AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN, asked from STS), the container's metadata service
// (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI), the instance's (IMDSv2). Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/context.h"
#include "base/result.h"
#include "store/object/http_client.h"
#include "store/object/s3_signer.h"

namespace kite::store {

/// Value of an environment variable; empty when it is not set.
using Environment = std::function<std::string(const std::string& name)>;
Environment ProcessEnvironment();

class S3CredentialSource {
 public:
  static std::unique_ptr<S3CredentialSource> Static(S3Credentials credentials);
  /// `endpoint` (scheme and host) replaces those of STS and of the instance's metadata service
  /// unless it is empty.
  static std::unique_ptr<S3CredentialSource> Iam(std::string endpoint, std::string region,
                                                 Environment environment,
                                                 std::shared_ptr<const Clock> clock);

  /// Fetches new ones when those that are there end within five minutes; keeps them to their end
  /// when that fails. FailedPrecondition(Object) names what was tried when nothing gives
  /// credentials.
  Result<S3Credentials> Get(const Context& context);
  /// The store said that they have ended.
  void Expire();

 private:
  struct Temporary {
    S3Credentials credentials;
    int64_t ends_at = INT64_MAX;  ///< unix seconds
  };

  S3CredentialSource() = default;
  [[nodiscard]] int64_t Now() const;
  [[nodiscard]] Result<Temporary> Fetch(const Context& context) const;
  [[nodiscard]] Result<Temporary> FromWebIdentity(const Context& context) const;
  [[nodiscard]] Result<Temporary> FromContainer(const Context& context,
                                                const std::string& url) const;
  [[nodiscard]] Result<Temporary> FromInstance(const Context& context) const;

  std::string endpoint_;
  std::string region_;
  Environment environment_;  ///< empty: static
  std::shared_ptr<const Clock> clock_;
  std::unique_ptr<HttpClient> http_;
  std::mutex mutex_;
  std::optional<Temporary> current_;
};

}  // namespace kite::store
