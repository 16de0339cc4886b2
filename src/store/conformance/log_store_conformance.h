// What every LogStore must do. A backend instantiates the suite with a case that opens it:
//
//   INSTANTIATE_TEST_SUITE_P(File, LogStoreConformance, testing::Values(LogStoreCase{"file",
//   MakeFileLog}), CaseName);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/log_store.h"

namespace kite::store {

class LogStoreHarness {
 public:
  virtual ~LogStoreHarness() = default;
  /// Opens the store, empty the first time; later calls, after the store before was destroyed, find
  /// its data again. It has at least two streams.
  virtual Result<std::unique_ptr<LogStore>> Open() = 0;
};

struct LogStoreCase {
  std::string name;
  std::function<std::unique_ptr<LogStoreHarness>()> make;
};

inline std::ostream& operator<<(std::ostream& out, const LogStoreCase& c) { return out << c.name; }

inline std::string LogStoreCaseName(const testing::TestParamInfo<LogStoreCase>& info) {
  return info.param.name;
}

class LogStoreConformance : public testing::TestWithParam<LogStoreCase> {
 protected:
  void SetUp() override;
  void Reopen();
  std::unique_ptr<LogWriter> Writer(StreamId stream, Epoch epoch);
  /// Appends and waits until it is durable.
  static Result<LogOffset> Append(LogWriter& writer, std::string_view payload);
  /// Everything from `from` on, in pages of `page_bytes`.
  std::vector<LogRecord> ReadAll(StreamId stream, LogOffset from = 0, size_t page_bytes = 1 << 20);

  Context context_;
  std::unique_ptr<LogStoreHarness> harness_;
  std::unique_ptr<LogStore> store_;
};

}  // namespace kite::store
