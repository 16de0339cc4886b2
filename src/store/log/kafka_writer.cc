#include "store/log/kafka_writer.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include "base/crc32c.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookAgainMin{10};
constexpr milliseconds kPurgeTime{5'000};  ///< for the library to report what it gave up
constexpr milliseconds kCloseTime{5'000};  ///< for what is pending to be acknowledged
constexpr milliseconds kPause{100};        ///< before another try to settle

uint64_t NewWriterId() {
  std::random_device random;
  const uint64_t id = uint64_t{random()} << 32 | random();
  return id == 0 ? 1 : id;
}

/// Copies `pieces` into messages of at most `body_max` bytes of payload; at least one.
std::vector<KafkaValue> Gather(std::span<const std::string_view> pieces, size_t payload_bytes,
                               size_t body_max) {
  std::vector<KafkaValue> parts;
  size_t left = payload_bytes;
  size_t room = 0;
  do {
    room = std::min(left, body_max);
    left -= room;
    parts.push_back(KafkaValue::Make(room));
  } while (left > 0);
  size_t part = 0;
  size_t at = 0;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const size_t part_bytes = parts[part].size - kKafkaHeaderBytes;
      const size_t taken = std::min(piece.size(), part_bytes - at);
      std::memcpy(parts[part].body() + at, piece.data(), taken);
      parts[part].body_crc = Crc32c(parts[part].body_crc, piece.data(), taken);
      piece.remove_prefix(taken);
      at += taken;
      if (at < part_bytes) continue;
      ++part;
      at = 0;
    }
  }
  return parts;
}

}  // namespace

Result<std::shared_ptr<KafkaWriter>> KafkaWriter::Open(const Context& context,
                                                       std::shared_ptr<KafkaPartition> partition,
                                                       Epoch epoch) {
  std::shared_ptr<KafkaWriter> writer(new KafkaWriter(partition, epoch, NewWriterId()));
  KafkaHistory& history = partition->history();
  const auto overtaken = [&] {
    return writer->StatusOf(StatusKind::kConflict,
                            "was opened with epoch " + std::to_string(history.epoch()) +
                                "; epoch " + std::to_string(epoch) + " is older");
  };
  KITE_RETURN_IF_ERROR(partition->ScanToEnd(context));
  if (history.epoch() > epoch) return overtaken();
  KITE_ASSIGN_OR_RETURN(writer->producer_,
                        KafkaProducer::Make(partition->client(), partition->stream()));
  const KafkaHeader open{.type = KafkaMessageType::kOpen,
                         .stream = partition->stream(),
                         .writer = writer->id_,
                         .epoch = epoch,
                         .stream_bytes = history.stream_bytes()};
  KITE_ASSIGN_OR_RETURN(
      const LogOffset offset,
      writer->producer_->SendAlone(
          context, open, "opening stream " + std::to_string(partition->stream()) + " for writing"));
  // Nobody else's message in between spares reading our own.
  if (history.Judge(offset, open, kKafkaHeaderBytes) == KafkaHistory::Verdict::kTooEarly) {
    KITE_RETURN_IF_ERROR(partition->Scan(context, history.judged_until(), offset + 1, nullptr));
  }
  if (!history.AtTurn(writer->id_)) return overtaken();
  partition->NoteEnd(offset + 1);
  writer->expected_ = offset + 1;
  writer->last_sent_ = Context::Clock::now();
  writer->stream_bytes_ = open.stream_bytes + kKafkaHeaderBytes;
  writer->thread_ = std::thread([raw = writer.get()] { raw->Run(); });
  return writer;
}

Status KafkaWriter::StatusOf(StatusKind kind, const std::string& what) const {
  return {kind, StatusSubject::kLog, partition_->Name() + " " + what};
}

// ---- appending

Status KafkaWriter::Append(std::span<const std::string_view> pieces, LogWriter::Done done) {
  size_t payload_bytes = 0;
  for (const std::string_view piece : pieces) payload_bytes += piece.size();
  if (payload_bytes > kRecordBytesMax) {
    return StatusOf(StatusKind::kInvalidArgument,
                    "takes records of at most " + std::to_string(kRecordBytesMax) + " bytes, not " +
                        std::to_string(payload_bytes));
  }
  {
    const std::lock_guard lock(mutex_);
    KITE_RETURN_IF_ERROR(CheckAppend(payload_bytes));
  }
  const size_t body_max = partition_->client().message_bytes_max() - kKafkaHeaderBytes;
  std::vector<KafkaValue> parts = Gather(pieces, payload_bytes, body_max);
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckAppend(payload_bytes));
  return SendRecord(std::move(parts), payload_bytes, std::move(done));
}

Status KafkaWriter::CheckAppend(size_t payload_bytes) const {
  KITE_RETURN_IF_ERROR(refused_);
  const uint64_t bytes_max = partition_->client().options().queued_bytes_max;
  if (sent_.empty() || sent_bytes_ + payload_bytes <= bytes_max) return {};
  return StatusOf(StatusKind::kBackPressure,
                  "takes no more now: " + std::to_string(sent_bytes_) +
                      " bytes wait for Kafka to acknowledge them; try again");
}

/// A record of which the first part was queued is answered for by `done`, whatever happens.
Status KafkaWriter::SendRecord(std::vector<KafkaValue> parts, size_t payload_bytes,
                               LogWriter::Done done) {
  if (producer_ == nullptr) {
    KITE_ASSIGN_OR_RETURN(producer_,
                          KafkaProducer::Make(partition_->client(), partition_->stream()));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const KafkaHeader header{.stream = partition_->stream(),
                             .part = static_cast<uint32_t>(i),
                             .payload_bytes = static_cast<uint32_t>(payload_bytes),
                             .writer = id_,
                             .epoch = epoch_,
                             .sequence = next_sequence_,
                             .stream_bytes = stream_bytes_};
    const bool last = i + 1 == parts.size();
    Message message{
        .header = header, .bytes = parts[i].size, .sent = Context::Clock::now(), .last_part = last};
    if (last) message.done = std::move(done);
    const Status sent = producer_->Send(std::move(parts[i]), header);
    if (!sent.ok()) {
      refused_ = StatusOf(StatusKind::kUnavailable, "has stopped: " + sent.message());
      if (i == 0) return refused_;
      // Never sent, as the thread is told.
      message.last_part = true;
      message.done = last ? std::move(message.done) : std::move(done);
      message.reported = true;
      message.report = {.sequence = header.sequence, .error = RD_KAFKA_RESP_ERR__FAIL};
    }
    stream_bytes_ += message.bytes;
    sent_bytes_ += message.bytes;
    ++next_sequence_;
    sent_.push_back(std::move(message));
    if (!sent.ok()) break;
  }
  last_sent_ = Context::Clock::now();
  needed_.notify_one();
  return {};
}

Status KafkaWriter::CheckCounts(const Context& context) {
  {
    const std::lock_guard lock(mutex_);
    KITE_RETURN_IF_ERROR(refused_);
  }
  KITE_RETURN_IF_ERROR(partition_->ScanToEnd(context));
  if (partition_->history().AtTurn(id_)) return {};
  return StatusOf(StatusKind::kUnavailable, "has a newer writer: this one is fenced");
}

void KafkaWriter::Retire(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (refused_.ok()) refused_ = StatusOf(StatusKind::kUnavailable, why);
}

void KafkaWriter::Close() {
  Retire("is closed");
  const std::lock_guard close_lock(close_mutex_);
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    close_deadline_ = Context::Clock::now() + kCloseTime;
    if (producer_ != nullptr) producer_->Wake();
  }
  needed_.notify_one();
  thread_.join();
  producer_.reset();
}

// ---- the thread

void KafkaWriter::Run() {
  pthread_setname_np(pthread_self(), "kite-kafka");
  // An idle thread is not woken by what is sent: it learns its deadline within this time.
  const KafkaLogOptions& options = partition_->client().options();
  const milliseconds look_again =
      std::max(kLookAgainMin, std::min(options.delivery_timeout / 4, options.producer_kept));
  while (true) {
    const std::optional<Context::Clock::time_point> deadline = NextDeadline();
    if (!deadline) return;
    const auto left = *deadline - Context::Clock::now();
    if (left.count() <= 0) {
      StopAndSettle("Kafka did not acknowledge in time");
      return;
    }
    const auto poll = std::chrono::ceil<milliseconds>(std::min<Context::Clock::duration>(left, look_again));
    TakeReports(producer_->Poll(static_cast<int>(poll.count())));
    if (!AnswerReported()) return;
    RestWhenIdle();
  }
}

/// The threads of a producer wake up every second: one that was not used for long is closed, and
/// the next record or Close waited for.
void KafkaWriter::RestWhenIdle() {
  const auto used = [this] { return !sent_.empty() || closing_; };
  Lock lock(mutex_);
  const milliseconds kept = partition_->client().options().producer_kept;
  if (used() || Context::Clock::now() < last_sent_ + kept) return;
  std::unique_ptr<KafkaProducer> idle = std::move(producer_);
  lock.unlock();
  idle.reset();
  lock.lock();
  needed_.wait(lock, used);
}

/// When the first message is given up; max without one. nullopt: there is nothing left to do.
std::optional<Context::Clock::time_point> KafkaWriter::NextDeadline() const {
  const std::lock_guard lock(mutex_);
  if (sent_.empty()) {
    if (closing_) return std::nullopt;
    return Context::Clock::time_point::max();
  }
  const auto deadline = sent_.front().sent + partition_->client().options().delivery_timeout;
  return closing_ ? std::min(deadline, close_deadline_) : deadline;
}

void KafkaWriter::TakeReports(const std::vector<KafkaProducer::Report>& reports) {
  const std::lock_guard lock(mutex_);
  for (const KafkaProducer::Report& report : reports) {
    if (sent_.empty()) return;
    const uint64_t index = report.sequence - sent_.front().header.sequence;
    if (index >= sent_.size()) continue;
    sent_[index].reported = true;
    sent_[index].report = report;
  }
}

bool KafkaWriter::AnswerReported() {
  while (true) {
    Message front;
    {
      const std::lock_guard lock(mutex_);
      if (sent_.empty() || !sent_.front().reported) return true;
      const Message& message = sent_.front();
      front.header = message.header;
      front.bytes = message.bytes;
      front.report = message.report;
    }
    if (front.report.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const std::string fatal = producer_->FatalError();
      StopAndSettle(fatal.empty() ? rd_kafka_err2str(front.report.error) : fatal);
      return false;
    }
    if (!AnswerDelivered(front)) return false;
  }
}

/// The first message was delivered: it is acknowledged if it counts.
bool KafkaWriter::AnswerDelivered(const Message& message) {
  KafkaHistory::Verdict verdict = KafkaHistory::Verdict::kTooEarly;
  const Status judged = JudgeDelivered(message, &verdict);
  if (!judged.ok()) {
    StopAndSettle(judged.message());
    return false;
  }
  if (verdict == KafkaHistory::Verdict::kVoid) {
    Retire("has a newer writer: this one is fenced");
    StopAndSettle("it has a newer writer: this one is fenced");
    return false;
  }
  expected_ = message.report.offset + 1;
  if (message.header.part == 0) record_offset_ = message.report.offset;
  PopFront(record_offset_);
  return true;
}

/// Whatever others have appended before it is read first.
Status KafkaWriter::JudgeDelivered(const Message& message, KafkaHistory::Verdict* verdict) {
  const LogOffset offset = message.report.offset;
  if (offset < 0) return StatusOf(StatusKind::kUnavailable, "did not say where it appended");
  if (offset < expected_) {
    return StatusOf(StatusKind::kCorruption,
                    "has gone back: it appends at offset " + std::to_string(offset) + ", and " +
                        std::to_string(expected_ - 1) + " was acknowledged");
  }
  KafkaHistory& history = partition_->history();
  *verdict = history.Judge(offset, message.header, message.bytes);
  if (*verdict == KafkaHistory::Verdict::kTooEarly) {
    KITE_RETURN_IF_ERROR(partition_->Scan(Context(), history.judged_until(), offset, nullptr));
    *verdict = history.Judge(offset, message.header, message.bytes);
  }
  partition_->NoteEnd(offset + 1);
  return {};
}

/// Removes the first message; when it ends a record, answers for the record.
void KafkaWriter::PopFront(const Result<LogOffset>& outcome) {
  LogWriter::Done done;
  {
    const std::lock_guard lock(mutex_);
    Message& front = sent_.front();
    if (front.last_part) done = std::move(front.done);
    sent_bytes_ -= front.bytes;
    sent_.pop_front();
  }
  if (done) done(outcome);
}

// ---- stopping

void KafkaWriter::StopAndSettle(const std::string& why) {
  Retire("has stopped after a failure: " + why);
  producer_->Purge();
  AwaitReports();
  AnswerSettled(FindCounted(), why);
}

void KafkaWriter::AwaitReports() {
  constexpr int kSliceMs = 20;
  const auto deadline = Context::Clock::now() + kPurgeTime;
  while (Context::Clock::now() < deadline) {
    {
      const std::lock_guard lock(mutex_);
      if (std::ranges::all_of(sent_, &Message::reported)) return;
    }
    TakeReports(producer_->Poll(kSliceMs));
  }
}

/// Marks the messages that count. Nothing of ours counts later. An error: it is not known.
Status KafkaWriter::FindCounted() {
  {
    const std::lock_guard lock(mutex_);
    if (sent_.empty()) return {};
    const Message& front = sent_.front();
    const bool never_sent = front.reported && front.report.error != RD_KAFKA_RESP_ERR_NO_ERROR &&
                            !front.report.perhaps_persisted;
    if (never_sent) return {};  // what comes after it has a gap before it and is void
  }
  while (true) {
    const Context context = Context().WithTimeout(partition_->client().options().request_timeout);
    Status found = EndTurn(context);
    if (found.ok()) found = MarkCounted(context);
    if (found.ok() || --settle_tries_ <= 0 || IsClosing()) return found;
    std::this_thread::sleep_for(kPause);
  }
}

Status KafkaWriter::MarkCounted(const Context& context) {
  const auto mark = [this](const KafkaPartition::Judged& judged) {
    if (judged.header.writer != id_ || judged.verdict != KafkaHistory::Verdict::kCounts) return;
    const std::lock_guard lock(mutex_);
    const uint64_t index = judged.header.sequence - sent_.front().header.sequence;
    if (index >= sent_.size()) return;
    sent_[index].counted = true;
    sent_[index].report.offset = judged.offset;
  };
  return partition_->Scan(context, expected_, partition_->history().judged_until(), mark);
}

bool KafkaWriter::IsClosing() const {
  const std::lock_guard lock(mutex_);
  return closing_;
}

/// Appends a Fence for this writer, unless somebody else's turn has begun, and judges up to it.
Status KafkaWriter::EndTurn(const Context& context) {
  KafkaHistory& history = partition_->history();
  if (!history.AtTurn(id_)) return {};
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaProducer> producer,
                        KafkaProducer::Make(partition_->client(), partition_->stream()));
  const KafkaHeader fence{.type = KafkaMessageType::kFence,
                          .stream = partition_->stream(),
                          .writer = id_,
                          .epoch = epoch_,
                          .stream_bytes = history.stream_bytes()};
  KITE_ASSIGN_OR_RETURN(const LogOffset offset,
                        producer->SendAlone(context, fence,
                                            "finding out what stream " +
                                                std::to_string(partition_->stream()) + " holds"));
  return partition_->Scan(context, history.judged_until(), offset + 1, nullptr);
}

/// A record counts with its last part; all before it do then.
void KafkaWriter::AnswerSettled(const Status& found, const std::string& why) {
  const Status nothing =
      StatusOf(StatusKind::kUnavailable, "has stopped (" + why + "); this record was not written");
  const Status unknown =
      StatusOf(StatusKind::kIoError,
               "has stopped (" + why +
                   "), and whether this record was written is not known: " + found.message());
  while (true) {
    bool counted = false;
    {
      const std::lock_guard lock(mutex_);
      if (sent_.empty()) return;
      const Message& front = sent_.front();
      counted = front.counted;
      if (counted && front.header.part == 0) record_offset_ = front.report.offset;
    }
    if (counted) {
      PopFront(record_offset_);
    } else {
      PopFront(found.ok() ? nothing : unknown);
    }
  }
}

}  // namespace kite::store
