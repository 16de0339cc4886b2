#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace kite::cli {
namespace {

constexpr std::chrono::seconds kSilence{1};
constexpr std::chrono::milliseconds kInterval{200};

}  // namespace

Progress::Progress(std::string verb)
    : verb_(std::move(verb)), on_terminal_(isatty(STDERR_FILENO) == 1), next_(start_ + kSilence) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::Show(uint64_t bytes, uint64_t bytes_total) {
  const Clock::time_point now = Clock::now();
  if (!on_terminal_ || now < next_) return;
  next_ = now + kInterval;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(bytes) / seconds;
  std::string line = "\r" + verb_ + " " + FormatBytes(bytes);
  if (bytes_total > 0) {
    const uint64_t left = bytes_total - std::min(bytes, bytes_total);
    line += " of " + FormatBytes(bytes_total) + " (" +
            std::to_string((bytes_total - left) * 100 / bytes_total) + " %)";
    if (rate > 0)
      line += ", " + std::to_string(static_cast<uint64_t>(static_cast<double>(left) / rate) + 1) +
              " s left";
  }
  line += ", " + FormatBytes(static_cast<uint64_t>(rate)) + "/s\033[K";
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

std::string FormatBytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KB", "MB", "GB", "TB"};
  size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

}  // namespace kite::cli
