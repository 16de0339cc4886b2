#include "store/log/kafka_cursor.h"

#include <algorithm>
#include <utility>

namespace kite::store {

Status KafkaCursor::Take(Result<KafkaPartition::Judged> next) {
  KITE_RETURN_IF_ERROR(next.status());
  if (next->verdict != KafkaHistory::Verdict::kCounts) return {};
  if (next->header.type == KafkaMessageType::kData) return Join(*next);
  joining_ = false;  // the writer before has left a record in parts
  return {};
}

Status KafkaCursor::Join(const KafkaPartition::Judged& part) {
  const KafkaHeader& header = part.header;
  if (header.part == 0) {
    joining_ = part.offset >= from_;
    joined_ = {.offset = part.offset, .epoch = header.epoch, .payload = {}};
    joined_.payload.reserve(joining_ ? header.payload_bytes : 0);
  } else if (joining_ &&
             (header.writer != joined_header_.writer || header.part != joined_header_.part + 1 ||
              header.payload_bytes != joined_header_.payload_bytes)) {
    return Status::Corruption(StatusSubject::kLog, "the parts of the record at offset " +
                                                       std::to_string(joined_.offset) + " of " +
                                                       partition_->Name() + " do not fit");
  }
  if (!joining_) return {};  // began before `from_`
  joined_header_ = header;
  joined_.payload.append(part.body);
  if (joined_.payload.size() < header.payload_bytes) return {};
  joining_ = false;
  ready_.push_back(std::exchange(joined_, {}));
  return {};
}

LogRecord KafkaCursor::TakeRecord() {
  LogRecord record = std::move(ready_.front());
  ready_.pop_front();
  return record;
}

void KafkaCursor::DropBefore(LogOffset offset) {
  while (!ready_.empty() && ready_.front().offset < offset) ready_.pop_front();
  from_ = std::max(from_, offset);
}

LogOffset KafkaCursor::resume() const {
  LogOffset next = position();
  if (joining_) next = joined_.offset;
  if (!ready_.empty()) next = ready_.front().offset;
  return std::max(from_, next);
}

}  // namespace kite::store
