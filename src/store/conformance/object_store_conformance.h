// What every ObjectStore must do; see log_store_conformance.h for how a backend instantiates it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "store/object_store.h"

namespace kite::store {

class ObjectStoreHarness {
 public:
  virtual ~ObjectStoreHarness() = default;
  /// Opens the store, empty the first time; later calls, after the store before was destroyed, find
  /// its data again.
  virtual Result<std::unique_ptr<ObjectStore>> Open() = 0;
  /// Ends the server behind the store with kill -9 and starts it again; false when there is none.
  virtual bool Restart() { return false; }
};

struct ObjectStoreCase {
  std::string name;
  std::function<std::unique_ptr<ObjectStoreHarness>()> make;
};

inline std::ostream& operator<<(std::ostream& out, const ObjectStoreCase& c) {
  return out << c.name;
}

inline std::string ObjectStoreCaseName(const testing::TestParamInfo<ObjectStoreCase>& info) {
  return info.param.name;
}

class ObjectStoreConformance : public testing::TestWithParam<ObjectStoreCase> {
 protected:
  void SetUp() override;
  void Reopen();
  void Put(const std::string& key, std::string_view bytes);
  /// Keys under `prefix`, in pages of `limit`.
  std::vector<std::string> Keys(const std::string& prefix, size_t limit = 1000);

  Context context_;
  std::unique_ptr<ObjectStoreHarness> harness_;
  std::unique_ptr<ObjectStore> store_;
};

}  // namespace kite::store
