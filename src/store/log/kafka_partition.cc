#include "store/log/kafka_partition.h"

#include <array>
#include <utility>

namespace kite::store {

// ---- KafkaConsumer

Result<std::unique_ptr<KafkaConsumer>> KafkaConsumer::Start(KafkaClient& client, StreamId stream,
                                                            LogOffset offset) {
  std::unique_ptr<KafkaConsumer> consumer(new KafkaConsumer(client, stream, offset));
  KITE_ASSIGN_OR_RETURN(consumer->handle_, client.NewConsumer());
  consumer->topic_ = KafkaClient::NewTopic(consumer->handle_.get(), client.options().topic);
  consumer->queue_.reset(rd_kafka_queue_new(consumer->handle_.get()));
  const auto on_arrival = [](rd_kafka_t*, void* opaque) {
    auto* arrival = static_cast<Arrival*>(opaque);
    const std::lock_guard lock(arrival->mutex);
    arrival->arrived = true;
    arrival->changed.notify_all();
  };
  rd_kafka_queue_cb_event_enable(consumer->queue_.get(), on_arrival, &consumer->arrival_);
  if (rd_kafka_consume_start_queue(consumer->topic_.get(), int32_t(stream), offset,
                                   consumer->queue_.get()) != 0) {
    return client.Failure(rd_kafka_last_error(), "reading stream " + std::to_string(stream));
  }
  return consumer;
}

KafkaConsumer::~KafkaConsumer() {
  fetched_.clear();
  if (queue_ == nullptr) return;
  rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  rd_kafka_consume_stop(topic_.get(), int32_t(stream_));
  queue_.reset();
  topic_.reset();
}

Result<KafkaMessage> KafkaConsumer::Next(const Context& context) {
  while (fetched_.empty()) {
    {
      std::unique_lock lock(arrival_.mutex);
      arrival_.arrived = false;
    }
    if (Fetch()) break;
    std::unique_lock lock(arrival_.mutex);
    if (!arrival_.changed.wait_until(lock, context.stop_token(), context.deadline(),
                                     [this] { return arrival_.arrived; })) {
      return context.cancelled() ? Status::Cancelled() : Status::DeadlineExceeded();
    }
  }
  return Take();
}

/// Takes over what has come. False: nothing.
bool KafkaConsumer::Fetch() {
  std::array<rd_kafka_message_t*, 256> messages{};
  const ssize_t count =
      rd_kafka_consume_batch_queue(queue_.get(), 0, messages.data(), messages.size());
  for (ssize_t i = 0; i < count; ++i) {
    KafkaMessage message(messages[static_cast<size_t>(i)]);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || !Problem(*message).ok()) {
      fetched_.push_back(std::move(message));
    }
  }
  return !fetched_.empty();
}

Result<KafkaMessage> KafkaConsumer::Take() {
  KafkaMessage message = std::move(fetched_.front());
  fetched_.pop_front();
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return Problem(*message);
  if (message->offset != position_) {
    return Status::Corruption(StatusSubject::kLog,
                              "stream " + std::to_string(stream_) + " of the log in " +
                                  client_.Name() + " continues at offset " +
                                  std::to_string(message->offset) + " where " +
                                  std::to_string(position_) + " was expected: records are missing");
  }
  ++position_;
  return message;
}

/// Ok for what the library gets over by itself.
Status KafkaConsumer::Problem(const rd_kafka_message_t& message) {
  const std::string action = "reading stream " + std::to_string(stream_);
  const char* text = rd_kafka_message_errstr(&message);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return Status::NotFound(
          StatusSubject::kLog,
          client_.Name() + " has no offset " + std::to_string(position_) + " while " + action);
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
      return Status::Corruption(StatusSubject::kLog,
                                client_.Name() + " delivered bad bytes while " + action +
                                    " at offset " + std::to_string(position_) + ": " + text);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      return client_.Failure(message.err, action, text);
    default:
      return {};
  }
}

// ---- KafkaPartition

std::string KafkaPartition::Name() const {
  return "stream " + std::to_string(stream_) + " of the log in " + client_->Name() + " (topic '" +
         client_->options().topic + "')";
}

Result<KafkaClient::Watermarks> KafkaPartition::Watermarks(const Context& context) {
  KITE_ASSIGN_OR_RETURN(KafkaClient::Watermarks marks, client_->QueryWatermarks(context, stream_));
  history_.BeginAt(marks.begin, marks.begin > 0);
  NoteEnd(marks.end);
  marks.end = known_end();
  return marks;
}

void KafkaPartition::NoteEnd(LogOffset end) {
  LogOffset known = known_end_.load();
  while (known < end && !known_end_.compare_exchange_weak(known, end)) {
  }
}

Result<std::unique_ptr<KafkaConsumer>> KafkaPartition::ConsumerFor(const Context& context,
                                                                   LogOffset from) {
  if (!history_.known()) KITE_RETURN_IF_ERROR(Watermarks(context).status());
  return KafkaConsumer::Start(*client_, stream_, std::min(from, history_.judged_until()));
}

Result<KafkaPartition::Judged> KafkaPartition::Next(const Context& context,
                                                    KafkaConsumer& consumer) {
  Judged judged;
  KITE_ASSIGN_OR_RETURN(judged.message, consumer.Next(context));
  judged.offset = judged.message->offset;
  const std::string_view bytes(static_cast<const char*>(judged.message->payload),
                               judged.message->len);
  const std::optional<KafkaHeader> header = DecodeKafkaMessage(bytes);
  if (!header || header->stream != stream_) {
    return Status::Corruption(StatusSubject::kLog, "the message at offset " +
                                                       std::to_string(judged.offset) + " of " +
                                                       Name() + " is none of ours or damaged");
  }
  judged.header = *header;
  judged.bytes = bytes.size();
  judged.body = bytes.substr(kKafkaHeaderBytes);
  judged.verdict = history_.Judge(judged.offset, *header, bytes.size());
  NoteEnd(judged.offset + 1);
  if (judged.verdict == KafkaHistory::Verdict::kTooEarly) {
    return Status::Unavailable(StatusSubject::kLog,
                               Name() + " was truncated while it was read; try again");
  }
  return judged;
}

Result<KafkaPartition::Judged> KafkaPartition::NextSoon(const Context& context,
                                                        KafkaConsumer& consumer) {
  const Context bounded = client_->Bounded(context);
  Result<Judged> judged = Next(bounded, consumer);
  if (!judged.status().Is(StatusKind::kDeadlineExceeded)) return judged;
  return client_->WaitEnded(bounded, "reading stream " + std::to_string(stream_));
}

Status KafkaPartition::Scan(const Context& context, LogOffset from, LogOffset to,
                            const Visitor& visitor) {
  if (from >= to) return {};
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaConsumer> consumer, ConsumerFor(context, from));
  while (consumer->position() < to) {
    KITE_ASSIGN_OR_RETURN(const Judged judged, NextSoon(context, *consumer));
    if (visitor && judged.offset >= from) visitor(judged);
  }
  return {};
}

Status KafkaPartition::ScanToEnd(const Context& context) {
  KITE_ASSIGN_OR_RETURN(const KafkaClient::Watermarks marks, Watermarks(context));
  return Scan(context, history_.judged_until(), marks.end, nullptr);
}

}  // namespace kite::store
