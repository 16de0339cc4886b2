// What the file log makes of torn tails, damage, full disks, failing syncs and power loss.
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <random>
#include <thread>

#include "store/faulty/faulty_disk.h"
#include "store/log/file_log_store.h"
#include "store/log/log_format.h"
#include "store/log/log_verify.h"

namespace kite::store {
namespace {

const std::string kRoot = "/log";
const std::string kFirstFile = "/log/stream-0/00000000000000000000.log";

class LogRecoveryTest : public testing::Test {
 protected:
  Status TryOpen() {
    store_.reset();
    Result<std::unique_ptr<LogStore>> opened = OpenFileLogStore(disk_, kRoot, options_);
    if (opened.ok()) store_ = std::move(*opened);
    return opened.status();
  }
  void Open() {
    const Status opened = TryOpen();
    ASSERT_TRUE(opened.ok()) << opened;
  }
  std::unique_ptr<LogWriter> Writer(Epoch epoch, StreamId stream = 0) {
    Result<std::unique_ptr<LogWriter>> writer = store_->OpenWriter(context_, stream, epoch);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return writer.ok() ? std::move(*writer) : nullptr;
  }
  static Result<LogOffset> Append(LogWriter& writer, std::string_view payload) {
    auto promise = std::make_shared<std::promise<Result<LogOffset>>>();
    const Status queued = writer.Append(
        std::span(&payload, 1),
        [promise](Result<LogOffset> offset) { promise->set_value(std::move(offset)); });
    if (!queued.ok()) return queued;
    return promise->get_future().get();
  }
  Result<std::vector<LogRecord>> ReadAll(StreamId stream = 0) {
    std::vector<LogRecord> all;
    KITE_ASSIGN_OR_RETURN(const StreamInfo info, store_->Info(context_, stream));
    for (LogOffset from = info.begin;;) {
      LogOffset next = from;
      KITE_ASSIGN_OR_RETURN(std::vector<LogRecord> page,
                            store_->Read(context_, stream, from, 4096, &next));
      if (next == from) return all;
      std::move(page.begin(), page.end(), std::back_inserter(all));
      from = next;
    }
  }
  std::string FileBytes() { return *disk_->Read(kFirstFile, 0, UINT64_MAX); }
  void WriteFile(std::string_view bytes) {
    auto file = *disk_->Create(kFirstFile);
    ASSERT_TRUE(file->Append(bytes).ok());
    ASSERT_TRUE(file->Sync().ok());
  }

  Context context_;
  std::shared_ptr<FaultyDisk> disk_ = FaultyDisk::Make();
  FileLogOptions options_{.streams = 2};
  std::unique_ptr<LogStore> store_;
};

TEST_F(LogRecoveryTest, ATornLastRecordIsCutAtEveryByte) {
  Open();
  {
    const auto writer = Writer(1);
    ASSERT_TRUE(Append(*writer, "first").ok());
    ASSERT_TRUE(Append(*writer, "second").ok());
    ASSERT_TRUE(Append(*writer, "the last record").ok());
  }
  std::string whole = FileBytes();
  whole.resize(whole.size() - kLogRecordHeaderBytes);  // as before the sync: without a Mark
  const uint64_t last_bytes = LogRecordBytes(std::string("the last record").size());
  store_.reset();
  for (uint64_t cut = 1; cut <= last_bytes; ++cut) {
    for (const bool garbage : {false, true}) {
      std::string torn = whole.substr(0, whole.size() - cut);
      if (garbage) torn += std::string(cut, '\x5a');
      WriteFile(torn);
      Open();
      Result<std::vector<LogRecord>> records = ReadAll();
      ASSERT_TRUE(records.ok()) << cut << records.status();
      ASSERT_EQ(records->size(), 2U) << cut;
      const auto writer = Writer(2);
      ASSERT_TRUE(Append(*writer, "next").ok());
      records = ReadAll();
      ASSERT_EQ(records->size(), 3U) << cut;
      EXPECT_EQ(records->back().payload, "next");
      store_.reset();
    }
  }
}

TEST_F(LogRecoveryTest, EveryFlippedBitIsFound) {
  Open();
  {
    const auto writer = Writer(1);
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(Append(*writer, "record " + std::to_string(i)).ok());
  }
  store_.reset();
  const std::string whole = FileBytes();
  const uint64_t records_end = (whole.size() - kLogRecordHeaderBytes) * 8;
  for (uint64_t bit = 0; bit < whole.size() * 8; ++bit) {
    WriteFile(whole);
    ASSERT_TRUE(disk_->FlipBit(kFirstFile, bit).ok());
    const Status opened = TryOpen();
    // A version that is not ours is refused as such; nothing else of the header may pass for one.
    if (!opened.ok()) {
      FAIL() << bit << opened;
    }
    const Result<std::vector<LogRecord>> records = ReadAll();
    if (bit < records_end) {
      ASSERT_TRUE(records.status().Is(StatusKind::kCorruption, StatusSubject::kLog))
          << bit << records.status();
      EXPECT_NE(records.status().message().find(kFirstFile), std::string::npos) << records.status();
    } else {
      ASSERT_TRUE(records.ok()) << bit << records.status();  // only the shortcut was lost
      EXPECT_EQ(records->size(), 6U);
    }
    store_.reset();
  }
}

TEST_F(LogRecoveryTest, ADamagedRecordThatWasAcknowledgedIsNoTornTail) {
  for (const char* last : {"", "short", "a longer record"}) {
    disk_ = FaultyDisk::Make();
    Open();
    const auto writer = Writer(1);
    ASSERT_TRUE(Append(*writer, "first").ok());
    ASSERT_TRUE(Append(*writer, last).ok());
    const std::string whole = FileBytes();
    const uint64_t last_end = whole.size() - kLogRecordHeaderBytes;
    const uint64_t last_begin = last_end - LogRecordBytes(std::string_view(last).size());
    disk_->PowerOff();
    store_.reset();
    disk_->Restart();
    for (uint64_t bit = last_begin * 8; bit < whole.size() * 8; ++bit) {
      WriteFile(whole);
      ASSERT_TRUE(disk_->FlipBit(kFirstFile, bit).ok());
      Open();
      const Result<std::vector<LogRecord>> records = ReadAll();
      if (bit < last_end * 8) {
        EXPECT_TRUE(records.status().Is(StatusKind::kCorruption)) << bit << records.status();
      } else {
        ASSERT_TRUE(records.ok()) << bit << records.status();  // only the Mark was lost
        EXPECT_EQ(records->size(), 2U);
      }
      store_.reset();
    }
  }
}

TEST_F(LogRecoveryTest, AMarkThatDoesNotFitIsNoHarm) {
  Open();
  const auto writer = Writer(1);
  disk_->SetFreeBytes(LogRecordBytes(5) + 7);
  ASSERT_TRUE(Append(*writer, "first").ok());
  disk_->SetFreeBytes(UINT64_MAX);
  ASSERT_TRUE(Append(*writer, "second").ok());
  EXPECT_EQ(ReadAll()->size(), 2U);
  Open();
  EXPECT_EQ(ReadAll()->size(), 2U);
}

TEST_F(LogRecoveryTest, DamageBelowADurableRecordIsCorruption) {
  Open();
  {
    const auto writer = Writer(1);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(Append(*writer, std::string(100, char('a' + i))).ok());
    const auto other = Writer(1, 1);
    ASSERT_TRUE(Append(*other, "fine").ok());
  }
  std::string whole = FileBytes();
  whole.resize(whole.size() - kLogRecordHeaderBytes);  // without the last Mark: the file is scanned
  store_.reset();
  WriteFile(whole);
  ASSERT_TRUE(
      disk_
          ->FlipBit(kFirstFile,
                    // each record has a Mark behind it: nothing else was to be synced
                    (kLogFileHeaderBytes + 5 * LogRecordBytes(0) + 3 * LogRecordBytes(100)) * 8)
          .ok());
  Open();
  const Status writer = store_->OpenWriter(context_, 0, 2).status();
  EXPECT_TRUE(writer.Is(StatusKind::kCorruption, StatusSubject::kLog)) << writer;
  EXPECT_NE(writer.message().find(kFirstFile), std::string::npos) << writer;
  EXPECT_NE(writer.message().find("offset 4"), std::string::npos) << writer;
  // What lies before the damage can still be read, and the other stream goes on.
  LogOffset next = 0;
  const Result<std::vector<LogRecord>> before = store_->Read(context_, 0, 0, 1 << 20, &next);
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(before->size(), 3U);
  EXPECT_TRUE(store_->Read(context_, 0, next, 1 << 20, &next).status().Is(StatusKind::kCorruption));
  EXPECT_TRUE(store_->WaitBeyond(context_, 0, 100).Is(StatusKind::kCorruption));
  EXPECT_EQ(ReadAll(1)->size(), 1U);
  EXPECT_TRUE(Append(*Writer(2, 1), "more").ok());
  EXPECT_EQ(FileBytes().size(), whole.size());  // evidence is not cut
}

TEST_F(LogRecoveryTest, AFileThatWasJustCreatedIsDropped) {
  options_.file_bytes_max = 300;
  Open();
  {
    const auto writer = Writer(1);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(*writer, std::string(100, 'x')).ok());
  }
  store_.reset();
  const std::string next_file = "/log/stream-0/00000000000000000004.log";
  for (const size_t size : {0, 1, 39, 40}) {
    auto file = *disk_->Create(next_file);
    ASSERT_TRUE(file->Append(std::string(size, '\x11')).ok());
    ASSERT_TRUE(file->Sync().ok());
    Open();
    EXPECT_EQ(ReadAll()->size(), 3U) << size;
    EXPECT_FALSE(disk_->FileSize(next_file).ok()) << size;
    store_.reset();
  }
}

TEST_F(LogRecoveryTest, ADamagedHeaderThatNothingPrecedesIsNoNewFile) {
  Open();
  ASSERT_TRUE(Append(*Writer(1), "first").ok());
  ASSERT_TRUE(store_->Truncate(context_, 0, 2).ok());
  store_.reset();
  // Only a header is left, and with it the stream's offset: removing it would begin at 0 again.
  const std::string only = "/log/stream-0/00000000000000000002.log";
  ASSERT_EQ(*disk_->FileSize(only), kLogFileHeaderBytes);
  ASSERT_TRUE(disk_->FlipBit(only, 200).ok());
  Open();
  EXPECT_EQ(*disk_->FileSize(only), kLogFileHeaderBytes);
  EXPECT_TRUE(store_->OpenWriter(context_, 0, 2).status().Is(StatusKind::kCorruption));
  EXPECT_TRUE(ReadAll().status().Is(StatusKind::kCorruption));
  EXPECT_EQ(store_->Info(context_, 0)->end, 2);
}

/// Calls that could have changed something.
uint64_t WriteCalls(const FaultyDisk& disk) {
  uint64_t calls = 0;
  for (const DiskOp op : {DiskOp::kAppend, DiskOp::kSync, DiskOp::kCreate, DiskOp::kTruncate,
                          DiskOp::kRename, DiskOp::kRemove, DiskOp::kSyncDir}) {
    calls += disk.Calls(op);
  }
  return calls;
}

TEST_F(LogRecoveryTest, VerifyingNamesDamageAndChangesNothing) {
  options_.file_bytes_max = 300;
  Open();
  {
    const auto writer = Writer(1);
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(Append(*writer, std::string(100, 'x')).ok());
  }
  store_.reset();
  const uint64_t calls = WriteCalls(*disk_);
  const LogReport sound = *VerifyFileLog(context_, *disk_, kRoot);
  EXPECT_EQ(sound.records, 6U);
  EXPECT_TRUE(sound.problems.empty() && sound.tails.empty());
  EXPECT_EQ(WriteCalls(*disk_), calls);
  for (const DirEntry& file : *disk_->List("/log/stream-0")) {
    const std::string path = "/log/stream-0/" + file.name;
    const std::string whole = *disk_->Read(path, 0, UINT64_MAX);
    for (uint64_t bit = 0; bit < whole.size() * 8; bit += 3) {
      ASSERT_TRUE(disk_->FlipBit(path, bit).ok());
      const LogReport report = *VerifyFileLog(context_, *disk_, kRoot);
      // A Mark at the end of a file says only what the next file says, or nobody.
      const bool in_mark = bit >= (whole.size() - kLogRecordHeaderBytes) * 8;
      if (!in_mark) {
        ASSERT_EQ(report.problems.size(), 1U) << path << " " << bit;
        EXPECT_NE(report.problems[0].find(path), std::string::npos) << report.problems[0];
      }
      ASSERT_TRUE(disk_->FlipBit(path, bit).ok());
    }
  }
}

TEST_F(LogRecoveryTest, VerifyingKeepsATornTail) {
  Open();
  ASSERT_TRUE(Append(*Writer(1), "first").ok());
  store_.reset();
  const std::string torn = FileBytes() + std::string(50, 'x');
  WriteFile(torn);
  const LogReport report = *VerifyFileLog(context_, *disk_, kRoot);
  EXPECT_TRUE(report.problems.empty());
  ASSERT_EQ(report.tails.size(), 1U);
  EXPECT_NE(report.tails[0].find(kFirstFile), std::string::npos) << report.tails[0];
  EXPECT_EQ(report.records, 1U);
  EXPECT_EQ(FileBytes(), torn);
}

TEST_F(LogRecoveryTest, AFullDiskIsAnErrorUntilThereIsSpace) {
  Open();
  const auto writer = Writer(1);
  ASSERT_TRUE(Append(*writer, "before").ok());
  for (uint64_t free = 0; free < LogRecordBytes(500); free += 7) {
    disk_->SetFreeBytes(free);
    const Status full = Append(*writer, std::string(500, 'x')).status();
    EXPECT_TRUE(full.Is(StatusKind::kExhausted, StatusSubject::kDisk)) << full;
    disk_->SetFreeBytes(UINT64_MAX);
    ASSERT_TRUE(Append(*writer, "works").ok()) << free;
  }
  const size_t records = ReadAll()->size();
  Open();
  EXPECT_EQ(ReadAll()->size(), records);
}

TEST_F(LogRecoveryTest, AFullLogIsAnErrorUntilItIsTruncated) {
  options_.bytes_max = 10'000;
  options_.file_bytes_max = 2'000;
  Open();
  auto writer = Writer(1);
  LogOffset last = 0;
  Status full;
  while (full.ok()) {
    const Result<LogOffset> offset = Append(*writer, std::string(500, 'x'));
    if (offset.ok()) last = *offset;
    full = offset.status();
  }
  EXPECT_TRUE(full.Is(StatusKind::kExhausted, StatusSubject::kLog)) << full;
  EXPECT_TRUE(Append(*Writer(1, 1), std::string(500, 'x'))
                  .status()
                  .Is(StatusKind::kExhausted, StatusSubject::kLog));
  Open();  // full, and opens
  writer = Writer(2);
  EXPECT_FALSE(Append(*writer, std::string(500, 'x')).ok());
  ASSERT_TRUE(store_->Truncate(context_, 0, last + 1).ok());
  EXPECT_TRUE(Append(*writer, std::string(500, 'x')).ok());
}

TEST_F(LogRecoveryTest, AFailedSyncStopsTheWriterForGood) {
  Open();
  auto writer = Writer(1);
  ASSERT_TRUE(Append(*writer, "durable").ok());
  disk_->FailNth(DiskOp::kSync, 1);
  const Status failed = Append(*writer, "lost").status();
  EXPECT_TRUE(failed.Is(StatusKind::kIoError, StatusSubject::kDisk)) << failed;
  EXPECT_TRUE(
      Append(*writer, "refused").status().Is(StatusKind::kUnavailable, StatusSubject::kLog));
  EXPECT_EQ(ReadAll()->size(), 1U);
  auto next = Writer(2);
  ASSERT_TRUE(Append(*next, "again").ok());
  EXPECT_TRUE(Append(*writer, "fenced").status().Is(StatusKind::kUnavailable));
  for (int i = 0; i < 2; ++i) {
    const std::vector<LogRecord> records = *ReadAll();
    ASSERT_EQ(records.size(), 2U);
    EXPECT_EQ(records[0].payload, "durable");
    EXPECT_EQ(records[1].payload, "again");
    next.reset();
    writer.reset();
    Open();
  }
}

TEST_F(LogRecoveryTest, AFailedWriteStopsTheWriter) {
  Open();
  const auto writer = Writer(1);
  ASSERT_TRUE(Append(*writer, "durable").ok());
  disk_->FailNth(DiskOp::kAppend, 1);
  EXPECT_TRUE(Append(*writer, std::string(1000, 'x')).status().Is(StatusKind::kIoError));
  EXPECT_TRUE(Append(*writer, "refused").status().Is(StatusKind::kUnavailable));
  EXPECT_TRUE(Append(*Writer(2), "again").ok());
  EXPECT_EQ(ReadAll()->size(), 2U);
}

/// Appends with the n-th call of `op` failing, then opens anew: what was
/// acknowledged is there.
TEST_F(LogRecoveryTest, AnyFailingCallLosesNothingAcknowledged) {
  for (const DiskOp op : {DiskOp::kAppend, DiskOp::kSync, DiskOp::kCreate, DiskOp::kSyncDir,
                          DiskOp::kTruncate, DiskOp::kRead, DiskOp::kRemove}) {
    for (uint64_t n = 1; n < 30; ++n) {
      disk_ = FaultyDisk::Make();
      options_.file_bytes_max = 400;
      std::map<LogOffset, std::string> acknowledged;
      disk_->FailNth(op, n);
      for (Epoch epoch = 1; epoch < 4; ++epoch) {
        if (!TryOpen().ok()) continue;
        Result<std::unique_ptr<LogWriter>> writer = store_->OpenWriter(context_, 0, epoch);
        if (!writer.ok()) continue;
        for (int i = 0; i < 8; ++i) {
          const std::string payload =
              std::to_string(epoch) + "/" + std::to_string(i) + std::string(60, '.');
          const Result<LogOffset> offset = Append(**writer, payload);
          if (offset.ok()) acknowledged[*offset] = payload;
        }
      }
      disk_->FailNth(op, 0);
      ASSERT_NO_FATAL_FAILURE(Open());
      const Result<std::vector<LogRecord>> records = ReadAll();
      ASSERT_TRUE(records.ok()) << int(op) << " " << n << records.status();
      std::map<LogOffset, std::string> found;
      for (const LogRecord& record : *records) found[record.offset] = record.payload;
      for (const auto& [offset, payload] : acknowledged)
        EXPECT_EQ(found[offset], payload) << int(op) << " " << n;
      store_.reset();
    }
  }
}

/// One life of a log: a few writers and threads, and a kill or power loss in the middle.
class PowerLossTest : public LogRecoveryTest, public testing::WithParamInterface<int> {
 protected:
  void LiveAndDie(std::mt19937_64& random, Epoch epoch) {
    const auto writer = Writer(epoch);
    if (writer == nullptr) return;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, seed = random()] {
        std::mt19937_64 mine(seed);
        for (int i = 0; i < 200; ++i) {
          const std::string payload(mine() % 700, char('a' + mine() % 26));
          const std::string_view piece = payload;
          const Status queued =
              writer->Append(std::span(&piece, 1), [&, payload](const Result<LogOffset>& offset) {
                const std::lock_guard lock(mutex_);
                if (offset.ok()) acknowledged_[*offset] = payload;
              });
          if (!queued.ok()) return;
          if (mine() % 8 == 0) std::this_thread::yield();
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    if (random() % 4 == 0) {
      LogOffset upto = 0;
      {
        const std::lock_guard lock(mutex_);
        if (!acknowledged_.empty())
          upto = std::next(acknowledged_.begin(), long(random() % acknowledged_.size()))->first;
      }
      if (store_->Truncate(context_, 0, upto).ok()) truncated_ = std::max(truncated_, upto);
    }
    disk_->PowerOff();
    for (std::thread& thread : threads) thread.join();
    store_.reset();
    random() % 3 == 0 ? disk_->Restart() : disk_->PowerOn(random());
  }

  void Check(int seed) {
    const Result<std::vector<LogRecord>> records = ReadAll();
    ASSERT_TRUE(records.ok()) << seed << records.status();
    std::map<LogOffset, std::string> found;
    for (const LogRecord& record : *records) found[record.offset] = record.payload;
    for (const auto& [offset, payload] : acknowledged_) {
      if (offset < truncated_) continue;
      const auto record = found.find(offset);
      ASSERT_TRUE(record != found.end()) << "seed " << seed << " lost offset " << offset;
      ASSERT_EQ(record->second, payload) << "seed " << seed << " offset " << offset;
    }
    // What was shown once stays from now on, acknowledged or not.
    for (auto& [offset, payload] : found) acknowledged_[offset] = payload;
  }

  std::mutex mutex_;
  std::map<LogOffset, std::string> acknowledged_;
  LogOffset truncated_ = 0;
};

TEST_P(PowerLossTest, EveryAcknowledgedRecordSurvives) {
  for (int seed = GetParam() * 40; seed < (GetParam() + 1) * 40; ++seed) {
    std::mt19937_64 random{uint64_t(seed)};
    disk_ = FaultyDisk::Make();
    options_.file_bytes_max = random() % 2 == 0 ? 3000 : uint64_t{64} << 20;
    acknowledged_.clear();
    truncated_ = 0;
    for (Epoch epoch = 1; epoch <= 4; ++epoch) {
      ASSERT_NO_FATAL_FAILURE(Open());
      ASSERT_NO_FATAL_FAILURE(Check(seed));
      LiveAndDie(random, epoch);
    }
    Open();
    ASSERT_NO_FATAL_FAILURE(Check(seed));
    store_.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PowerLossTest, testing::Range(0, 5));

}  // namespace
}  // namespace kite::store
