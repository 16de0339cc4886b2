#include "store/log/kafka_history.h"

#include <gtest/gtest.h>

#include "store/log/log_format.h"

namespace kite::store {
namespace {

using Verdict = KafkaHistory::Verdict;
constexpr size_t kBytes = 100;

/// Judges messages at rising offsets.
class KafkaHistoryTest : public testing::Test {
 protected:
  KafkaHistoryTest() { history_.BeginAt(0, false); }

  Verdict Open(Epoch epoch, uint64_t writer) {
    return Judge({.type = KafkaMessageType::kOpen, .writer = writer, .epoch = epoch});
  }
  Verdict Data(Epoch epoch, uint64_t writer, uint64_t sequence) {
    return Judge({.writer = writer, .epoch = epoch, .sequence = sequence});
  }
  Verdict Fence(Epoch epoch, uint64_t writer) {
    return Judge({.type = KafkaMessageType::kFence, .writer = writer, .epoch = epoch});
  }
  /// What is said of each message when it is looked at again.
  std::vector<Verdict> Again(LogOffset from = 0) {
    std::vector<Verdict> verdicts;
    for (size_t i = static_cast<size_t>(from); i < seen_.size(); ++i) {
      verdicts.push_back(history_.Judge(static_cast<LogOffset>(i), seen_[i], kBytes));
    }
    return verdicts;
  }

  KafkaHistory history_;
  std::vector<KafkaHeader> seen_;
  std::vector<Verdict> first_;

 private:
  Verdict Judge(const KafkaHeader& header) {
    seen_.push_back(header);
    first_.push_back(history_.Judge(static_cast<LogOffset>(seen_.size()) - 1, header, kBytes));
    return first_.back();
  }
};

TEST_F(KafkaHistoryTest, AWriterCountsFromItsOpenToTheNext) {
  EXPECT_EQ(history_.epoch(), kNoEpoch);
  EXPECT_EQ(Data(1, 11, 1), Verdict::kVoid);
  EXPECT_EQ(Open(1, 11), Verdict::kCounts);
  EXPECT_EQ(Data(1, 11, 1), Verdict::kCounts);
  EXPECT_EQ(Open(2, 22), Verdict::kCounts);
  EXPECT_EQ(Data(1, 11, 2), Verdict::kVoid);
  EXPECT_EQ(Data(2, 22, 1), Verdict::kCounts);
  EXPECT_EQ(Open(1, 33), Verdict::kVoid);  // an older epoch
  EXPECT_EQ(Data(1, 33, 1), Verdict::kVoid);
  EXPECT_EQ(Data(2, 22, 2), Verdict::kCounts);
  EXPECT_EQ(Open(2, 44), Verdict::kCounts);  // the same epoch, another writer
  EXPECT_EQ(Data(2, 22, 3), Verdict::kVoid);
  EXPECT_EQ(Data(2, 44, 1), Verdict::kCounts);
  EXPECT_EQ(Again(), first_);
  EXPECT_EQ(history_.epoch(), 2);
  EXPECT_TRUE(history_.AtTurn(44));
  EXPECT_FALSE(history_.AtTurn(22));
}

TEST_F(KafkaHistoryTest, ARepetitionIsVoid) {
  Open(1, 11);
  EXPECT_EQ(Data(1, 11, 1), Verdict::kCounts);
  EXPECT_EQ(Data(1, 11, 2), Verdict::kCounts);
  EXPECT_EQ(Data(1, 11, 1), Verdict::kVoid);
  EXPECT_EQ(Open(1, 11), Verdict::kVoid);
  EXPECT_EQ(Data(1, 11, 3), Verdict::kCounts);
  EXPECT_EQ(Again(), first_);
}

TEST_F(KafkaHistoryTest, NothingCountsBehindAGap) {
  Open(1, 11);
  EXPECT_EQ(Data(1, 11, 1), Verdict::kCounts);
  EXPECT_EQ(Data(1, 11, 3), Verdict::kVoid);
  EXPECT_EQ(Data(1, 11, 2), Verdict::kVoid);
  EXPECT_EQ(Data(1, 11, 4), Verdict::kVoid);
  EXPECT_EQ(history_.epoch(), 1);
  EXPECT_EQ(Open(1, 22), Verdict::kCounts);
  EXPECT_EQ(Data(1, 22, 1), Verdict::kCounts);
  EXPECT_EQ(Again(), first_);
}

TEST_F(KafkaHistoryTest, AFenceEndsTheTurnOfItsWriterOnly) {
  Open(1, 11);
  EXPECT_EQ(Fence(1, 22), Verdict::kVoid);
  EXPECT_EQ(Data(1, 11, 1), Verdict::kCounts);
  EXPECT_EQ(Fence(1, 11), Verdict::kVoid);
  EXPECT_EQ(Data(1, 11, 2), Verdict::kVoid);
  EXPECT_FALSE(history_.AtTurn(11));
  EXPECT_EQ(history_.epoch(), 1);
  EXPECT_EQ(Open(0, 33), Verdict::kVoid);
  EXPECT_EQ(Open(2, 22), Verdict::kCounts);
  EXPECT_EQ(Fence(1, 11), Verdict::kVoid);
  EXPECT_EQ(Data(2, 22, 1), Verdict::kCounts);
  EXPECT_EQ(Again(), first_);
}

TEST_F(KafkaHistoryTest, MessagesAreJudgedInOrder) {
  const KafkaHeader open{.type = KafkaMessageType::kOpen, .writer = 1};
  EXPECT_EQ(history_.Judge(1, open, kBytes), Verdict::kTooEarly);
  EXPECT_EQ(history_.judged_until(), 0);
  EXPECT_EQ(Open(1, 11), Verdict::kCounts);
  EXPECT_EQ(history_.judged_until(), 1);
}

TEST_F(KafkaHistoryTest, ATruncatedStreamBeginsWithWhatCounts) {
  history_.BeginAt(5, true);
  const auto data = [](uint64_t writer, uint64_t sequence) {
    return KafkaHeader{
        .writer = writer, .epoch = 3, .sequence = sequence, .stream_bytes = 1000 * sequence};
  };
  EXPECT_EQ(history_.Judge(5, data(11, 40), kBytes), Verdict::kCounts);
  EXPECT_EQ(history_.Judge(6, data(22, 1), kBytes), Verdict::kVoid);
  EXPECT_EQ(history_.Judge(7, data(11, 41), kBytes), Verdict::kCounts);
  EXPECT_EQ(history_.Judge(5, data(11, 40), kBytes), Verdict::kCounts);
  EXPECT_EQ(history_.epoch(), 3);
  EXPECT_EQ(history_.kept_bytes(), 1000 + kBytes);
  history_.TruncatedTo(data(11, 41));
  EXPECT_EQ(history_.kept_bytes(), kBytes);
  // A beginning that has passed what was judged.
  history_.BeginAt(100, true);
  EXPECT_EQ(history_.Judge(100, data(33, 7), kBytes), Verdict::kCounts);
  EXPECT_EQ(history_.Judge(101, data(33, 8), kBytes), Verdict::kCounts);
  // One that has not changes nothing.
  history_.BeginAt(101, true);
  EXPECT_EQ(history_.judged_until(), 102);
}

}  // namespace
}  // namespace kite::store
