#include "store/object/s3_client.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <pugixml.hpp>
#include <random>

#include "base/clock.h"

namespace kite::store {
namespace {

constexpr auto kBackOffFirst = std::chrono::milliseconds(50);
constexpr auto kBackOffMax = std::chrono::milliseconds(2000);
constexpr std::string_view kDefaultRegion = "us-east-1";

std::string WithSlash(const std::string& root) {
  std::string trimmed = root;
  while (!trimmed.empty() && trimmed.back() == '/') trimmed.pop_back();
  return trimmed.empty() ? "" : trimmed + "/";
}

/// Between half of the step and all of it, so that clients that failed together come back apart.
std::chrono::milliseconds BackOff(int attempt) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto step = std::min(kBackOffMax, kBackOffFirst * (1 << std::min(attempt, 10)));
  return std::chrono::milliseconds(
      std::uniform_int_distribution<int64_t>(step.count() / 2, step.count())(random));
}

/// Ends early with the Context.
void Sleep(const Context& context, std::chrono::milliseconds time) {
  const auto until = std::min(context.deadline(), Context::Clock::now() + time);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_until(lock, context.stop_token(), until, [] { return false; });
}

/// Whether the same request may succeed later, by what the store calls its refusal.
bool IsTransient(int status, std::string_view code) {
  if (status == 507) return false;
  if (status >= 500 || status == 429 || status == 408) return true;
  return code == "RequestTimeout" || code == "SlowDown" || code == "IncompleteBody" ||
         code == "BadDigest" || code == "XAmzContentChecksumMismatch" || code == "OperationAborted";
}

bool IsFull(int status, std::string_view code) {
  return status == 507 || code == "XMinioStorageFull" || code == "QuotaExceeded" ||
         code == "XMinioAdminBucketQuotaExceeded";
}

bool IsExpired(std::string_view code) {
  return code == "ExpiredToken" || code == "ExpiredTokenException" ||
         code == "TokenRefreshRequired";
}

}  // namespace

struct S3Client::Attempted {
  S3Answer answer;
  bool again = false;
};

Result<std::shared_ptr<S3Client>> S3Client::Make(const S3Options& options,
                                                 std::unique_ptr<S3CredentialSource> credentials) {
  const auto invalid = [](const std::string& what) {
    return Status::InvalidArgument(StatusSubject::kObject, what);
  };
  const auto plain = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  };
  if (options.address.empty() || !plain(options.address) ||
      options.address.find_first_of("/@?#") != std::string::npos) {
    return invalid("the address of the S3 store, '" + options.address +
                   "', is not of the form host or host:port");
  }
  const auto is_bucket_character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  if (options.bucket.size() < 3 || options.bucket.size() > 63 ||
      !std::all_of(options.bucket.begin(), options.bucket.end(), is_bucket_character)) {
    return invalid("'" + options.bucket +
                   "' is no name of a bucket: 3 to 63 lower-case letters, digits, '-' and '.'");
  }
  const std::string root = WithSlash(options.root_path);
  if (!root.empty() && !ValidateObjectPrefix(root).ok())
    return invalid("'" + options.root_path + "' cannot be the root path of objects");
  if (!options.use_iam && (options.access_key.empty() || options.secret_key.empty()))
    return invalid("the S3 store needs an access key and a secret key, or IAM");
  return std::shared_ptr<S3Client>(new S3Client(options, std::move(credentials)));
}

S3Client::S3Client(const S3Options& options, std::unique_ptr<S3CredentialSource> credentials)
    : options_(options),
      root_(WithSlash(options.root_path)),
      host_(options.virtual_host ? options.bucket + "." + options.address : options.address),
      name_("the S3 store at " + options.address + ", bucket '" + options.bucket + "'"),
      region_(options.region.empty() ? kDefaultRegion : options.region),
      credentials_(std::move(credentials)),
      http_(HttpOptions{.ca_file = options.ca_file, .stall_timeout = options.request_timeout}) {}

S3Answer S3Client::Call(const Context& context, const S3Request& request) const {
  const Context bounded =
      context.has_deadline() ? context : context.WithTimeout(options_.retry_for);
  std::string last;
  for (int attempt = 0;; ++attempt) {
    Attempted attempted = Attempt(bounded, request);
    S3Answer& answer = attempted.answer;
    answer.attempts = attempt + 1;
    const bool ended = answer.status.Is(StatusKind::kDeadlineExceeded);
    if (!attempted.again && !ended) return std::move(answer);
    if (!ended) {
      last = answer.status.message();
      Sleep(bounded, BackOff(attempt));
    }
    if (!ended && bounded.Check().ok()) continue;
    answer.status = GaveUp(context, last, answer.attempts);
    return std::move(answer);
  }
}

Status S3Client::GaveUp(const Context& context, const std::string& last, int attempts) const {
  if (context.cancelled()) return Status::Cancelled();
  std::string message = name_ + " does not answer (" + std::to_string(attempts) +
                        (attempts == 1 ? " attempt" : " attempts") +
                        (last.empty() ? "" : "; the last: " + last) +
                        "): check that it runs and can be reached from here";
  if (context.has_deadline()) return Status::DeadlineExceeded(std::move(message));
  return Status::Unavailable(StatusSubject::kObject, std::move(message));
}

S3Client::Attempted S3Client::Attempt(const Context& context, const S3Request& request) const {
  const Result<S3Credentials> credentials = credentials_->Get(context);
  if (!credentials.ok()) return {{.status = credentials.status().WithContext(name_)}};
  S3Message message;
  message.method = request.method;
  message.host = host_;
  message.path = options_.virtual_host ? "/" : "/" + options_.bucket;
  if (!request.key.empty()) {
    message.path += (options_.virtual_host ? "" : "/") + PercentEncode(FullKey(request.key), true);
  }
  message.query = request.query;
  message.headers = request.headers;
  message.payload_hash = request.sign_body || request.body.empty() ? Sha256Hex(request.body)
                                                                   : std::string(kUnsignedPayload);
  HttpRequest http;
  http.method = request.method;
  http.url = (options_.use_tls ? "https://" : "http://") + host_ + message.path;
  if (!message.query.empty()) http.url += "?" + EncodeQuery(message.query);
  http.headers = Sign(message, *credentials, Region(), Clock::System()->NowMicros() / 1'000'000);
  if (request.method == "PUT" || request.method == "POST")
    http.headers.emplace_back("content-type", "application/octet-stream");
  http.body = request.body;
  http.answer_bytes_max = request.answer_bytes_max;
  Result<HttpResponse> response = http_.Do(context, http);
  if (!response.ok()) {
    const Status& status = response.status();
    if (status.Is(StatusKind::kUnavailable)) return {{.status = status}, true};
    if (status.Is(StatusKind::kCancelled) || status.Is(StatusKind::kDeadlineExceeded))
      return {{.status = status}};
    return {{.status = status.WithContext(name_)}};
  }
  if (response->status >= 200 && response->status < 300)
    return {{.status = {}, .code = {}, .response = std::move(*response)}};
  return Refused(request, std::move(*response));
}

Status S3Client::Refusal(StatusKind kind, const std::string& what) const {
  return {kind, StatusSubject::kObject, name_ + " " + what};
}

std::string S3Client::MissingBucket() const {
  return "does not have that bucket: create it, or correct minio.bucketName";
}

/// Whoever signs for another region than the bucket's is told which one it is; true for news.
bool S3Client::LearnRegion(const std::string& region) const {
  const std::lock_guard lock(region_mutex_);
  if (!options_.region.empty() || region.empty() || region == region_) return false;
  region_ = region;
  return true;
}

std::string S3Client::Region() const {
  const std::lock_guard lock(region_mutex_);
  return region_;
}

S3Client::Attempted S3Client::Refused(const S3Request& request, HttpResponse response) const {
  pugi::xml_document document;
  document.load_buffer(response.body.data(), response.body.size());
  const pugi::xml_node error = document.child("Error");
  const std::string code = error.child_value("Code");
  const int http = response.status;
  const std::string said = "HTTP " + std::to_string(http) + (code.empty() ? "" : " " + code);
  Attempted result;
  result.answer.code = code;
  result.answer.response = std::move(response);
  Status& status = result.answer.status;
  std::string region = result.answer.response.Header("x-amz-bucket-region");
  if (region.empty()) region = error.child_value("Region");
  if (LearnRegion(region)) {
    result.again = true;
    status = Status::Unavailable(StatusSubject::kObject, said);
  } else if (IsExpired(code)) {
    credentials_->Expire();
    result.again = options_.use_iam;
    status = Refusal(StatusKind::kFailedPrecondition, "says that the credentials have expired");
  } else if (IsFull(http, code)) {
    status = {StatusKind::kExhausted, StatusSubject::kDisk,
              name_ + " is full (" + said + "): give it more space"};
  } else if (IsTransient(http, code)) {
    result.again = true;
    status = Status::Unavailable(StatusSubject::kObject, said);
  } else if (code == "NoSuchBucket") {
    status = Refusal(StatusKind::kFailedPrecondition, MissingBucket());
  } else if (http == 404 && !request.key.empty()) {
    status = Status::NotFound(StatusSubject::kObject,
                              "object '" + request.key + "' does not exist in " + name_);
  } else if (http == 412 || code == "ConditionalRequestConflict") {
    status = Status::AlreadyExists(StatusSubject::kObject,
                                   "object '" + request.key + "' is another one in " + name_);
  } else if (http == 416) {
    status = Status::InvalidArgument(StatusSubject::kObject,
                                     "object '" + request.key + "' ends before that range");
  } else if (code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch") {
    status = Refusal(StatusKind::kFailedPrecondition,
                     "refuses the credentials (" + code +
                         "): check minio.accessKeyID and minio.secretAccessKey");
  } else if (code == "RequestTimeTooSkewed") {
    status = Refusal(StatusKind::kFailedPrecondition,
                     "has another time than this machine: set the clocks");
  } else if (http == 403) {
    status = Refusal(StatusKind::kFailedPrecondition,
                     "does not allow " + request.method + " (" + said +
                         "): check the credentials, and that they may list, read, write and "
                         "delete there");
  } else if (http >= 300 && http < 400) {
    status = Refusal(StatusKind::kFailedPrecondition,
                     "is reached under another address or region (" + said +
                         "): correct minio.address and minio.region");
  } else {
    const std::string text = error.child_value("Message");
    status = Refusal(StatusKind::kIoError, "refused " + request.method + " with " + said +
                                               (text.empty() ? "" : ": ") + text);
  }
  return result;
}

Status S3Client::Probe(const Context& context) {
  const S3Request list{.method = "GET",
                       .key = "",
                       .query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", root_}}};
  const S3Answer answer = Call(context, list);
  if (answer.code != "NoSuchBucket" || !options_.create_bucket) return answer.status;
  return CreateBucket(context);
}

Status S3Client::CreateBucket(const Context& context) const {
  const std::string region = Region();
  const std::string place =
      region == kDefaultRegion
          ? ""
          : "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<LocationConstraint>" +
                region + "</LocationConstraint></CreateBucketConfiguration>";
  const S3Answer created = Call(
      context,
      {.method = "PUT", .key = "", .query = {}, .headers = {}, .body = place, .sign_body = true});
  if (created.status.ok() || created.code == "BucketAlreadyOwnedByYou") return {};
  if (created.status.Is(StatusKind::kFailedPrecondition) && created.response.status == 403) {
    return Refusal(StatusKind::kFailedPrecondition,
                   MissingBucket() + " (creating it was refused: " + created.code + ")");
  }
  return created.status;
}

}  // namespace kite::store
