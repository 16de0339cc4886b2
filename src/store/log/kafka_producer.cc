#include "store/log/kafka_producer.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "base/crc32c.h"
#include "store/log/kafka_topic.h"

namespace kite::store {

KafkaValue KafkaValue::Make(size_t body_bytes) {
  KafkaValue value;
  value.size = kKafkaHeaderBytes + body_bytes;
  // By malloc: the library frees it.
  value.bytes.reset(static_cast<char*>(::malloc(value.size)));
  return value;
}

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::Make(KafkaClient& client, StreamId stream) {
  std::unique_ptr<KafkaProducer> producer(new KafkaProducer(client, stream));
  KITE_ASSIGN_OR_RETURN(producer->handle_, client.NewProducer());
  producer->topic_ = KafkaClient::NewTopic(producer->handle_.get(), client.options().topic);
  producer->queue_.reset(rd_kafka_queue_get_main(producer->handle_.get()));
  return producer;
}

Status KafkaProducer::Send(KafkaValue value, const KafkaHeader& header) {
  EncodeKafkaHeader(header, value.body_crc, value.bytes.get());
  if (rd_kafka_produce(topic_.get(), int32_t(stream_), RD_KAFKA_MSG_F_FREE, value.bytes.get(),
                       value.size, nullptr, 0, reinterpret_cast<void*>(header.sequence)) != 0) {
    const std::string fatal = FatalError();
    return client_.Failure(rd_kafka_last_error(), "writing stream " + std::to_string(stream_),
                           fatal.empty() ? nullptr : fatal.c_str());
  }
  (void)value.bytes.release();
  return {};
}

std::vector<KafkaProducer::Report> KafkaProducer::Poll(int timeout_ms) {
  std::vector<Report> reports;
  for (KafkaEvent event(rd_kafka_queue_poll(queue_.get(), timeout_ms)); event != nullptr;
       event.reset(rd_kafka_queue_poll(queue_.get(), 0))) {
    if (rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_DR) continue;
    while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event.get())) {
      reports.push_back({.sequence = reinterpret_cast<uint64_t>(message->_private),
                         .error = message->err,
                         .perhaps_persisted =
                             rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
                         .offset = message->offset});
    }
  }
  return reports;
}

void KafkaProducer::Purge() {
  rd_kafka_purge(handle_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

std::string KafkaProducer::FatalError() const {
  std::array<char, 512> text{};
  const bool fatal =
      rd_kafka_fatal_error(handle_.get(), text.data(), text.size()) != RD_KAFKA_RESP_ERR_NO_ERROR;
  return fatal ? text.data() : "";
}

Result<LogOffset> KafkaProducer::SendAlone(const Context& context, const KafkaHeader& header,
                                           const std::string& action) {
  constexpr int kSliceMs = 100;
  const Context bounded = client_.Bounded(context);
  KITE_RETURN_IF_ERROR(Send(KafkaValue::Make(0), header));
  while (bounded.Check().ok()) {
    for (const Report& report : Poll(kSliceMs)) {
      if (report.error != RD_KAFKA_RESP_ERR_NO_ERROR) return client_.Failure(report.error, action);
      if (report.offset >= 0) return report.offset;
      return Status::Unavailable(StatusSubject::kLog,
                                 client_.Name() + " did not say where it appended while " + action);
    }
  }
  Purge();
  const Status ended = client_.WaitEnded(bounded, action);
  const std::string missing =
      ended.Is(StatusKind::kUnavailable) ? MissingKafkaReplicas(client_, stream_) : "";
  return missing.empty() ? ended : Status(ended.kind(), ended.subject(), ended.message() + missing);
}

}  // namespace kite::store
