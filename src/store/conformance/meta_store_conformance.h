// What every MetaStore must do; see log_store_conformance.h for how a backend instantiates it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "store/meta_store.h"

namespace kite::store {

class MetaStoreHarness {
 public:
  virtual ~MetaStoreHarness() = default;
  /// Opens the store, empty the first time; later calls, after the store before was destroyed, find
  /// its data again.
  virtual Result<std::unique_ptr<MetaStore>> Open() = 0;
  /// Lets so much time pass on the clock that leases run on.
  virtual void PassTime(std::chrono::milliseconds time) = 0;
};

struct MetaStoreCase {
  std::string name;
  std::function<std::unique_ptr<MetaStoreHarness>()> make;
};

inline std::ostream& operator<<(std::ostream& out, const MetaStoreCase& c) { return out << c.name; }

inline std::string MetaStoreCaseName(const testing::TestParamInfo<MetaStoreCase>& info) {
  return info.param.name;
}

/// Collects what a watch tells.
class EventLog {
 public:
  void Add(const std::vector<MetaEvent>& events);
  /// Waits until `n` callbacks came (10 s at most) and returns all so far.
  std::vector<std::vector<MetaEvent>> WaitFor(size_t n);

 private:
  std::mutex mutex_;
  std::condition_variable added_;
  std::vector<std::vector<MetaEvent>> batches_;
};

class MetaStoreConformance : public testing::TestWithParam<MetaStoreCase> {
 protected:
  void SetUp() override;
  void Reopen();
  /// Commits `ops` without compares; 0 on failure.
  int64_t Commit(std::vector<MetaOp> ops);
  Status TryCommit(std::vector<MetaCompare> compares, std::vector<MetaOp> ops);
  std::optional<MetaEntry> Get(const std::string& key);
  std::string Value(const std::string& key);
  /// A lease that is over may take a store a moment to end.
  bool IsGoneSoon(const std::string& key);
  LeaseId Grant(std::chrono::milliseconds ttl);

  Context context_;
  std::unique_ptr<MetaStoreHarness> harness_;
  std::unique_ptr<MetaStore> store_;
};

}  // namespace kite::store
