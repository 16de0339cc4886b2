#include "store/testing/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "base/check.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPoll{20};

// Everything the child needs, made before the fork: after it, only async-signal-safe calls.
struct ChildImage {
  explicit ChildImage(const ServerCommand& command) : arguments(command.arguments) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      if (!command.environment.contains(text.substr(0, text.find('='))))
        environment.push_back(text);
    }
    for (const auto& [name, value] : command.environment) {
      environment.push_back(name + "=" + value);
    }
    for (std::string& text : arguments) argv.push_back(text.data());
    for (std::string& text : environment) envp.push_back(text.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
  }

  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
};

[[noreturn]] void RunChild(const ChildImage& image, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvpe(image.argv[0], image.argv.data(), image.envp.data());
  constexpr char kMessage[] = "cannot be started; is it installed? (tools/setup.sh cluster)\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  ::_exit(127);
}

bool CanListenOn(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = LoopbackAddress(port);
  const bool bound =
      ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return bound;
}

}  // namespace

Result<std::unique_ptr<ServerProcess>> ServerProcess::Start(ServerCommand command, Ready ready,
                                                            milliseconds start_timeout) {
  KITE_CHECK(!command.arguments.empty(), "a server needs a program");
  std::unique_ptr<ServerProcess> process(
      new ServerProcess(std::move(command), std::move(ready), start_timeout));
  KITE_RETURN_IF_ERROR(process->Restart());
  return process;
}

ServerProcess::~ServerProcess() { Kill(); }

Status ServerProcess::Restart() {
  KITE_RETURN_IF_ERROR(Launch());
  return AwaitReady();
}

Status ServerProcess::Launch() {
  Kill();
  const int output =
      ::open(command_.output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (output < 0) {
    return Status::IoError(StatusSubject::kDisk,
                           command_.output_path + ": " + std::strerror(errno));
  }
  const ChildImage image(command_);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) RunChild(image, output, parent);
  ::close(output);
  if (child < 0) return Status::Internal(std::string("fork: ") + std::strerror(errno));
  pid_ = child;
  return {};
}

Status ServerProcess::AwaitReady() {
  const auto deadline = steady_clock::now() + start_timeout_;
  while (true) {
    if (!running()) {
      return Status::Unavailable(
          StatusSubject::kNode, command_.arguments[0] + " ended at its start: " + OutputTail(2000));
    }
    if (ready_()) return {};
    if (steady_clock::now() >= deadline) {
      return Status::DeadlineExceeded(command_.arguments[0] + " was not ready within " +
                                      std::to_string(start_timeout_.count()) +
                                      " ms: " + OutputTail(2000));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

void ServerProcess::Kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

void ServerProcess::Terminate(milliseconds timeout) {
  if (pid_ == 0) return;
  ::kill(pid_, SIGTERM);
  if (!ExitedWithin(timeout)) Kill();
}

bool ServerProcess::ExitedWithin(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (running()) {
    if (steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

void ServerProcess::Pause() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGSTOP);
  // A thread that runs on another core may go on for a while and answer one more request.
  int status = 0;
  if (::waitpid(pid_, &status, WUNTRACED) == pid_ && !WIFSTOPPED(status)) pid_ = 0;
}

void ServerProcess::Resume() {
  if (pid_ != 0) ::kill(pid_, SIGCONT);
}

bool ServerProcess::running() {
  if (pid_ == 0) return false;
  const pid_t ended = ::waitpid(pid_, nullptr, WNOHANG);
  if (ended == pid_) pid_ = 0;
  return pid_ != 0;
}

std::string ServerProcess::OutputTail(size_t bytes) const {
  std::ifstream file(command_.output_path, std::ios::binary);
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(command_.output_path, error);
  if (!file || error) return {};
  const size_t count = std::min<uintmax_t>(size, bytes);
  std::string tail(count, '\0');
  file.seekg(static_cast<std::streamoff>(size - count));
  file.read(tail.data(), static_cast<std::streamsize>(count));
  tail.resize(static_cast<size_t>(file.gcount()));
  return tail;
}

sockaddr_in LoopbackAddress(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t FreePort() {
  static std::mutex mutex;
  static std::set<uint16_t> given;
  static std::mt19937 random(std::random_device{}());
  const std::lock_guard lock(mutex);
  std::uniform_int_distribution<int> ports(12'000, 32'000);
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    const auto port = static_cast<uint16_t>(ports(random));
    if (CanListenOn(port) && given.insert(port).second) return port;
  }
  KITE_CHECK(false, "no free port between 12000 and 32000");
  return 0;
}

bool AcceptsConnections(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = LoopbackAddress(port);
  const bool connected =
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return connected;
}

}  // namespace kite::store
