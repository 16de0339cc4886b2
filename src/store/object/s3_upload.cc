#include "store/object/s3_upload.h"

#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <pugixml.hpp>
#include <random>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "store/object/s3_checksum.h"

namespace kite::store {
namespace {

constexpr int kPartsInFlightMax = 3;
constexpr size_t kPartsMax = 10'000;  // S3's limit
constexpr auto kAbortTimeout = std::chrono::seconds(5);
constexpr std::string_view kUploadHeader = "x-amz-meta-kite-upload";

/// Tells this upload's object from any other one of the same key.
std::string NewUploadName() {
  std::random_device random;
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%08x%08x%08x%08x", random(), random(), random(),
                random());
  return text.data();
}

/// After an answer that leaves the outcome open: whether the object that is there is this upload's.
bool IsThere(const S3Client& client, const Context& context, const std::string& key,
             const std::string& upload_name) {
  const S3Answer head = client.Call(context, {.method = "HEAD", .key = key});
  return head.status.ok() && head.response.Header(kUploadHeader) == upload_name;
}

/// A multipart upload; when the last one lets go of it and it did not complete, it is aborted.
class Upload {
 public:
  Upload(std::shared_ptr<S3Client> client, Context context, std::string key)
      : client_(std::move(client)), context_(std::move(context)), key_(std::move(key)) {}

  ~Upload() {
    if (id_.empty() || completed_) return;
    // What stays behind costs the store space until its own rule removes it.
    const S3Answer ignored =
        client_->Call(Context().WithTimeout(kAbortTimeout),
                      {.method = "DELETE", .key = key_, .query = {{"uploadId", id_}}});
    (void)ignored;
  }
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  [[nodiscard]] bool begun() const { return !id_.empty(); }

  Status Begin() {
    const S3Answer answer = client_->Call(
        context_, {.method = "POST",
                   .key = key_,
                   .query = {{"uploads", ""}},
                   .headers = {{"x-amz-checksum-algorithm", "CRC32C"},
                               {std::string(kUploadHeader), name_},
                               {std::string(kPartBytesHeader), std::to_string(kPartBytes)}}});
    KITE_RETURN_IF_ERROR(answer.status);
    pugi::xml_document document;
    document.load_buffer(answer.response.body.data(), answer.response.body.size());
    id_ = document.child("InitiateMultipartUploadResult").child_value("UploadId");
    if (!id_.empty()) return {};
    return Status::IoError(StatusSubject::kObject,
                           client_->name() + " began an upload without giving its id");
  }

  /// Waits for a free place and takes it; gives the part's number.
  Result<size_t> Reserve() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ < kPartsInFlightMax; });
    KITE_RETURN_IF_ERROR(failure_);
    if (parts_.size() == kPartsMax) {
      return Status::Exhausted(StatusSubject::kObject,
                               "object '" + key_ + "' is larger than 10000 parts of 8 MiB");
    }
    ++in_flight_;
    parts_.emplace_back();
    return parts_.size();
  }

  void Send(size_t number, const std::string& bytes) {
    const std::string checksum = ChecksumText(Crc32c(0, bytes.data(), bytes.size()));
    const S3Answer answer = client_->Call(
        context_, {.method = "PUT",
                   .key = key_,
                   .query = {{"partNumber", std::to_string(number)}, {"uploadId", id_}},
                   .headers = {{"x-amz-checksum-crc32c", checksum}},
                   .body = bytes});
    const std::lock_guard lock(mutex_);
    if (failure_.ok()) failure_ = answer.status;
    parts_[number - 1] = {answer.response.Header("etag"), checksum};
    --in_flight_;
    changed_.notify_all();
  }

  Status Complete() {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return in_flight_ == 0; });
      KITE_RETURN_IF_ERROR(failure_);
    }
    std::string body = "<CompleteMultipartUpload>";
    for (size_t i = 0; i < parts_.size(); ++i) {
      body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + parts_[i].tag +
              "</ETag><ChecksumCRC32C>" + parts_[i].checksum + "</ChecksumCRC32C></Part>";
    }
    body += "</CompleteMultipartUpload>";
    const S3Answer answer = client_->Call(context_, {.method = "POST",
                                                     .key = key_,
                                                     .query = {{"uploadId", id_}},
                                                     .body = body,
                                                     .sign_body = true});
    // The store may also find its failure after it began to answer 200.
    pugi::xml_document document;
    document.load_buffer(answer.response.body.data(), answer.response.body.size());
    completed_ = answer.status.ok() && document.child("CompleteMultipartUploadResult");
    if (!completed_) completed_ = IsThere(*client_, context_, key_, name_);
    if (completed_) return {};
    KITE_RETURN_IF_ERROR(answer.status);
    return Status::Unavailable(StatusSubject::kObject,
                               client_->name() + " could not complete the upload of object '" +
                                   key_ + "' (" + document.child("Error").child_value("Code") +
                                   "): try again");
  }

 private:
  struct Part {
    std::string tag;
    std::string checksum;
  };

  const std::shared_ptr<S3Client> client_;
  const Context context_;
  const std::string key_;
  const std::string name_ = NewUploadName();
  std::string id_;
  bool completed_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  int in_flight_ = 0;
  Status failure_;
  std::vector<Part> parts_;
};

class S3ObjectWriter final : public ObjectWriter {
 public:
  S3ObjectWriter(std::shared_ptr<S3Client> client, std::shared_ptr<ThreadPool> pool,
                 Context context, std::string key)
      : client_(std::move(client)),
        pool_(std::move(pool)),
        context_(std::move(context)),
        key_(std::move(key)),
        upload_(std::make_shared<Upload>(client_, context_, key_)) {}

  Status Append(std::string_view bytes) override {
    KITE_RETURN_IF_ERROR(failure_);
    while (!bytes.empty()) {
      const std::string_view now = bytes.substr(0, kPartBytes - buffer_.size());
      if (buffer_.empty() && bytes.size() >= kPartBytes) buffer_.reserve(kPartBytes);
      buffer_ += now;
      bytes.remove_prefix(now.size());
      if (buffer_.size() < kPartBytes) continue;
      failure_ = SendPart();
      KITE_RETURN_IF_ERROR(failure_);
    }
    return {};
  }

  Status Finish() override {
    KITE_RETURN_IF_ERROR(failure_);
    failure_ = Status::FailedPrecondition(StatusSubject::kObject,
                                          "object '" + key_ + "' is already finished");
    if (!upload_->begun()) return PutWhole(*client_, context_, key_, buffer_, /*only_new=*/false);
    if (!buffer_.empty()) KITE_RETURN_IF_ERROR(SendPart());
    return upload_->Complete();
  }

 private:
  Status SendPart() {
    if (!upload_->begun()) KITE_RETURN_IF_ERROR(upload_->Begin());
    KITE_ASSIGN_OR_RETURN(const size_t number, upload_->Reserve());
    auto bytes = std::make_shared<const std::string>(std::move(buffer_));
    buffer_.clear();
    const auto send = [upload = upload_, number, bytes] { upload->Send(number, *bytes); };
    if (!pool_->Submit(send).ok()) send();
    return {};
  }

  const std::shared_ptr<S3Client> client_;
  const std::shared_ptr<ThreadPool> pool_;
  const Context context_;
  const std::string key_;
  const std::shared_ptr<Upload> upload_;
  std::string buffer_;
  Status failure_;
};

}  // namespace

Status PutWhole(const S3Client& client, const Context& context, const std::string& key,
                std::string_view bytes, bool only_new) {
  const std::string name = NewUploadName();
  S3Request request{
      .method = "PUT",
      .key = key,
      .headers = {{"x-amz-checksum-crc32c", ChecksumText(Crc32c(0, bytes.data(), bytes.size()))},
                  {std::string(kUploadHeader), name}},
      .body = bytes};
  if (only_new) request.headers["if-none-match"] = "*";
  const S3Answer answer = client.Call(context, request);
  // What is there may be what an attempt before the last put, whose answer was lost.
  if (answer.status.Is(StatusKind::kAlreadyExists) && answer.attempts > 1 &&
      IsThere(client, context, key, name))
    return {};
  return answer.status;
}

std::unique_ptr<ObjectWriter> OpenS3Writer(std::shared_ptr<S3Client> client,
                                           std::shared_ptr<ThreadPool> pool, Context context,
                                           std::string key) {
  return std::make_unique<S3ObjectWriter>(std::move(client), std::move(pool), std::move(context),
                                          std::move(key));
}

}  // namespace kite::store
