#include "server/store_monitor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>

namespace kite::server {
namespace {

using std::chrono::milliseconds;

TEST(StoreMonitorTest, SaysWhichStoreIsLostAndThatItIsBack) {
  std::atomic<bool> there{false};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> lines;
  const auto warn = [&](const std::string& line) {
    const std::lock_guard lock(mutex);
    lines.push_back(line);
    changed.notify_all();
  };
  StoreMonitor::Options options;
  options.interval = options.lost_interval = milliseconds(5);
  const StoreMonitor monitor(
      {{"one", [](const Context&) { return Status(); }},
       {"two",
        [&](const Context&) {
          return there ? Status() : Status::Unavailable(StatusSubject::kLog, "nobody answers");
        }}},
      warn, options);
  const auto wait_for = [&](size_t n) {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(
        changed.wait_for(lock, std::chrono::seconds(30), [&] { return lines.size() >= n; }));
  };
  wait_for(1);
  std::string reason;
  EXPECT_TRUE(monitor.Lost(&reason));
  EXPECT_NE(reason.find("two is lost for 0 s: nobody answers"), std::string::npos) << reason;
  there = true;
  wait_for(2);
  EXPECT_FALSE(monitor.Lost(&reason));
  EXPECT_NE(lines[1].find("two is back"), std::string::npos) << lines[1];
}

TEST(StoreMonitorTest, NothingToAskIsNeverLost) {
  const StoreMonitor monitor({}, {}, {});
  std::string reason;
  EXPECT_FALSE(monitor.Lost(&reason));
}

}  // namespace
}  // namespace kite::server
