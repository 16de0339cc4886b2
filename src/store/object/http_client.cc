#include "store/object/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <mutex>
#include <optional>
#include <stop_token>

namespace kite::store {
namespace {

constexpr size_t kIdleSessionsMax = 16;
constexpr long kUploadBufferBytes = 1 << 20;
constexpr long kDownloadBufferBytes = 512 << 10;
constexpr int kPollMilliseconds = 1000;  // a cancel wakes a poll; this only bounds the unexpected

/// One connection at a time, kept alive between requests.
struct Session {
  Session() : easy(curl_easy_init()), multi(curl_multi_init()) {}
  ~Session() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  CURL* const easy;
  CURLM* const multi;
};

/// What the callbacks of a running request write to, and when its last byte moved.
struct Answer {
  HttpResponse response;
  uint64_t bytes_max = 0;
  bool too_large = false;
  curl_off_t moved = 0;
  Context::Clock::time_point moved_at = Context::Clock::now();
};

size_t TakeBody(char* data, size_t size, size_t count, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  const size_t bytes = size * count;
  if (answer.response.body.size() + bytes > answer.bytes_max) {
    answer.too_large = true;
    return 0;
  }
  answer.response.body.append(data, bytes);
  return bytes;
}

std::string Trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

size_t TakeHeader(char* data, size_t size, size_t count, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) answer.response.headers.clear();  // of an interim answer
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string value = Trimmed(line.substr(colon + 1));
  if (name == "content-length") {
    const uint64_t announced = std::strtoull(value.c_str(), nullptr, 10);
    answer.response.body.reserve(std::min(announced, answer.bytes_max));
  }
  answer.response.headers[std::move(name)] = std::move(value);
  return line.size();
}

int NoteProgress(void* user, curl_off_t, curl_off_t downloaded, curl_off_t, curl_off_t uploaded) {
  Answer& answer = *static_cast<Answer*>(user);
  if (downloaded + uploaded == answer.moved) return 0;
  answer.moved = downloaded + uploaded;
  answer.moved_at = Context::Clock::now();
  return 0;
}

struct HeaderList {
  ~HeaderList() { curl_slist_free_all(list); }
  void Add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
  curl_slist* list = nullptr;
};

void SetMethod(CURL* easy, const HttpRequest& request) {
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data() ? request.body.data() : "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

void AddHeaders(HeaderList& headers, const HttpRequest& request) {
  headers.Add("Expect:");
  headers.Add("User-Agent: kite");
  for (const auto& [name, value] : request.headers) headers.Add(name + ": " + value);
}

void SetUp(CURL* easy, const HttpOptions& options, const HttpRequest& request,
           const HeaderList& headers, Answer* answer) {
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kDownloadBufferBytes);
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.list);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, NoteProgress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, answer);
  SetMethod(easy, request);
}

/// Until when to wait for the next byte or the end of the Context.
int PollTime(const Context& context, Context::Clock::time_point stalled_at) {
  Context::Clock::time_point until = stalled_at;
  if (context.has_deadline()) until = std::min(until, context.deadline());
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Context::Clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, kPollMilliseconds));
}

/// Runs the handle of `session` to its end.
Result<CURLcode> Run(const Context& context, Session& session, const Answer& answer,
                     std::chrono::milliseconds stall_timeout) {
  const std::stop_callback wake(context.stop_token(),
                                [&session] { curl_multi_wakeup(session.multi); });
  for (int running = 1; true;) {
    KITE_RETURN_IF_ERROR(context.Check());
    curl_multi_perform(session.multi, &running);
    int left = 0;
    if (running == 0) {
      const CURLMsg* message = curl_multi_info_read(session.multi, &left);
      return message != nullptr ? message->data.result : CURLE_FAILED_INIT;
    }
    const auto stalled_at = answer.moved_at + stall_timeout;
    if (Context::Clock::now() >= stalled_at) return CURLE_OPERATION_TIMEDOUT;
    curl_multi_poll(session.multi, nullptr, 0, PollTime(context, stalled_at), nullptr);
  }
}

Status Failure(CURLcode code, const char* details, const Answer& answer,
               const HttpOptions& options) {
  if (answer.too_large) {
    return Status::Exhausted(
        StatusSubject::kObject,
        "the answer is larger than the " + std::to_string(answer.bytes_max) + " bytes expected");
  }
  std::string message = details[0] != '\0' ? details : curl_easy_strerror(code);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return Status::FailedPrecondition(StatusSubject::kObject,
                                        "the server's certificate is not trusted (" + message +
                                            "); name the authority that signed it");
    case CURLE_OPERATION_TIMEDOUT:
      if (details[0] == '\0') {
        message = "no answer and no progress for " + std::to_string(options.stall_timeout.count()) +
                  " ms";
      }
      break;
    default:
      break;
  }
  return Status::Unavailable(StatusSubject::kObject, std::move(message));
}

void InitialiseOnce() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)initialised;
}

}  // namespace

const std::string& HttpResponse::Header(std::string_view name) const {
  static const std::string kNone;
  const auto found = headers.find(name);
  return found == headers.end() ? kNone : found->second;
}

class HttpClient::Impl {
 public:
  explicit Impl(HttpOptions options) : options_(std::move(options)) { InitialiseOnce(); }

  Result<HttpResponse> Do(const Context& context, const HttpRequest& request) {
    KITE_RETURN_IF_ERROR(context.Check());
    std::unique_ptr<Session> session = Take();
    if (session->easy == nullptr || session->multi == nullptr)
      return Status::Exhausted(StatusSubject::kMemory, "no memory for an HTTP connection");
    Answer answer;
    answer.bytes_max = request.answer_bytes_max;
    HeaderList headers;
    AddHeaders(headers, request);
    char details[CURL_ERROR_SIZE] = "";
    SetUp(session->easy, options_, request, headers, &answer);
    curl_easy_setopt(session->easy, CURLOPT_ERRORBUFFER, details);
    curl_multi_add_handle(session->multi, session->easy);
    const Result<CURLcode> ran = Run(context, *session, answer, options_.stall_timeout);
    if (ran.ok() && *ran == CURLE_OK) {
      long status = 0;
      curl_easy_getinfo(session->easy, CURLINFO_RESPONSE_CODE, &status);
      answer.response.status = static_cast<int>(status);
    }
    curl_multi_remove_handle(session->multi, session->easy);
    curl_easy_setopt(session->easy, CURLOPT_ERRORBUFFER, nullptr);
    KITE_RETURN_IF_ERROR(ran.status());
    if (*ran != CURLE_OK) return Failure(*ran, details, answer, options_);
    GiveBack(std::move(session));
    return std::move(answer.response);
  }

 private:
  std::unique_ptr<Session> Take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Session>();
    std::unique_ptr<Session> session = std::move(idle_.back());
    idle_.pop_back();
    return session;
  }

  /// Only after a success: who knows what a failed connection still holds.
  void GiveBack(std::unique_ptr<Session> session) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleSessionsMax) idle_.push_back(std::move(session));
  }

  const HttpOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_;
};

HttpClient::HttpClient(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::Do(const Context& context, const HttpRequest& request) {
  return impl_->Do(context, request);
}

}  // namespace kite::store
