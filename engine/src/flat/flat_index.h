// FLAT: exact search by scanning the borrowed vectors.
#pragma once

#include <limits>
#include <memory>

#include "search/dense_index.h"

namespace kite::engine {

class FlatIndex final : public DenseIndex {
 public:
  using DenseIndex::DenseIndex;

 private:
  [[nodiscard]] double ApproximateCost(const SearchJob& /*job*/, size_t /*wanted*/) const override {
    return std::numeric_limits<double>::infinity();
  }
  [[nodiscard]] bool AlwaysScans() const override { return true; }
  Result<bool> Approximate(const SearchJob& /*job*/, size_t /*wanted*/) const override {
    return false;
  }
  [[nodiscard]] size_t StructureBytes() const override { return 0; }
  void AddSections(IndexFileWriter& /*writer*/) const override {}
};

}  // namespace kite::engine
