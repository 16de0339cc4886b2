#include "store/log/file_log_store.h"

#include <utility>
#include <vector>

#include "store/log/log_stream.h"

namespace kite::store {
namespace {

class FileLogStore final : public LogStore {
 public:
  FileLogStore(std::unique_ptr<FileLock> lock, std::vector<std::shared_ptr<LogStream>> streams)
      : lock_(std::move(lock)), streams_(std::move(streams)) {}
  ~FileLogStore() override {
    // A writer may outlive the store and keeps its stream's memory, not its files.
    for (const std::shared_ptr<LogStream>& stream : streams_) stream->Close();
  }
  FileLogStore(const FileLogStore&) = delete;
  FileLogStore& operator=(const FileLogStore&) = delete;

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
    KITE_RETURN_IF_ERROR(context.Check());
    return streams_[stream]->Truncate(offset);
  }

  Result<StreamInfo> Info(const Context& context, StreamId stream) override {
    KITE_RETURN_IF_ERROR(CheckStream(stream));
    KITE_RETURN_IF_ERROR(context.Check());
    return streams_[stream]->Info();
  }

 private:
  [[nodiscard]] Status CheckStream(StreamId stream) const {
    if (stream < streams_.size()) return {};
    return Status::InvalidArgument(StatusSubject::kLog,
                                   "the log has " + std::to_string(streams_.size()) +
                                       " streams, there is no stream " + std::to_string(stream));
  }

  const std::unique_ptr<FileLock> lock_;
  const std::vector<std::shared_ptr<LogStream>> streams_;
};

/// Fewer streams than were written would hide records.
Status CheckStreamCount(Disk& disk, const std::string& root, StreamId streams) {
  KITE_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, disk.List(root));
  for (const DirEntry& entry : entries) {
    const std::optional<StreamId> number = ParseLogFolderName(entry.name);
    if (!entry.is_dir || !number || *number < streams) continue;
    return Status::FailedPrecondition(
        StatusSubject::kLog, "the log in '" + root + "' has a stream " + std::to_string(*number) +
                                 "; it cannot be opened with " + std::to_string(streams) +
                                 " streams");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<LogStore>> OpenFileLogStore(std::shared_ptr<Disk> disk, std::string root,
                                                   FileLogOptions options) {
  KITE_RETURN_IF_ERROR(disk->CreateDirs(root));
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, disk->Lock(root + "/LOCK"));
  KITE_RETURN_IF_ERROR(CheckStreamCount(*disk, root, options.streams));
  const auto space = std::make_shared<LogSpace>(options.bytes_max);
  std::vector<std::shared_ptr<LogStream>> streams;
  for (StreamId stream = 0; stream < options.streams; ++stream) {
    std::string folder = root + "/" + LogFolderName(stream);
    KITE_ASSIGN_OR_RETURN(
        std::shared_ptr<LogStream> opened,
        LogStream::Open(disk, std::move(folder), stream, options.file_bytes_max, space));
    streams.push_back(std::move(opened));
  }
  return std::make_unique<FileLogStore>(std::move(lock), std::move(streams));
}

}  // namespace kite::store
