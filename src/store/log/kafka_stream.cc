#include "store/log/kafka_stream.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace kite::store {
namespace {

class WriterHandle final : public LogWriter {
 public:
  WriterHandle(std::shared_ptr<KafkaWriter> writer, Epoch epoch)
      : writer_(std::move(writer)), epoch_(epoch) {}
  Status Append(std::span<const std::string_view> pieces, Done done) override {
    return writer_->Append(pieces, std::move(done));
  }
  Status CheckCounts(const Context& context) override { return writer_->CheckCounts(context); }
  [[nodiscard]] Epoch epoch() const override { return epoch_; }

 private:
  const std::shared_ptr<KafkaWriter> writer_;
  const Epoch epoch_;
};

}  // namespace

Status KafkaStream::About(StatusKind kind, const std::string& what) const {
  return {kind, StatusSubject::kLog, partition_->Name() + " " + what};
}

// ---- writing

Result<std::unique_ptr<LogWriter>> KafkaStream::OpenWriter(const Context& context, Epoch epoch) {
  if (epoch < 0) {
    return About(StatusKind::kInvalidArgument, "cannot be opened with a negative epoch");
  }
  const std::lock_guard open_lock(open_mutex_);
  KITE_ASSIGN_OR_RETURN(std::shared_ptr<KafkaWriter> opened,
                        KafkaWriter::Open(context, partition_, epoch));
  std::shared_ptr<KafkaWriter> before;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return About(StatusKind::kUnavailable, "is closed");
    before = std::exchange(writer_, opened);
  }
  if (before != nullptr) {
    before->Retire("has a newer writer: this one is fenced");
    before->Close();
  }
  return std::make_unique<WriterHandle>(std::move(opened), epoch);
}

void KafkaStream::Close() {
  std::shared_ptr<KafkaWriter> writer;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    writer = std::exchange(writer_, nullptr);
  }
  if (writer != nullptr) writer->Close();
}

// ---- reading

Result<std::unique_ptr<KafkaCursor>> KafkaStream::CursorAt(const Context& context, LogOffset from) {
  if (auto cursor = cursors_->Take(partition_->stream(), from)) return cursor;
  KITE_ASSIGN_OR_RETURN(auto consumer, partition_->ConsumerFor(context, from));
  return std::make_unique<KafkaCursor>(partition_, std::move(consumer), from);
}

Result<std::vector<LogRecord>> KafkaStream::Read(const Context& context, LogOffset from,
                                                 size_t bytes_max, LogOffset* next) {
  KITE_RETURN_IF_ERROR(context.Check());
  if (from >= partition_->known_end()) {
    KITE_RETURN_IF_ERROR(partition_->Watermarks(context).status());
  }
  const LogOffset end = partition_->known_end();
  if (from < 0 || from > end) {
    return About(StatusKind::kInvalidArgument, "ends at offset " + std::to_string(end) +
                                                   "; there is no offset " + std::to_string(from));
  }
  *next = from;
  if (from == end) return std::vector<LogRecord>();
  Result<std::vector<LogRecord>> records = ReadTo(context, from, end, bytes_max, next);
  if (!records.status().Is(StatusKind::kNotFound)) return records;
  // Truncated, perhaps by another process; what we know of its beginning was renewed by asking.
  KITE_ASSIGN_OR_RETURN(const KafkaClient::Watermarks marks, partition_->Watermarks(context));
  if (from < marks.begin) {
    return About(StatusKind::kNotFound, "begins at offset " + std::to_string(marks.begin) +
                                            "; offset " + std::to_string(from) +
                                            " was truncated away");
  }
  return ReadTo(context, from, end, bytes_max, next);
}

Result<std::vector<LogRecord>> KafkaStream::ReadTo(const Context& context, LogOffset from,
                                                   LogOffset end, size_t bytes_max,
                                                   LogOffset* next) {
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<KafkaCursor> cursor, CursorAt(context, from));
  std::vector<LogRecord> records;
  size_t bytes = 0;
  while (true) {
    while (cursor->has_record() && (records.empty() || bytes < bytes_max)) {
      records.push_back(cursor->TakeRecord());
      bytes += records.back().payload.size();
    }
    if ((!records.empty() && bytes >= bytes_max) || cursor->position() >= end) break;
    const Status stepped = cursor->Step(context);
    if (stepped.ok()) continue;
    if (records.empty()) return stepped;
    *next = cursor->resume();  // the next call meets the failure again
    return records;
  }
  *next = cursor->resume();
  cursors_->Put(std::move(cursor));
  return records;
}

Status KafkaStream::WaitBeyond(const Context& context, LogOffset offset) {
  KITE_RETURN_IF_ERROR(context.Check());
  LogOffset end = partition_->known_end();
  if (offset >= end) {
    KITE_ASSIGN_OR_RETURN(const KafkaClient::Watermarks marks, partition_->Watermarks(context));
    end = marks.end;
  }
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<KafkaCursor> cursor,
                        CursorAt(context, std::min(offset, end)));
  while (cursor->resume() <= offset) {
    if (cursor->has_record()) {
      // A record at or behind `offset` ends the wait; those before are not asked for.
      cursor->DropBefore(offset);
      if (cursor->has_record()) break;
    }
    KITE_RETURN_IF_ERROR(cursor->StepOrWait(context));
  }
  cursors_->Put(std::move(cursor));
  return {};
}

// ---- truncating

Status KafkaStream::Truncate(const Context& context, LogOffset offset) {
  using Verdict = KafkaHistory::Verdict;
  KITE_ASSIGN_OR_RETURN(const KafkaClient::Watermarks marks, partition_->Watermarks(context));
  // The stream has to begin with a message that counts: it tells who writes it.
  const LogOffset last = std::min(offset, marks.end - 1);
  constexpr std::array<LogOffset, 2> kLookedAt = {1, 64};
  for (const LogOffset looked_at : kLookedAt) {
    const LogOffset first = std::max(marks.begin, last - looked_at + 1);
    std::optional<LogOffset> begin;
    KafkaHeader header;
    KITE_RETURN_IF_ERROR(
        partition_->Scan(context, first, last + 1, [&](const KafkaPartition::Judged& judged) {
          if (judged.verdict != Verdict::kCounts) return;
          begin = judged.offset;
          header = judged.header;
        }));
    if (!begin) continue;
    if (*begin <= marks.begin) return {};
    KITE_RETURN_IF_ERROR(partition_->client().DeleteBefore(context, partition_->stream(), *begin));
    partition_->history().TruncatedTo(header);
    return {};
  }
  return {};
}

Result<StreamInfo> KafkaStream::Info(const Context& context) {
  KITE_RETURN_IF_ERROR(context.Check());
  KITE_ASSIGN_OR_RETURN(const KafkaClient::Watermarks marks, partition_->Watermarks(context));
  return StreamInfo{
      .begin = marks.begin, .end = marks.end, .bytes = partition_->history().kept_bytes()};
}

}  // namespace kite::store
