// Progress: one line on a terminal that shows how far a long command is. Silent in the first
// second, and always when stderr is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kite::cli {

class Progress {
 public:
  /// `verb`: "checked".
  explicit Progress(std::string verb);
  /// Wipes the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// May be called often: draws a few times a second.
  void Show(uint64_t bytes, uint64_t bytes_total);

 private:
  using Clock = std::chrono::steady_clock;

  const std::string verb_;
  const bool on_terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_;
  bool drawn_ = false;
};

/// "812 B", "3.4 MB".
std::string FormatBytes(uint64_t bytes);

}  // namespace kite::cli
