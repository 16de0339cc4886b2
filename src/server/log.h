// Log: lines for the operator, structured, on stderr and (if asked) in files.
//
//   log.Info("listening", {{"grpc", "127.0.0.1:19530"}});
//   [2026/11/21 04:00:00.000 +00:00] [INFO] ["listening"] [grpc=127.0.0.1:19530]
//
// or as JSON objects. Written at once, so nothing is lost when the process dies.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kite::server {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarn, kError };

struct LogField {
  std::string_view key;
  std::string value;
};

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  bool json = false;
  bool to_stderr = true;
  std::string folder;  ///< of kite.log and its older parts; "" = no files
  size_t file_bytes_max = size_t{300} << 20;
  size_t older_files_max = 20;
};

/// Thread-safe.
class Log {
 public:
  using Fields = std::initializer_list<LogField>;

  /// IoError(Disk) that names the folder when it cannot be written to.
  static Result<std::unique_ptr<Log>> Open(const LogOptions& options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void Debug(std::string_view message, Fields fields = {}) {
    Write(LogLevel::kDebug, message, fields);
  }
  void Info(std::string_view message, Fields fields = {}) {
    Write(LogLevel::kInfo, message, fields);
  }
  void Warn(std::string_view message, Fields fields = {}) {
    Write(LogLevel::kWarn, message, fields);
  }
  void Error(std::string_view message, Fields fields = {}) {
    Write(LogLevel::kError, message, fields);
  }

 private:
  class Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  void Write(LogLevel level, std::string_view message, Fields fields);

  std::unique_ptr<Impl> impl_;
};

/// The level, message and fields of a line as text: `[INFO] ["message"] [key=value]`. Quotes what
/// would be ambiguous.
std::string FormatLogText(LogLevel level, std::string_view message, Log::Fields fields);
/// As members of a JSON object, without its braces:
/// `"level":"INFO","message":"message","key":"value"`.
std::string FormatLogJson(LogLevel level, std::string_view message, Log::Fields fields);

}  // namespace kite::server
