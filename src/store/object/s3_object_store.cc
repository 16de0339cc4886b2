#include "store/object/s3_object_store.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <future>
#include <pugixml.hpp>
#include <utility>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "store/object/object_cache.h"
#include "store/object/s3_checksum.h"
#include "store/object/s3_client.h"
#include "store/object/s3_upload.h"

namespace kite::store {
namespace {

constexpr size_t kThreads = 8;
constexpr size_t kQueueMax = 256;
constexpr uint64_t kPieceBytes = uint64_t{8} << 20;  // of a parallel read
constexpr size_t kPiecesAhead = 4;
constexpr uint64_t kSingleReadMax = 2 * kPieceBytes;
constexpr uint64_t kAnswerBytesMax = uint64_t{1} << 40;  // of a whole object: as large as it is
constexpr uint64_t kErrorBytesMax = 64 << 10;
constexpr size_t kDeleteBatch = 1000;

/// What a HEAD or GET says about the object.
struct Found {
  uint64_t size = 0;
  std::string tag;
  S3Checksum checksum;
};

Found FoundBy(const HttpResponse& response) {
  Found found;
  found.size = std::strtoull(response.Header("content-length").c_str(), nullptr, 10);
  found.tag = response.Header("etag");
  found.checksum = S3Checksum::Of(response);
  return found;
}

std::string RangeHeader(uint64_t offset, uint64_t size) {
  return "bytes=" + std::to_string(offset) + "-" + std::to_string(offset + size - 1);
}

Status EndsBefore(const std::string& key, uint64_t offset, uint64_t size) {
  return Status::InvalidArgument(StatusSubject::kObject,
                                 "object '" + key + "' ends before the " + std::to_string(size) +
                                     " bytes asked for from position " + std::to_string(offset));
}

class S3ObjectStore final : public ObjectStore {
 public:
  S3ObjectStore(std::shared_ptr<S3Client> client, std::unique_ptr<ObjectCache> cache)
      : client_(std::move(client)),
        cache_(std::move(cache)),
        pool_(std::make_shared<ThreadPool>("s3", kThreads, kQueueMax)) {}

  Status Put(const Context& context, const std::string& key, std::string_view bytes) override {
    if (bytes.size() <= kPartBytes) {
      KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
      return PutWhole(*client_, context, key, bytes, /*only_new=*/false);
    }
    KITE_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, OpenWriter(context, key));
    KITE_RETURN_IF_ERROR(writer->Append(bytes));
    return writer->Finish();
  }

  Status PutNew(const Context& context, const std::string& key, std::string_view bytes) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    return PutWhole(*client_, context, key, bytes, /*only_new=*/true);
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const Context& context,
                                                   const std::string& key) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    KITE_RETURN_IF_ERROR(context.Check());
    return OpenS3Writer(client_, pool_, context, key);
  }

  Result<std::string> Get(const Context& context, const std::string& key) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    S3Answer answer = client_->Call(context, {.method = "GET",
                                              .key = key,
                                              .headers = {{"x-amz-checksum-mode", "ENABLED"}},
                                              .answer_bytes_max = kAnswerBytesMax});
    KITE_RETURN_IF_ERROR(answer.status);
    S3Checksum checksum = S3Checksum::Of(answer.response);
    checksum.Add(answer.response.body);
    KITE_RETURN_IF_ERROR(checksum.Verify(key));
    return std::move(answer.response.body);
  }

  Result<std::string> GetRange(const Context& context, const std::string& key, uint64_t offset,
                               uint64_t size) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    if (size > 0 && size <= kSingleReadMax && offset <= UINT64_MAX - size) {
      return GetPiece(*client_, context, key, "", offset, size);
    }
    KITE_ASSIGN_OR_RETURN(const Found found, Find(context, key));
    if (offset > found.size || size > found.size - offset) return EndsBefore(key, offset, size);
    std::string bytes;
    bytes.reserve(size);
    KITE_RETURN_IF_ERROR(
        GetPieces(context, key, found.tag, offset, size, [&](std::string_view piece) {
          bytes += piece;
          return Status::Ok();
        }));
    return bytes;
  }

  Result<std::shared_ptr<const ObjectView>> Map(const Context& context,
                                                const std::string& key) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    KITE_ASSIGN_OR_RETURN(const Found found, Find(context, key));
    const ObjectCache::Version version{client_->FullKey(key), found.tag, found.size};
    return cache_->Map(context, version, [&](const ObjectCache::Append& append) {
      S3Checksum checksum = found.checksum;
      KITE_RETURN_IF_ERROR(
          GetPieces(context, key, found.tag, 0, found.size, [&](std::string_view piece) {
            checksum.Add(piece);
            return append(piece);
          }));
      return checksum.Verify(key);
    });
  }

  Result<ObjectInfo> Head(const Context& context, const std::string& key) override {
    KITE_RETURN_IF_ERROR(ValidateObjectKey(key));
    KITE_ASSIGN_OR_RETURN(const Found found, Find(context, key));
    return ObjectInfo{key, found.size};
  }

  Result<ObjectPage> List(const Context& context, const std::string& prefix,
                          const std::string& after, size_t limit) override;
  Status Delete(const Context& context, const std::vector<std::string>& keys) override;

 private:
  Result<Found> Find(const Context& context, const std::string& key) const {
    const S3Answer answer = client_->Call(
        context, {.method = "HEAD", .key = key, .headers = {{"x-amz-checksum-mode", "ENABLED"}}});
    if (answer.status.ok()) return FoundBy(answer.response);
    // An answer to HEAD has no body that says whether the object or the bucket is missing.
    if (!answer.status.Is(StatusKind::kNotFound) && answer.response.status != 403)
      return answer.status;
    const S3Answer why = client_->Call(context, {.method = "GET", .key = key});
    return why.status.ok() ? answer.status : why.status;
  }

  /// `tag` empty: of whatever version is there.
  static Result<std::string> GetPiece(const S3Client& client, const Context& context,
                                      const std::string& key, const std::string& tag,
                                      uint64_t offset, uint64_t size) {
    S3Request request{.method = "GET",
                      .key = key,
                      .headers = {{"range", RangeHeader(offset, size)}},
                      .answer_bytes_max = size + kErrorBytesMax};
    if (!tag.empty()) request.headers["if-match"] = tag;
    S3Answer answer = client.Call(context, request);
    if (answer.status.Is(StatusKind::kInvalidArgument)) return EndsBefore(key, offset, size);
    KITE_RETURN_IF_ERROR(answer.status);
    if (answer.response.body.size() != size) return EndsBefore(key, offset, size);
    return std::move(answer.response.body);
  }

  Status GetPieces(const Context& context, const std::string& key, const std::string& tag,
                   uint64_t offset, uint64_t size, const ObjectCache::Append& append) const;

  const std::shared_ptr<S3Client> client_;
  const std::unique_ptr<ObjectCache> cache_;
  const std::shared_ptr<ThreadPool> pool_;  ///< shared with writers, which may outlive the store
};

/// Several pieces at a time, handed on in order.
Status S3ObjectStore::GetPieces(const Context& context, const std::string& key,
                                const std::string& tag, uint64_t offset, uint64_t size,
                                const ObjectCache::Append& append) const {
  std::deque<std::future<Result<std::string>>> ahead;
  const uint64_t end = offset + size;
  uint64_t asked = offset;
  const auto ask = [&] {
    const uint64_t piece = std::min(kPieceBytes, end - asked);
    auto task = std::make_shared<std::packaged_task<Result<std::string>()>>(
        [client = client_, context, key, tag, at = asked, piece] {
          return GetPiece(*client, context, key, tag, at, piece);
        });
    ahead.push_back(task->get_future());
    asked += piece;
    // One piece is not worth a thread; and with a full queue this one helps.
    if (size <= kPieceBytes || !pool_->Submit([task] { (*task)(); }).ok()) (*task)();
  };
  Status failure;
  while (asked < end || !ahead.empty()) {
    while (failure.ok() && asked < end && ahead.size() < kPiecesAhead) ask();
    if (ahead.empty()) break;
    const Result<std::string> piece = ahead.front().get();
    ahead.pop_front();
    if (!failure.ok()) continue;
    failure = piece.ok() ? append(*piece) : piece.status();
  }
  return failure;
}

/// "%41" and "+", as the store encodes keys in listings.
std::string DecodeUrl(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

Result<ObjectPage> S3ObjectStore::List(const Context& context, const std::string& prefix,
                                       const std::string& after, size_t limit) {
  KITE_RETURN_IF_ERROR(ValidateObjectPageLimit(limit));
  KITE_RETURN_IF_ERROR(ValidateObjectPrefix(prefix));
  const std::string root = client_->FullKey("");
  S3Request request{.method = "GET",
                    .key = "",
                    .query = {{"list-type", "2"},
                              {"encoding-type", "url"},
                              {"max-keys", std::to_string(limit)},
                              {"prefix", root + prefix}}};
  if (!after.empty()) request.query["start-after"] = root + after;
  ObjectPage page;
  std::string last = after;
  while (true) {
    const S3Answer answer = client_->Call(context, request);
    KITE_RETURN_IF_ERROR(answer.status);
    pugi::xml_document document;
    const std::string& body = answer.response.body;
    const pugi::xml_parse_result parsed = document.load_buffer(body.data(), body.size());
    const pugi::xml_node result = document.child("ListBucketResult");
    const std::string truncated = result.child_value("IsTruncated");
    const std::string token = result.child_value("NextContinuationToken");
    if (!parsed || (truncated != "true" && truncated != "false") ||
        (truncated == "true" && token.empty())) {
      return Status::IoError(StatusSubject::kObject,
                             client_->name() + " answered with a listing that is cut off");
    }
    for (const pugi::xml_node item : result.children("Contents")) {
      std::string key = DecodeUrl(item.child_value("Key"));
      if (!key.starts_with(root)) continue;
      key.erase(0, root.size());
      if (!key.starts_with(prefix) || key <= last || !ValidateObjectKey(key).ok()) continue;
      last = key;
      page.objects.push_back({std::move(key), item.child("Size").text().as_ullong()});
    }
    if (truncated == "false") return page;
    // A page of nothing but others' keys says nothing about where the next one begins.
    if (!page.objects.empty()) {
      page.next_after = page.objects.back().key;
      return page;
    }
    request.query["continuation-token"] = token;
  }
}

Status S3ObjectStore::Delete(const Context& context, const std::vector<std::string>& keys) {
  for (size_t begin = 0; begin < keys.size(); begin += kDeleteBatch) {
    const size_t end = std::min(keys.size(), begin + kDeleteBatch);
    std::string body = "<Delete><Quiet>true</Quiet>";
    for (size_t i = begin; i < end; ++i) {
      KITE_RETURN_IF_ERROR(ValidateObjectKey(keys[i]));
      body += "<Object><Key>" + client_->FullKey(keys[i]) + "</Key></Object>";
    }
    body += "</Delete>";
    const S3Answer answer = client_->Call(context, {.method = "POST",
                                                    .key = "",
                                                    .query = {{"delete", ""}},
                                                    .headers = {{"content-md5", Md5Base64(body)}},
                                                    .body = body,
                                                    .sign_body = true});
    KITE_RETURN_IF_ERROR(answer.status);
    pugi::xml_document document;
    const std::string& said = answer.response.body;
    if (!document.load_buffer(said.data(), said.size()) || !document.child("DeleteResult")) {
      return Status::IoError(StatusSubject::kObject,
                             client_->name() + " answered to a deletion with no list of results");
    }
    for (const pugi::xml_node error : document.child("DeleteResult").children("Error")) {
      if (error.child_value("Code") == std::string_view("NoSuchKey")) continue;
      return Status::IoError(StatusSubject::kObject, client_->name() + " did not delete '" +
                                                         std::string(error.child_value("Key")) +
                                                         "': " + error.child_value("Code") + " " +
                                                         error.child_value("Message"));
    }
    for (size_t i = begin; i < end; ++i) cache_->Forget(client_->FullKey(keys[i]));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> OpenS3ObjectStore(const Context& context,
                                                       const S3Options& options) {
  std::unique_ptr<S3CredentialSource> credentials =
      options.use_iam ? S3CredentialSource::Iam(options.iam_endpoint, options.region,
                                                ProcessEnvironment(), Clock::System())
                      : S3CredentialSource::Static({options.access_key, options.secret_key, ""});
  KITE_ASSIGN_OR_RETURN(const std::shared_ptr<S3Client> client,
                        S3Client::Make(options, std::move(credentials)));
  KITE_RETURN_IF_ERROR(client->Probe(context));
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<ObjectCache> cache,
                        ObjectCache::Open(options.disk != nullptr ? options.disk : Disk::System(),
                                          options.cache_dir, options.cache_bytes_max));
  return std::make_unique<S3ObjectStore>(client, std::move(cache));
}

}  // namespace kite::store
