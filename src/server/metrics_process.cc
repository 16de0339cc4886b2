#include "server/metrics_process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

namespace kite::server {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

/// Fields of /proc/self/stat, counted from the state (proc(5) calls it 3) as 0.
constexpr size_t kUserTicks = 11;
constexpr size_t kSystemTicks = 12;
constexpr size_t kThreads = 17;
constexpr size_t kStartTicks = 19;
constexpr size_t kVirtualBytes = 20;
constexpr size_t kResidentPages = 21;
constexpr size_t kStatFields = 22;

std::string ReadAll(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<std::array<double, kStatFields>> ReadStat() {
  const std::string text = ReadAll("/proc/self/stat");
  // The program's name stands in parentheses and may hold anything.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 2 > text.size()) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 2));
  std::array<double, kStatFields> values{};
  std::string field;
  for (double& value : values) {
    if (!(fields >> field)) return std::nullopt;
    std::from_chars(field.data(), field.data() + field.size(), value);
  }
  return values;
}

std::optional<double> BootSeconds() {
  std::istringstream lines(ReadAll("/proc/stat"));
  std::string word;
  double seconds = 0;
  while (lines >> word) {
    if (word == "btime" && lines >> seconds) return seconds;
  }
  return std::nullopt;
}

std::optional<double> OpenFiles() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return std::nullopt;
  double count = 0;
  while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(folder);
  return count - 1;  // the folder itself
}

}  // namespace

MetricFamily GaugeFamily(std::string name, std::string help, double value) {
  MetricFamily family{std::move(name), std::move(help), MetricType::Gauge, {}};
  family.metric.emplace_back().gauge.value = value;
  return family;
}

std::vector<MetricFamily> ProcessMetrics() {
  std::vector<MetricFamily> families;
  if (const auto stat = ReadStat()) {
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    MetricFamily cpu{
        "process_cpu_seconds_total", "User and system time in seconds", MetricType::Counter, {}};
    cpu.metric.emplace_back().counter.value = ((*stat)[kUserTicks] + (*stat)[kSystemTicks]) / ticks;
    families.push_back(std::move(cpu));
    families.push_back(
        GaugeFamily("process_resident_memory_bytes", "Resident memory in bytes",
                    (*stat)[kResidentPages] * static_cast<double>(sysconf(_SC_PAGESIZE))));
    families.push_back(GaugeFamily("process_virtual_memory_bytes", "Virtual memory in bytes",
                                   (*stat)[kVirtualBytes]));
    families.push_back(GaugeFamily("process_threads", "Threads", (*stat)[kThreads]));
    if (const auto boot = BootSeconds()) {
      families.push_back(GaugeFamily("process_start_time_seconds",
                                     "Start time in seconds since the unix epoch",
                                     *boot + (*stat)[kStartTicks] / ticks));
    }
  }
  if (const auto files = OpenFiles()) {
    families.push_back(GaugeFamily("process_open_fds", "Open file descriptors", *files));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(GaugeFamily("process_max_fds", "Most file descriptors that may be open",
                                   static_cast<double>(limit.rlim_cur)));
  }
  return families;
}

}  // namespace kite::server
