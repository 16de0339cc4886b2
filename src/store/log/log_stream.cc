#include "store/log/log_stream.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <utility>

namespace kite::store {
namespace {

constexpr char kPadding[kLogRecordAlignment] = {};

Status AboutLog(StatusKind kind, StreamId stream, const std::string& what) {
  return {kind, StatusSubject::kLog, "stream " + std::to_string(stream) + " of the log " + what};
}

class StreamWriter final : public LogWriter {
 public:
  StreamWriter(std::shared_ptr<LogStream> stream, uint64_t generation, Epoch epoch)
      : stream_(std::move(stream)), generation_(generation), epoch_(epoch) {}
  Status Append(std::span<const std::string_view> pieces, Done done) override {
    return stream_->Append(generation_, pieces, std::move(done));
  }
  Status CheckCounts(const Context& context) override {
    KITE_RETURN_IF_ERROR(context.Check());
    return stream_->CheckWriter(generation_);
  }
  [[nodiscard]] Epoch epoch() const override { return epoch_; }

 private:
  const std::shared_ptr<LogStream> stream_;
  const uint64_t generation_;
  const Epoch epoch_;
};

}  // namespace

Status LogSpace::Check(uint64_t bytes) const {
  const uint64_t used = used_.load(std::memory_order_relaxed);
  if (used + bytes <= bytes_max_) return {};
  return Status::Exhausted(StatusSubject::kLog,
                           "the log holds " + std::to_string(used) + " bytes, its limit is " +
                               std::to_string(bytes_max_) +
                               "; flush or drop collections, or raise the limit");
}

LogStream::LogStream(std::shared_ptr<Disk> disk, std::string folder, StreamId stream,
                     uint64_t file_bytes_max, std::shared_ptr<LogSpace> space)
    : disk_(std::move(disk)),
      folder_(std::move(folder)),
      stream_(stream),
      file_bytes_max_(file_bytes_max),
      space_(std::move(space)) {}

Result<std::shared_ptr<LogStream>> LogStream::Open(std::shared_ptr<Disk> disk, std::string folder,
                                                   StreamId stream, uint64_t file_bytes_max,
                                                   std::shared_ptr<LogSpace> space) {
  KITE_ASSIGN_OR_RETURN(RecoveredLog log, RecoverLog(*disk, folder, stream));
  std::shared_ptr<LogStream> opened(
      new LogStream(std::move(disk), std::move(folder), stream, file_bytes_max, std::move(space)));
  opened->files_ = std::move(log.files);
  opened->next_offset_ = opened->durable_end_ = log.end.offset;
  opened->durable_bytes_ = log.end.position;
  opened->epoch_ = log.end.epoch;
  opened->damage_ = log.damage;
  for (const LogFile& file : opened->files_) opened->space_->Add(file.bytes);
  return opened;
}

LogStream::~LogStream() { Close(); }

void LogStream::Close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  changed_.notify_all();
  if (sync_thread_.joinable()) sync_thread_.join();
  const std::lock_guard lock(mutex_);
  appender_.reset();
}

LogCursor LogStream::EndCursor() const {
  return {.position = durable_bytes_, .offset = next_offset_, .epoch = epoch_};
}

Status LogStream::CheckOpen() const {
  if (closing_) return AboutLog(StatusKind::kUnavailable, stream_, "is closed");
  return damage_;
}

// ---- writing

Result<std::unique_ptr<LogWriter>> LogStream::OpenWriter(const Context& context, Epoch epoch) {
  if (epoch < 0)
    return AboutLog(StatusKind::kInvalidArgument, stream_,
                    "cannot be opened with a negative epoch");
  KITE_RETURN_IF_ERROR(context.Check());
  Lock lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckOpen());
  if (epoch < epoch_) {
    return AboutLog(StatusKind::kConflict, stream_,
                    "was opened with epoch " + std::to_string(epoch_) + "; epoch " +
                        std::to_string(epoch) + " is older");
  }
  if (!stopped_.ok()) KITE_RETURN_IF_ERROR(RestartAfterStop(lock));
  const LogOffset open_offset = next_offset_;
  // Counts against no limit: a full log must open, so that it can be flushed and truncated.
  KITE_RETURN_IF_ERROR(
      AppendRecord({.epoch = epoch, .type = LogRecordType::kOpen}, LogPayloadCrc({}), {}, nullptr));
  epoch_ = epoch;
  const uint64_t generation = ++generation_;
  const auto decided = [&] {
    return durable_end_ > open_offset || !stopped_.ok() || generation != generation_;
  };
  if (!changed_.wait_until(lock, context.stop_token(), context.deadline(), decided)) {
    return context.cancelled() ? Status::Cancelled() : Status::DeadlineExceeded();
  }
  if (durable_end_ <= open_offset) return stopped_;
  return std::make_unique<StreamWriter>(shared_from_this(), generation, epoch);
}

Status LogStream::Append(uint64_t generation, std::span<const std::string_view> pieces,
                         LogWriter::Done done) {
  size_t payload_bytes = 0;
  for (const std::string_view piece : pieces) payload_bytes += piece.size();
  if (payload_bytes > kRecordBytesMax) {
    return AboutLog(StatusKind::kInvalidArgument, stream_,
                    "takes records of at most " + std::to_string(kRecordBytesMax) + " bytes, not " +
                        std::to_string(payload_bytes));
  }
  const uint32_t payload_crc = LogPayloadCrc(pieces);
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckWriterLocked(generation));
  KITE_RETURN_IF_ERROR(space_->Check(LogRecordBytes(payload_bytes)));
  const LogRecordHeader header{.payload_bytes = static_cast<uint32_t>(payload_bytes),
                               .epoch = epoch_};
  return AppendRecord(header, payload_crc, pieces, std::move(done));
}

Status LogStream::CheckWriter(uint64_t generation) const {
  const std::lock_guard lock(mutex_);
  return CheckWriterLocked(generation);
}

Status LogStream::CheckWriterLocked(uint64_t generation) const {
  KITE_RETURN_IF_ERROR(CheckOpen());
  if (generation != generation_) {
    return AboutLog(StatusKind::kUnavailable, stream_, "has a newer writer: this one is fenced");
  }
  if (stopped_.ok()) return {};
  return AboutLog(StatusKind::kUnavailable, stream_,
                  "has stopped after a failure: " + stopped_.message());
}

Status LogStream::AppendRecord(const LogRecordHeader& header, uint32_t payload_crc,
                               std::span<const std::string_view> pieces, LogWriter::Done done) {
  KITE_RETURN_IF_ERROR(PrepareAppender(LogRecordBytes(header.payload_bytes)));
  KITE_RETURN_IF_ERROR(WriteRecord(header, payload_crc, pieces));
  pending_.push_back({next_offset_ - 1, std::move(done)});
  if (!sync_thread_.joinable()) StartSyncThread();
  work_.notify_one();
  return {};
}

/// Appends to the last file. After a failure the file is as before, or the stream has stopped.
Status LogStream::WriteRecord(LogRecordHeader header, uint32_t payload_crc,
                              std::span<const std::string_view> pieces) {
  LogFile& file = active_file();
  header.offset = next_offset_;
  header.durable_bytes = durable_bytes_;
  std::array<char, kLogRecordHeaderBytes> head;
  EncodeLogRecordHeader(header, file.salt, payload_crc, head.data());
  const uint64_t record_bytes = LogRecordBytes(header.payload_bytes);
  std::vector<std::string_view> parts;
  parts.reserve(pieces.size() + 2);
  parts.emplace_back(head.data(), head.size());
  parts.insert(parts.end(), pieces.begin(), pieces.end());
  parts.emplace_back(kPadding, record_bytes - kLogRecordHeaderBytes - header.payload_bytes);
  const Status written = appender_->Append(parts);
  if (!written.ok()) {
    // A full disk is undone: the record never was, and appends work again once there is space.
    const bool undone = disk_->Truncate(file.path, file.bytes).ok();
    if (!undone || !written.Is(StatusKind::kExhausted, StatusSubject::kDisk)) Stop(written);
    return written;
  }
  file.bytes += record_bytes;
  space_->Add(record_bytes);
  const Epoch epoch = header.type == LogRecordType::kOpen ? std::max(epoch_, header.epoch) : epoch_;
  if (header.type != LogRecordType::kMark) ++next_offset_;
  file.index.Add({.position = file.bytes, .offset = next_offset_, .epoch = epoch});
  return {};
}

/// Makes appender_ the end of the last file, or of a new one when the record would make it too
/// long.
Status LogStream::PrepareAppender(uint64_t record_bytes) {
  if (files_.empty()) return Roll();
  if (active_file().bytes > kLogFileHeaderBytes &&
      active_file().bytes + record_bytes > file_bytes_max_) {
    return Roll();
  }
  if (appender_ != nullptr) return {};
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> appender,
                        disk_->OpenAppend(active_file().path));
  if (appender->size() != active_file().bytes) {
    return Status::Corruption(StatusSubject::kLog, "log file '" + active_file().path + "' has " +
                                                       std::to_string(appender->size()) +
                                                       " bytes, not the " +
                                                       std::to_string(active_file().bytes) +
                                                       " that it had: something else writes to it");
  }
  appender_ = std::move(appender);
  return {};
}

/// Makes the last file durable and begins a new one.
Status LogStream::Roll() {
  if (appender_ != nullptr && durable_end_ < next_offset_) {
    if (const Status synced = appender_->Sync(); !synced.ok()) {
      Stop(synced);
      return synced;
    }
    durable_bytes_ = active_file().bytes;
    durable_end_ = next_offset_;
    work_.notify_one();
    changed_.notify_all();
  }
  KITE_ASSIGN_OR_RETURN(CreatedLogFile created,
                        CreateLogFile(*disk_, folder_, stream_, EndCursor()));
  Status durable = created.appender->Sync();
  if (durable.ok()) durable = disk_->SyncDir(folder_);
  if (!durable.ok()) {
    // Perhaps the file will be there after a crash: nothing may be appended to the one before it
    // any more.
    Stop(durable);
    return durable;
  }
  appender_ = std::move(created.appender);
  space_->Add(created.file.bytes);
  durable_bytes_ = created.file.bytes;
  files_.push_back(std::move(created.file));
  return {};
}

void LogStream::Stop(const Status& status) {
  stopped_ = status;
  stop_finished_ = false;
  if (!sync_thread_.joinable()) StartSyncThread();
  work_.notify_one();
  changed_.notify_all();
}

/// A new writer after a failure: gives up what never became durable and continues in a new file.
Status LogStream::RestartAfterStop(Lock& lock) {
  changed_.wait(lock, [this] { return stop_finished_ || closing_; });
  KITE_RETURN_IF_ERROR(CheckOpen());
  appender_.reset();
  next_offset_ = durable_end_;
  if (!files_.empty()) {
    LogFile& file = active_file();
    space_->Give(file.bytes - durable_bytes_);
    file.bytes = durable_bytes_;
    // Without a durable record its name is the new file's.
    if (file.first_offset == next_offset_) {
      space_->Give(file.bytes);
      files_.pop_back();
      durable_bytes_ = files_.empty() ? 0 : active_file().bytes;
    }
  }
  const Status failure = std::exchange(stopped_, {});
  const Status rolled = Roll();
  if (!rolled.ok() && stopped_.ok()) stopped_ = failure;
  return rolled;
}

// ---- syncing

void LogStream::StartSyncThread() {
  sync_thread_ = std::thread([this] { SyncLoop(); });
  pthread_setname_np(sync_thread_.native_handle(),
                     ("kite-log-" + std::to_string(stream_)).substr(0, 15).c_str());
}

void LogStream::SyncLoop() {
  Lock lock(mutex_);
  while (true) {
    const auto stop_is_new = [this] { return !stopped_.ok() && !stop_finished_; };
    work_.wait(lock, [&] { return closing_ || !pending_.empty() || stop_is_new(); });
    if (stop_is_new()) {
      FinishStop(lock);
    } else if (!pending_.empty()) {
      SyncOnce(lock);
    } else if (closing_) {
      return;
    }
  }
}

/// Makes durable what was appended before, and answers for it.
void LogStream::SyncOnce(Lock& lock) {
  const LogOffset end = next_offset_;
  if (durable_end_ < end) {
    const std::shared_ptr<AppendFile> appender = appender_;
    const std::string path = active_file().path;
    const uint64_t bytes = active_file().bytes;
    lock.unlock();
    const Status synced = appender->Sync();
    lock.lock();
    if (!synced.ok()) {
      if (stopped_.ok()) Stop(synced);
      return;
    }
    durable_end_ = std::max(durable_end_, end);
    // Another thread may have rolled meanwhile; then all of this file was durable already.
    if (active_file().path == path) durable_bytes_ = std::max(durable_bytes_, bytes);
    changed_.notify_all();
    MarkDurable();
  }
  std::vector<Pending> durable;
  while (!pending_.empty() && pending_.front().offset < end) {
    durable.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  lock.unlock();
  for (Pending& record : durable) {
    if (record.done) record.done(record.offset);
  }
  durable.clear();
  lock.lock();
}

/// With nothing more to sync, says on the disk that all of the file is durable; else the next
/// record says it. Before the answers, so that what is acknowledged and damaged later is not taken
/// for a torn tail. Not synced itself: a torn one is cut like any tail.
void LogStream::MarkDurable() {
  if (!stopped_.ok() || durable_end_ < next_offset_ || durable_bytes_ < active_file().bytes) return;
  // A full disk is no harm, and after any other failure the stream has stopped.
  const Status ignored =
      WriteRecord({.epoch = epoch_, .type = LogRecordType::kMark}, LogPayloadCrc({}), {});
}

/// After a failed write or sync: cuts what is not durable, as far as the disk allows, and fails
/// those who wait.
void LogStream::FinishStop(Lock& lock) {
  // What became durable before the failure is answered as such.
  std::deque<Pending> failed = std::exchange(pending_, {});
  const LogOffset durable_end = durable_end_;
  const Status status = stopped_;
  if (!files_.empty()) {
    // If this fails, the next file's first offset still ends this one, and until there is one
    // nothing is known.
    const Status ignored = disk_->Truncate(active_file().path, durable_bytes_);
  }
  lock.unlock();
  for (Pending& record : failed) {
    if (!record.done) continue;
    if (record.offset < durable_end) {
      record.done(record.offset);
    } else {
      record.done(status);
    }
  }
  failed.clear();
  lock.lock();
  stop_finished_ = true;
  changed_.notify_all();
}

// ---- reading

Result<std::vector<LogRecord>> LogStream::Read(const Context& context, LogOffset from,
                                               size_t bytes_max, LogOffset* next) {
  std::vector<LogRecord> records;
  size_t bytes_left = bytes_max;
  *next = from;
  while (true) {
    KITE_RETURN_IF_ERROR(context.Check());
    const Result<LogReadRange> found = RangeAt(*next);
    if (!found.ok() && !records.empty()) return records;  // the failure is the next call's
    KITE_RETURN_IF_ERROR(found.status());
    const LogReadRange& range = *found;
    if (range.path.empty()) return records;  // the durable end
    const Result<LogCursor> cursor = ReadLogRange(*disk_, range, &records, &bytes_left);
    if (!cursor.ok() && !records.empty()) {
      *next = records.back().offset + 1;
      return records;
    }
    if (cursor.status().Is(StatusKind::kNotFound)) {
      // Truncated meanwhile, unless the stream still counts on the file.
      KITE_ASSIGN_OR_RETURN(const LogReadRange now, RangeAt(*next));
      if (now.path != range.path) continue;
      return Status::Corruption(StatusSubject::kLog, "log file '" + range.path + "' is missing");
    }
    KITE_RETURN_IF_ERROR(cursor.status());
    RememberPlace(range.path, *cursor);
    *next = std::max(*next, cursor->offset);
    if (cursor->offset < range.end_offset || bytes_left == 0) return records;
  }
}

/// Where to read `from`; an empty path at the durable end.
Result<LogReadRange> LogStream::RangeAt(LogOffset from) {
  const std::lock_guard lock(mutex_);
  if (closing_) return CheckOpen();
  const LogOffset begin = files_.empty() ? 0 : files_.front().first_offset;
  if (from < begin) {
    return AboutLog(StatusKind::kNotFound, stream_,
                    "begins at offset " + std::to_string(begin) + "; offset " +
                        std::to_string(from) + " was truncated away");
  }
  if (from >= durable_end_) {
    KITE_RETURN_IF_ERROR(damage_);
    if (from == durable_end_) return LogReadRange{};
    return AboutLog(StatusKind::kInvalidArgument, stream_,
                    "ends at offset " + std::to_string(durable_end_) + ", before offset " +
                        std::to_string(from));
  }
  auto file =
      std::upper_bound(files_.begin(), files_.end(), from,
                       [](LogOffset offset, const LogFile& f) { return offset < f.first_offset; }) -
      1;
  KITE_RETURN_IF_ERROR(file->damage);
  const bool is_last = file + 1 == files_.end();
  LogReadRange range{.path = file->path, .salt = file->salt, .bytes = file->bytes, .from = from};
  if (is_last) range.bytes = std::min(range.bytes, durable_bytes_);
  range.begin = file->index.Find(from);
  range.end_offset = is_last ? durable_end_ : (file + 1)->first_offset;
  return range;
}

void LogStream::RememberPlace(const std::string& path, const LogCursor& cursor) {
  const std::lock_guard lock(mutex_);
  const auto file =
      std::find_if(files_.begin(), files_.end(), [&](const LogFile& f) { return f.path == path; });
  if (file != files_.end()) file->index.Add(cursor);
}

Status LogStream::WaitBeyond(const Context& context, LogOffset offset) {
  Lock lock(mutex_);
  KITE_RETURN_IF_ERROR(context.Check());
  const auto decided = [&] { return durable_end_ > offset || closing_ || !damage_.ok(); };
  if (!changed_.wait_until(lock, context.stop_token(), context.deadline(), decided)) {
    return context.cancelled() ? Status::Cancelled() : Status::DeadlineExceeded();
  }
  return durable_end_ > offset ? Status::Ok() : CheckOpen();
}

Status LogStream::Truncate(LogOffset offset) {
  const std::lock_guard lock(mutex_);
  KITE_RETURN_IF_ERROR(CheckOpen());
  offset = std::min(offset, durable_end_);
  KITE_RETURN_IF_ERROR(
      RemoveFilesBefore(offset));  // first: on a full disk this makes room for the roll
  const bool all_before =
      offset == next_offset_ && !files_.empty() && active_file().first_offset < offset;
  if (!all_before || !stopped_.ok()) return {};
  KITE_RETURN_IF_ERROR(Roll());
  return RemoveFilesBefore(offset);
}

Status LogStream::RemoveFilesBefore(LogOffset offset) {
  while (files_.size() > 1 && files_[1].first_offset <= offset) {
    // One at a time: a crash must not leave a gap.
    KITE_RETURN_IF_ERROR(disk_->Remove(files_.front().path));
    KITE_RETURN_IF_ERROR(disk_->SyncDir(folder_));
    space_->Give(files_.front().bytes);
    files_.erase(files_.begin());
  }
  return {};
}

StreamInfo LogStream::Info() {
  const std::lock_guard lock(mutex_);
  StreamInfo info;
  info.begin = files_.empty() ? 0 : files_.front().first_offset;
  info.end = durable_end_;
  for (const LogFile& file : files_) info.bytes += file.bytes;
  return info;
}

}  // namespace kite::store
