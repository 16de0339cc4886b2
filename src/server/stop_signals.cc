#include "server/stop_signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "server/exit_code.h"

namespace kite::server {
namespace {

/// Without destructors: other threads may be anywhere.
[[noreturn]] void EndNow() { _exit(static_cast<int>(ExitCode::kFailure)); }

}  // namespace

Result<std::unique_ptr<StopSignals>> StopSignals::Start(Log& log,
                                                        std::chrono::milliseconds drain_max) {
  sigset_t handled;
  sigemptyset(&handled);
  sigaddset(&handled, SIGTERM);
  sigaddset(&handled, SIGINT);
  std::signal(SIGPIPE, SIG_IGN);
  Descriptor signals;
  if (pthread_sigmask(SIG_BLOCK, &handled, nullptr) == 0) {
    signals = Descriptor(signalfd(-1, &handled, SFD_CLOEXEC));
  }
  Descriptor done(eventfd(0, EFD_CLOEXEC));
  if (!signals.valid() || !done.valid()) {
    return Status::IoError(StatusSubject::kNode,
                           "cannot wait for signals: no file descriptor left");
  }
  return std::unique_ptr<StopSignals>(
      new StopSignals(log, drain_max, std::move(signals), std::move(done)));
}

StopSignals::StopSignals(Log& log, std::chrono::milliseconds drain_max, Descriptor signals,
                         Descriptor done)
    : log_(log), drain_max_(drain_max), signals_(std::move(signals)), done_(std::move(done)) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "signals");
    Watch();
  });
}

StopSignals::~StopSignals() {
  eventfd_write(done_.get(), 1);
  thread_.join();
}

void StopSignals::Wait() {
  std::unique_lock lock(mutex_);
  stopped_.wait(lock, [this] { return stopping(); });
}

bool StopSignals::WaitFor(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return stopped_.wait_for(lock, timeout, [this] { return stopping(); });
}

void StopSignals::Watch() {
  const char* signal = NextSignal(-1);
  if (signal == nullptr) return;
  log_.Info("stopping", {{"signal", signal}});
  {
    const std::scoped_lock lock(mutex_);
    context_.Cancel();
  }
  stopped_.notify_all();
  signal = NextSignal(static_cast<int>(drain_max_.count()));
  if (signal != nullptr) {
    log_.Warn("ending at once", {{"signal", signal}});
    EndNow();
  }
  eventfd_t ended = 0;
  pollfd done{done_.get(), POLLIN, 0};
  if (poll(&done, 1, 0) > 0 && eventfd_read(done_.get(), &ended) == 0) return;
  log_.Error("the drain takes too long; ending at once",
             {{"seconds", std::to_string(drain_max_.count() / 1000.0)}});
  EndNow();
}

const char* StopSignals::NextSignal(int timeout_ms) {
  std::array<pollfd, 2> waited{{{signals_.get(), POLLIN, 0}, {done_.get(), POLLIN, 0}}};
  int ready = 0;
  do {
    ready = poll(waited.data(), waited.size(), timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0 || waited[0].revents == 0) return nullptr;
  signalfd_siginfo info{};
  if (read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return nullptr;
  return info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";
}

}  // namespace kite::server
