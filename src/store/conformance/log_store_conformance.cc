#include "store/conformance/log_store_conformance.h"

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

namespace kite::store {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LogStoreConformance);

void LogStoreConformance::SetUp() {
  harness_ = GetParam().make();
  Reopen();
}

void LogStoreConformance::Reopen() {
  store_.reset();
  Result<std::unique_ptr<LogStore>> opened = harness_->Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  store_ = std::move(*opened);
}

std::unique_ptr<LogWriter> LogStoreConformance::Writer(StreamId stream, Epoch epoch) {
  Result<std::unique_ptr<LogWriter>> writer = store_->OpenWriter(context_, stream, epoch);
  EXPECT_TRUE(writer.ok()) << writer.status();
  return writer.ok() ? std::move(*writer) : nullptr;
}

Result<LogOffset> LogStoreConformance::Append(LogWriter& writer, std::string_view payload) {
  auto promise = std::make_shared<std::promise<Result<LogOffset>>>();
  std::future<Result<LogOffset>> outcome = promise->get_future();
  const Status queued = writer.Append(std::span(&payload, 1), [promise](Result<LogOffset> offset) {
    promise->set_value(std::move(offset));
  });
  if (!queued.ok()) return queued;
  return outcome.get();
}

std::vector<LogRecord> LogStoreConformance::ReadAll(StreamId stream, LogOffset from,
                                                    size_t page_bytes) {
  std::vector<LogRecord> all;
  while (true) {
    LogOffset next = from;
    Result<std::vector<LogRecord>> page = store_->Read(context_, stream, from, page_bytes, &next);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || next == from) return all;
    std::move(page->begin(), page->end(), std::back_inserter(all));
    from = next;
  }
}

TEST_P(LogStoreConformance, ANewStreamIsEmpty) {
  EXPECT_GE(store_->streams(), 2U);
  const Result<StreamInfo> info = store_->Info(context_, 0);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->begin, 0);
  EXPECT_EQ(info->end, 0);
  EXPECT_TRUE(ReadAll(0).empty());
}

TEST_P(LogStoreConformance, RecordsComeBackInOrder) {
  const auto writer = Writer(0, 1);
  std::vector<LogOffset> offsets;
  for (int i = 0; i < 100; ++i) {
    const Result<LogOffset> offset = Append(*writer, "record " + std::to_string(i));
    ASSERT_TRUE(offset.ok()) << offset.status();
    if (!offsets.empty()) {
      EXPECT_GT(*offset, offsets.back());
    }
    offsets.push_back(*offset);
  }
  const std::vector<LogRecord> records = ReadAll(0);
  ASSERT_EQ(records.size(), 100U);
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].offset, offsets[i]);
    EXPECT_EQ(records[i].epoch, 1);
    EXPECT_EQ(records[i].payload, "record " + std::to_string(i));
  }
  EXPECT_EQ(store_->Info(context_, 0)->end, offsets.back() + 1);
}

TEST_P(LogStoreConformance, ReadingStartsAnywhere) {
  const auto writer = Writer(0, 1);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Append(*writer, std::string(size_t(i) * 97, 'x')).ok());
  const std::vector<LogRecord> all = ReadAll(0);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::vector<LogRecord> rest = ReadAll(0, all[i].offset);
    ASSERT_EQ(rest.size(), all.size() - i);
    EXPECT_EQ(rest.front().offset, all[i].offset);
    EXPECT_EQ(rest.front().payload, all[i].payload);
  }
}

TEST_P(LogStoreConformance, PiecesAreJoined) {
  const auto writer = Writer(0, 1);
  const std::vector<std::string_view> pieces = {"one", "", " two", " three"};
  std::promise<void> done;
  ASSERT_TRUE(writer
                  ->Append(pieces,
                           [&](const Result<LogOffset>& offset) {
                             EXPECT_TRUE(offset.ok());
                             done.set_value();
                           })
                  .ok());
  done.get_future().wait();
  ASSERT_TRUE(Append(*writer, "").ok());
  const std::vector<LogRecord> records = ReadAll(0);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].payload, "one two three");
  EXPECT_EQ(records[1].payload, "");
  store_.reset();  // the callbacks have returned
}

TEST_P(LogStoreConformance, PagesHoldAboutWhatWasAskedFor) {
  const auto writer = Writer(0, 1);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Append(*writer, std::string(1000, 'x')).ok());
  LogOffset next = 0;
  Result<std::vector<LogRecord>> page = store_->Read(context_, 0, 0, 1, &next);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->size(), 1U);  // at least one
  page = store_->Read(context_, 0, next, 5000, &next);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_GE(page->size(), 1U);
  EXPECT_LE(page->size(), 6U);
  EXPECT_EQ(ReadAll(0, 0, 1).size(), 20U);
  EXPECT_EQ(ReadAll(0, 0, 3500).size(), 20U);
}

TEST_P(LogStoreConformance, DoneIsCalledInOffsetOrder) {
  const auto writer = Writer(0, 1);
  constexpr int kThreads = 4;
  constexpr int kAppends = 150;
  std::mutex mutex;
  std::vector<LogOffset> done;
  std::promise<void> all;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kAppends; ++i) {
        const std::string_view payload = "payload";
        const Status queued =
            writer->Append(std::span(&payload, 1), [&](const Result<LogOffset>& offset) {
              const std::lock_guard lock(mutex);
              ASSERT_TRUE(offset.ok()) << offset.status();
              done.push_back(*offset);
              if (done.size() == kThreads * kAppends) all.set_value();
            });
        ASSERT_TRUE(queued.ok()) << queued;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  all.get_future().wait();
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(ReadAll(0).size(), static_cast<size_t>(kThreads * kAppends));
  store_.reset();  // the callbacks have returned
}

TEST_P(LogStoreConformance, SurvivesARestart) {
  for (Epoch epoch = 1; epoch <= 3; ++epoch) {
    const auto writer = Writer(0, epoch);
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(Append(*writer, std::to_string(epoch) + "/" + std::to_string(i)).ok());
    }
    Reopen();
  }
  const std::vector<LogRecord> records = ReadAll(0);
  ASSERT_EQ(records.size(), 30U);
  EXPECT_EQ(records[0].payload, "1/0");
  EXPECT_EQ(records[29].payload, "3/9");
  EXPECT_EQ(records[29].epoch, 3);
}

TEST_P(LogStoreConformance, AFencedWriterDoesNotCount) {
  const auto old_writer = Writer(0, 1);
  ASSERT_TRUE(Append(*old_writer, "old").ok());
  EXPECT_TRUE(old_writer->CheckCounts(context_).ok());
  const auto new_writer = Writer(0, 2);
  EXPECT_EQ(new_writer->epoch(), 2);
  const Status fenced = old_writer->CheckCounts(context_);
  EXPECT_TRUE(fenced.Is(StatusKind::kUnavailable, StatusSubject::kLog)) << fenced;
  EXPECT_TRUE(new_writer->CheckCounts(context_).ok());
  const Result<LogOffset> late = Append(*old_writer, "late");
  EXPECT_FALSE(late.ok());
  ASSERT_TRUE(Append(*new_writer, "new").ok());
  const std::vector<LogRecord> records = ReadAll(0);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].payload, "old");
  EXPECT_EQ(records[1].payload, "new");
}

TEST_P(LogStoreConformance, AnOlderEpochIsAConflict) {
  ASSERT_NE(Writer(0, 5), nullptr);
  EXPECT_TRUE(
      store_->OpenWriter(context_, 0, 4).status().Is(StatusKind::kConflict, StatusSubject::kLog));
  Reopen();
  EXPECT_TRUE(
      store_->OpenWriter(context_, 0, 4).status().Is(StatusKind::kConflict, StatusSubject::kLog));
  EXPECT_NE(Writer(0, 6), nullptr);
  EXPECT_NE(Writer(1, 4), nullptr);  // another stream
}

TEST_P(LogStoreConformance, StreamsAreIndependent) {
  const auto first = Writer(0, 1);
  const auto second = Writer(1, 1);
  ASSERT_TRUE(Append(*first, "a").ok());
  ASSERT_TRUE(Append(*second, "b").ok());
  ASSERT_EQ(ReadAll(0).size(), 1U);
  ASSERT_EQ(ReadAll(1).size(), 1U);
  EXPECT_EQ(ReadAll(0)[0].payload, "a");
  EXPECT_EQ(ReadAll(1)[0].payload, "b");
}

TEST_P(LogStoreConformance, BadArgumentsAreNamed) {
  const StreamId none = store_->streams();
  LogOffset next = 0;
  EXPECT_TRUE(store_->OpenWriter(context_, none, 1).status().Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(store_->Read(context_, none, 0, 1, &next).status().Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(store_->Info(context_, none).status().Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(store_->Read(context_, 0, 1000, 1, &next).status().Is(StatusKind::kInvalidArgument));
  const auto writer = Writer(0, 1);
  const std::string megabyte(1 << 20, 'x');
  const std::vector<std::string_view> too_large(257, megabyte);
  EXPECT_TRUE(writer->Append(too_large, nullptr).Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(Append(*writer, "still works").ok());
}

TEST_P(LogStoreConformance, LargeRecords) {
  const auto writer = Writer(0, 1);
  std::vector<std::string> payloads;
  for (const size_t size : {size_t{65536 - 40}, size_t{65536}, size_t{100'001}, size_t{9} << 20}) {
    std::string payload(size, '\0');
    for (size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 31 + size);
    ASSERT_TRUE(Append(*writer, payload).ok());
    payloads.push_back(std::move(payload));
  }
  Reopen();
  const std::vector<LogRecord> records = ReadAll(0);
  ASSERT_EQ(records.size(), payloads.size());
  for (size_t i = 0; i < records.size(); ++i) EXPECT_TRUE(records[i].payload == payloads[i]) << i;
}

TEST_P(LogStoreConformance, WaitBeyondWaitsForDurability) {
  const auto writer = Writer(0, 1);
  const LogOffset end = store_->Info(context_, 0)->end;
  EXPECT_TRUE(store_->WaitBeyond(context_.WithTimeout(std::chrono::milliseconds(20)), 0, end)
                  .Is(StatusKind::kDeadlineExceeded));
  std::future<Status> waiting =
      std::async(std::launch::async, [&] { return store_->WaitBeyond(context_, 0, end); });
  ASSERT_TRUE(Append(*writer, "x").ok());
  EXPECT_TRUE(waiting.get().ok());
  EXPECT_TRUE(store_->WaitBeyond(context_, 0, end).ok());
}

TEST_P(LogStoreConformance, ACancelEndsTheWait) {
  const Context context = Context::Cancellable();
  std::future<Status> waiting =
      std::async(std::launch::async, [&] { return store_->WaitBeyond(context, 0, 1'000'000); });
  context.Cancel();
  EXPECT_TRUE(waiting.get().Is(StatusKind::kCancelled));
}

TEST_P(LogStoreConformance, TruncateGivesBackWholeFiles) {
  const auto writer = Writer(0, 1);
  LogOffset last = 0;
  for (int i = 0; i < 200; ++i) last = *Append(*writer, std::string(2000, 'x'));
  const uint64_t bytes_before = store_->Info(context_, 0)->bytes;
  ASSERT_TRUE(store_->Truncate(context_, 0, 1).ok());  // may keep all of it
  EXPECT_EQ(ReadAll(0, last).size(), 1U);
  ASSERT_TRUE(store_->Truncate(context_, 0, last + 1).ok());
  StreamInfo info = *store_->Info(context_, 0);
  EXPECT_GE(info.begin, last);  // the last record may be kept
  EXPECT_EQ(info.end, last + 1);
  EXPECT_LT(info.bytes, bytes_before / 10);
  LogOffset next = 0;
  EXPECT_TRUE(store_->Read(context_, 0, last - 1, 1, &next)
                  .status()
                  .Is(StatusKind::kNotFound, StatusSubject::kLog));
  EXPECT_TRUE(ReadAll(0, last + 1).empty());
  ASSERT_TRUE(store_->Truncate(context_, 0, last + 1).ok());
  const Result<LogOffset> after = Append(*writer, "after");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, last + 1);
  Reopen();
  info = *store_->Info(context_, 0);
  EXPECT_GE(info.begin, last);
  ASSERT_EQ(ReadAll(0, last + 1).size(), 1U);
  EXPECT_TRUE(store_->OpenWriter(context_, 0, 0)
                  .status()
                  .Is(StatusKind::kConflict));  // the epoch is still known
}

TEST_P(LogStoreConformance, ReadersFollowWriters) {
  const auto writer = Writer(0, 1);
  constexpr int kRecords = 300;
  std::thread reader([&] {
    LogOffset next = 0;
    int seen = 0;
    while (seen < kRecords) {
      ASSERT_TRUE(store_->WaitBeyond(context_, 0, next).ok());
      Result<std::vector<LogRecord>> page = store_->Read(context_, 0, next, 1 << 16, &next);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const LogRecord& record : *page) EXPECT_EQ(record.payload, std::to_string(seen++));
    }
  });
  for (int i = 0; i < kRecords; ++i) {
    const std::string payload = std::to_string(i);
    const std::string_view piece = payload;
    ASSERT_TRUE(writer->Append(std::span(&piece, 1), nullptr).ok());
  }
  reader.join();
}

TEST_P(LogStoreConformance, AWriterOutlivesItsStore) {
  const auto writer = Writer(0, 1);
  store_.reset();
  EXPECT_TRUE(Append(*writer, "x").status().Is(StatusKind::kUnavailable));
}

}  // namespace kite::store
