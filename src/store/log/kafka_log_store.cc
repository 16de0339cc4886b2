#include "store/log/kafka_log_store.h"

#include <utility>
#include <vector>

#include "store/log/kafka_client.h"
#include "store/log/kafka_stream.h"
#include "store/log/kafka_topic.h"

namespace kite::store {
namespace {

class KafkaLogStore final : public LogStore {
 public:
  KafkaLogStore(const std::shared_ptr<KafkaClient>& client, StreamId streams) {
    for (StreamId stream = 0; stream < streams; ++stream) {
      streams_.push_back(std::make_unique<KafkaStream>(client, stream, &cursors_));
    }
  }

  [[nodiscard]] StreamId streams() const override { return static_cast<StreamId>(streams_.size()); }

  Result<std::unique_ptr<LogWriter>> OpenWriter(const Context& context, StreamId stream,
                                                Epoch epoch) override {
    KITE_RETURN_IF_ERROR(CheckStream(stream));
    return streams_[stream]->OpenWriter(context, epoch);
  }

  Result<std::vector<LogRecord>> Read(const Context& context, StreamId stream, LogOffset from,
                                      size_t bytes_max, LogOffset* next) override {
    KITE_RETURN_IF_ERROR(CheckStream(stream));
    return streams_[stream]->Read(context, from, bytes_max, next);
  }

  Status WaitBeyond(const Context& context, StreamId stream, LogOffset offset) override {
    KITE_RETURN_IF_ERROR(CheckStream(stream));
    return streams_[stream]->WaitBeyond(context, offset);
  }

  Status Truncate(const Context& context, StreamId stream, LogOffset offset) override {
    KITE_RETURN_IF_ERROR(CheckStream(stream));
    return streams_[stream]->Truncate(context, offset);
  }

  Result<StreamInfo> Info(const Context& context, StreamId stream) override {
    KITE_RETURN_IF_ERROR(CheckStream(stream));
    return streams_[stream]->Info(context);
  }

 private:
  [[nodiscard]] Status CheckStream(StreamId stream) const {
    if (stream < streams_.size()) return {};
    return Status::InvalidArgument(StatusSubject::kLog,
                                   "the log has " + std::to_string(streams_.size()) +
                                       " streams, there is no stream " + std::to_string(stream));
  }

  KafkaCursors cursors_;
  std::vector<std::unique_ptr<KafkaStream>> streams_;  ///< last: they put into cursors_
};

}  // namespace

Result<std::unique_ptr<LogStore>> OpenKafkaLogStore(const Context& context,
                                                    const KafkaLogOptions& options) {
  KITE_ASSIGN_OR_RETURN(const std::shared_ptr<KafkaClient> client, KafkaClient::Make(options));
  KITE_ASSIGN_OR_RETURN(const StreamId streams, EnsureKafkaTopic(context, *client));
  return std::make_unique<KafkaLogStore>(client, streams);
}

}  // namespace kite::store
