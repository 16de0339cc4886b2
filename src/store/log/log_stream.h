// One stream of the file log: its files, its writer, and the thread that syncs for all who wait.
//
// Invariants (all under mutex_):
//   - files_ are ascending and contiguous; only the last one grows. A file is created after the one
//   before it is
//     durable as a whole, so that a bad record in any but the last file is corruption.
//   - durable_end_ <= next_offset_; pending_ holds the records between them, in order.
//   - Readers see offsets below durable_end_ only.
//   - Once stopped_ is set nothing is written until a new writer is opened; the sync thread cuts
//   the last file back
//     to what is durable and fails pending_.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/disk.h"
#include "store/log/log_files.h"
#include "store/log_store.h"

namespace kite::store {

/// Bytes used by all streams of a store, and their limit. Thread-safe.
class LogSpace {
 public:
  explicit LogSpace(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  void Add(uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void Give(uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  /// Exhausted(Log) when `bytes` more would pass the limit. Concurrent appends may pass it by a
  /// record each.
  [[nodiscard]] Status Check(uint64_t bytes) const;

 private:
  const uint64_t bytes_max_;
  std::atomic<uint64_t> used_{0};
};

class LogStream : public std::enable_shared_from_this<LogStream> {
 public:
  static Result<std::shared_ptr<LogStream>> Open(std::shared_ptr<Disk> disk, std::string folder,
                                                 StreamId stream, uint64_t file_bytes_max,
                                                 std::shared_ptr<LogSpace> space);
  ~LogStream();
  LogStream(const LogStream&) = delete;
  LogStream& operator=(const LogStream&) = delete;

  /// Syncs what is pending, calls its Done and ends the thread.
  /// Everything later is Unavailable.
  void Close();

  Result<std::unique_ptr<LogWriter>> OpenWriter(const Context& context, Epoch epoch);
  Status Append(uint64_t generation, std::span<const std::string_view> pieces,
                LogWriter::Done done);
  /// As LogWriter::CheckCounts.
  Status CheckWriter(uint64_t generation) const;
  Result<std::vector<LogRecord>> Read(const Context& context, LogOffset from, size_t bytes_max,
                                      LogOffset* next);
  Status WaitBeyond(const Context& context, LogOffset offset);
  Status Truncate(LogOffset offset);
  StreamInfo Info();

 private:
  struct Pending {
    LogOffset offset;
    LogWriter::Done done;  ///< may be empty
  };
  using Lock = std::unique_lock<std::mutex>;

  LogStream(std::shared_ptr<Disk> disk, std::string folder, StreamId stream,
            uint64_t file_bytes_max, std::shared_ptr<LogSpace> space);

  [[nodiscard]] LogFile& active_file() { return files_.back(); }
  [[nodiscard]] LogCursor EndCursor() const;
  [[nodiscard]] Status CheckOpen() const;
  [[nodiscard]] Status CheckWriterLocked(uint64_t generation) const;

  Status AppendRecord(const LogRecordHeader& header, uint32_t payload_crc,
                      std::span<const std::string_view> pieces, LogWriter::Done done);
  Status WriteRecord(LogRecordHeader header, uint32_t payload_crc,
                     std::span<const std::string_view> pieces);
  Status PrepareAppender(uint64_t record_bytes);
  Status Roll();
  Status RestartAfterStop(Lock& lock);
  void Stop(const Status& status);
  void StartSyncThread();

  void SyncLoop();
  void SyncOnce(Lock& lock);
  void FinishStop(Lock& lock);
  void MarkDurable();

  Result<LogReadRange> RangeAt(LogOffset from);
  Status RemoveFilesBefore(LogOffset offset);
  void RememberPlace(const std::string& path, const LogCursor& cursor);

  const std::shared_ptr<Disk> disk_;
  const std::string folder_;
  const StreamId stream_;
  const uint64_t file_bytes_max_;
  const std::shared_ptr<LogSpace> space_;

  mutable std::mutex mutex_;
  std::condition_variable work_;  ///< for the sync thread
  std::condition_variable_any
      changed_;  ///< durable_end_, stopped_, stop_finished_ or closing_ changed
  std::vector<LogFile> files_;
  std::shared_ptr<AppendFile> appender_;  ///< of the last file; null until the first append
  LogOffset next_offset_ = 0;
  LogOffset durable_end_ = 0;
  uint64_t durable_bytes_ = 0;  ///< of the last file
  Epoch epoch_ = kNoEpoch;      ///< highest Open so far
  uint64_t generation_ = 0;     ///< of the writer that counts
  std::deque<Pending> pending_;
  Status damage_;   ///< from recovery: the stream can be read up to it and not appended to
  Status stopped_;  ///< a write or sync failed
  bool stop_finished_ = false;
  bool closing_ = false;
  std::thread sync_thread_;
};

}  // namespace kite::store
