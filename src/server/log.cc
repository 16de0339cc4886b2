#include "server/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <nlohmann/json.hpp>
#include <vector>

namespace kite::server {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"DEBUG", "INFO", "WARN", "ERROR"};

std::string_view NameOf(LogLevel level) { return kLevelNames[static_cast<size_t>(level)]; }

std::string Quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// True when a reader could not tell where the value ends.
bool NeedsQuotes(std::string_view value) {
  if (value.empty()) return true;
  for (const char c : value) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == '[' || c == ']' ||
        c == '\\' || c == 0x7F) {
      return true;
    }
  }
  return false;
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

std::string FormatLogText(LogLevel level, std::string_view message, Log::Fields fields) {
  std::string line = "[" + std::string(NameOf(level)) + "] [" + Quoted(message) + "]";
  for (const LogField& field : fields) {
    line += " [" + std::string(field.key) + "=" +
            (NeedsQuotes(field.value) ? Quoted(field.value) : field.value) + "]";
  }
  return line;
}

std::string FormatLogJson(LogLevel level, std::string_view message, Log::Fields fields) {
  std::string members =
      "\"level\":\"" + std::string(NameOf(level)) + "\",\"message\":" + Quoted(message);
  for (const LogField& field : fields)
    members += "," + Quoted(field.key) + ":" + Quoted(field.value);
  return members;
}

class Log::Impl {
 public:
  explicit Impl(const LogOptions& options) : json_(options.json), logger_("kite") {
    if (options.to_stderr)
      logger_.sinks().push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (!options.folder.empty()) {
      logger_.sinks().push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
          options.folder + "/kite.log", options.file_bytes_max, options.older_files_max));
    }
    logger_.set_pattern(json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z",%v})"
                              : "[%Y/%m/%d %H:%M:%S.%e %z] %v");
    logger_.set_level(SpdlogLevel(options.level));
    logger_.flush_on(spdlog::level::debug);
  }

  void Write(LogLevel level, std::string_view message, Fields fields) {
    if (!logger_.should_log(SpdlogLevel(level))) return;
    const std::string line =
        json_ ? FormatLogJson(level, message, fields) : FormatLogText(level, message, fields);
    logger_.log(SpdlogLevel(level), spdlog::string_view_t(line));
  }

 private:
  const bool json_;
  spdlog::logger logger_;
};

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::Open(const LogOptions& options) {
  try {
    return std::unique_ptr<Log>(new Log(std::make_unique<Impl>(options)));
  } catch (const std::exception& error) {
    return Status::IoError(StatusSubject::kDisk,
                           "cannot write log files to '" + options.folder + "': " + error.what());
  }
}

void Log::Write(LogLevel level, std::string_view message, Fields fields) {
  impl_->Write(level, message, fields);
}

}  // namespace kite::server
