#include "store/object/s3_credentials.h"

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <utility>

namespace kite::store {
namespace {

using nlohmann::json;

constexpr int64_t kRefreshSecondsBefore = 300;
constexpr auto kFetchTimeout = std::chrono::seconds(5);
constexpr auto kConnectTimeout = std::chrono::milliseconds(1000);
constexpr const char* kInstanceHost = "http://169.254.169.254";
constexpr const char* kContainerHost = "http://169.254.170.2";

Status NoCredentials(const std::string& why) {
  return Status::FailedPrecondition(StatusSubject::kObject,
                                    "no credentials for the S3 store: " + why);
}

/// "2026-11-21T10:00:00Z", with or without fractions; 0 when it is nothing of that shape.
int64_t ParseTime(const std::string& text) {
  std::tm parts{};
  if (strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return 0;
  return timegm(&parts);
}

std::string TextOf(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<std::string> ReadSmallFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (!file || text.empty()) return NoCredentials("the token file '" + path + "' cannot be read");
  return text;
}

/// The body of a 200 answer.
Result<std::string> Ask(HttpClient& http, const Context& context, const HttpRequest& request) {
  const Result<HttpResponse> answer = http.Do(context, request);
  if (!answer.ok()) {
    if (answer.status().Is(StatusKind::kCancelled)) return answer.status();
    return NoCredentials(request.url + ": " + answer.status().message());
  }
  if (answer->status != 200) {
    return NoCredentials(request.url + " answered with HTTP status " +
                         std::to_string(answer->status));
  }
  return answer->body;
}

}  // namespace

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::string {
    const char* value = std::getenv(name.c_str());
    return value != nullptr ? value : "";
  };
}

std::unique_ptr<S3CredentialSource> S3CredentialSource::Static(S3Credentials credentials) {
  auto source = std::unique_ptr<S3CredentialSource>(new S3CredentialSource());
  source->current_ = Temporary{std::move(credentials)};
  return source;
}

std::unique_ptr<S3CredentialSource> S3CredentialSource::Iam(std::string endpoint,
                                                            std::string region,
                                                            Environment environment,
                                                            std::shared_ptr<const Clock> clock) {
  auto source = std::unique_ptr<S3CredentialSource>(new S3CredentialSource());
  source->endpoint_ = std::move(endpoint);
  source->region_ = std::move(region);
  source->environment_ = std::move(environment);
  source->clock_ = std::move(clock);
  HttpOptions http;
  http.connect_timeout = kConnectTimeout;
  http.stall_timeout = kFetchTimeout;
  source->http_ = std::make_unique<HttpClient>(std::move(http));
  return source;
}

int64_t S3CredentialSource::Now() const { return clock_->NowMicros() / 1'000'000; }

Result<S3Credentials> S3CredentialSource::Get(const Context& context) {
  const std::lock_guard lock(mutex_);
  if (!environment_) return current_->credentials;
  if (current_ && current_->ends_at - kRefreshSecondsBefore > Now()) return current_->credentials;
  Result<Temporary> fetched = Fetch(context.WithTimeout(kFetchTimeout));
  if (fetched.ok()) {
    current_ = std::move(*fetched);
  } else if (!current_ || current_->ends_at <= Now()) {
    return fetched.status();
  }
  return current_->credentials;
}

void S3CredentialSource::Expire() {
  const std::lock_guard lock(mutex_);
  if (environment_) current_.reset();
}

Result<S3CredentialSource::Temporary> S3CredentialSource::Fetch(const Context& context) const {
  S3Credentials keys{environment_("AWS_ACCESS_KEY_ID"), environment_("AWS_SECRET_ACCESS_KEY"),
                     environment_("AWS_SESSION_TOKEN")};
  if (!keys.access_key.empty() && !keys.secret_key.empty()) return Temporary{std::move(keys)};
  if (!environment_("AWS_WEB_IDENTITY_TOKEN_FILE").empty()) return FromWebIdentity(context);
  std::string container = environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const std::string relative = environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (container.empty() && !relative.empty()) container = kContainerHost + relative;
  if (!container.empty()) return FromContainer(context, container);
  const Result<Temporary> instance = FromInstance(context);
  if (instance.ok() || instance.status().Is(StatusKind::kCancelled)) return instance;
  return instance.status().WithContext(
      "AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE and AWS_CONTAINER_CREDENTIALS_FULL_URI are "
      "not set, and the instance's metadata service gives none");
}

namespace {

/// The JSON that both metadata services answer with.
Result<std::pair<S3Credentials, int64_t>> ParseCredentials(const std::string& text,
                                                           const std::string& url) {
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) return NoCredentials(url + " did not answer with JSON");
  S3Credentials keys{TextOf(parsed, "AccessKeyId"), TextOf(parsed, "SecretAccessKey"),
                     TextOf(parsed, "Token")};
  const int64_t ends_at = ParseTime(TextOf(parsed, "Expiration"));
  if (keys.access_key.empty() || keys.secret_key.empty() || ends_at == 0)
    return NoCredentials(url + " answered without keys or without their end");
  return std::pair(std::move(keys), ends_at);
}

}  // namespace

Result<S3CredentialSource::Temporary> S3CredentialSource::FromWebIdentity(
    const Context& context) const {
  KITE_ASSIGN_OR_RETURN(const std::string token,
                        ReadSmallFile(environment_("AWS_WEB_IDENTITY_TOKEN_FILE")));
  const std::string session = environment_("AWS_ROLE_SESSION_NAME");
  const std::string host =
      !endpoint_.empty()
          ? endpoint_
          : "https://sts." + (region_.empty() ? "us-east-1" : region_) + ".amazonaws.com";
  const std::string query = EncodeQuery({{"Action", "AssumeRoleWithWebIdentity"},
                                         {"Version", "2011-06-15"},
                                         {"RoleArn", environment_("AWS_ROLE_ARN")},
                                         {"RoleSessionName", session.empty() ? "kite" : session},
                                         {"WebIdentityToken", token}});
  HttpRequest request{.method = "POST", .url = host + "/", .headers = {}, .body = query};
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  KITE_ASSIGN_OR_RETURN(const std::string body, Ask(*http_, context, request));
  pugi::xml_document document;
  document.load_buffer(body.data(), body.size());
  const pugi::xml_node found = document.child("AssumeRoleWithWebIdentityResponse")
                                   .child("AssumeRoleWithWebIdentityResult")
                                   .child("Credentials");
  Temporary temporary;
  temporary.credentials = {found.child_value("AccessKeyId"), found.child_value("SecretAccessKey"),
                           found.child_value("SessionToken")};
  temporary.ends_at = ParseTime(found.child_value("Expiration"));
  if (temporary.credentials.access_key.empty() || temporary.ends_at == 0)
    return NoCredentials(request.url + " answered without keys or without their end");
  return temporary;
}

Result<S3CredentialSource::Temporary> S3CredentialSource::FromContainer(
    const Context& context, const std::string& url) const {
  std::string token = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  const std::string token_file = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!token_file.empty()) {
    KITE_ASSIGN_OR_RETURN(token, ReadSmallFile(token_file));
  }
  HttpRequest request;
  request.url = url;
  if (!token.empty()) request.headers.emplace_back("Authorization", token);
  KITE_ASSIGN_OR_RETURN(const std::string body, Ask(*http_, context, request));
  KITE_ASSIGN_OR_RETURN(auto parsed, ParseCredentials(body, url));
  return Temporary{std::move(parsed.first), parsed.second};
}

Result<S3CredentialSource::Temporary> S3CredentialSource::FromInstance(
    const Context& context) const {
  const std::string host = endpoint_.empty() ? kInstanceHost : endpoint_;
  HttpRequest ask_token;
  ask_token.method = "PUT";
  ask_token.url = host + "/latest/api/token";
  ask_token.headers.emplace_back("X-aws-ec2-metadata-token-ttl-seconds", "21600");
  KITE_ASSIGN_OR_RETURN(const std::string token, Ask(*http_, context, ask_token));
  HttpRequest request;
  request.url = host + "/latest/meta-data/iam/security-credentials/";
  request.headers.emplace_back("X-aws-ec2-metadata-token", token);
  KITE_ASSIGN_OR_RETURN(const std::string roles, Ask(*http_, context, request));
  request.url += PercentEncode(roles.substr(0, roles.find('\n')), false);
  KITE_ASSIGN_OR_RETURN(const std::string body, Ask(*http_, context, request));
  KITE_ASSIGN_OR_RETURN(auto parsed, ParseCredentials(body, request.url));
  return Temporary{std::move(parsed.first), parsed.second};
}

}  // namespace kite::store
