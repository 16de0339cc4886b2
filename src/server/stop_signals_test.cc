#include "server/stop_signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace kite::server {
namespace {

using std::chrono::milliseconds;

/// Runs `body` in a child process that first blocks the signals; its exit code.
template <typename Body>
int InChild(milliseconds drain_max, Body body) {
  const pid_t child = fork();
  if (child == 0) {
    const auto log = Log::Open({.to_stderr = false});
    auto signals = StopSignals::Start(**log, drain_max);
    if (!signals.ok()) _exit(99);
    _exit(body(**signals));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(StopSignalsTest, TheFirstSignalCancelsAndWakes) {
  for (const int signal : {SIGTERM, SIGINT}) {
    EXPECT_EQ(InChild(milliseconds(5000),
                      [&](StopSignals& signals) {
                        if (signals.stopping() || signals.WaitFor(milliseconds(10))) return 1;
                        kill(getpid(), signal);
                        signals.Wait();
                        return signals.context().Check().Is(StatusKind::kCancelled) ? 7 : 2;
                      }),
              7);
  }
}

TEST(StopSignalsTest, TheSecondSignalEndsTheProcess) {
  EXPECT_EQ(InChild(milliseconds(5000),
                    [](StopSignals& signals) {
                      kill(getpid(), SIGTERM);
                      signals.Wait();
                      kill(getpid(), SIGINT);
                      pause();
                      return 7;
                    }),
            1);
}

TEST(StopSignalsTest, ADrainThatHangsIsEnded) {
  EXPECT_EQ(InChild(milliseconds(50),
                    [](StopSignals& signals) {
                      kill(getpid(), SIGTERM);
                      signals.Wait();
                      pause();
                      return 7;
                    }),
            1);
}

TEST(StopSignalsTest, NothingEndsBeforeASignal) {
  EXPECT_EQ(InChild(milliseconds(1),
                    [](StopSignals& signals) { return signals.WaitFor(milliseconds(50)) ? 1 : 7; }),
            7);
}

TEST(StopSignalsTest, BrokenPipesAreErrorsNotTheEnd) {
  EXPECT_EQ(InChild(milliseconds(1000),
                    [](StopSignals&) {
                      raise(SIGPIPE);
                      return 7;
                    }),
            7);
}

}  // namespace
}  // namespace kite::server
