// What one IVF search keeps while it runs, reused by the next one of the same thread.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/byte_codes.h"
#include "quant/rabitq.h"
#include "search/hit.h"

namespace kite::engine {

/// A vector whose lower bound has passed, by its position in the order of the lists.
struct Candidate {
  float lower = 0;
  float estimate = 0;
  uint32_t position = 0;
  uint32_t probe = 0;  ///< which of the lists that were scanned
};

/// A vector of a compressed FLAT whose bound has passed, see compressed_scan.cc.
struct CodedRow {
  float estimate = 0;
  float slack = 0;  ///< what rounding the table changes
  float error = 0;  ///< as in CodeFactors
  uint32_t id = 0;
};

/// What all vectors of a scanned list share, see code_factors.h.
struct ScannedList {
  float base = 0;
  float distance = 0;
};

struct ProbeBuffers {
  std::vector<float> rotated;  ///< query - mean in the basis of the codes
  ScanTable table;
  ByteQuery byte_query;
  std::vector<ScannedList> lists;
  std::vector<Candidate> candidates;
  std::vector<CodedRow> coded;
  std::vector<Hit> ranked;         ///< candidates by key; the low half is a number, not a row
  std::vector<float> uppers;       ///< a heap of the smallest upper bounds
  std::vector<float> byte_uppers;  ///< the same by 8-bit codes
};

/// The k-th smallest of a stream of upper bounds: nothing whose lower bound is above it is among
/// the k best. Not below the k-th best key unless an estimate is off by more than it should.
class UpperBound {
 public:
  /// Never above `limit`.
  UpperBound(size_t k, float limit, std::vector<float>& heap);
  void Add(float upper);
  [[nodiscard]] float value() const { return value_; }

 private:
  const size_t k_;
  float value_;
  std::vector<float>& heap_;  ///< the largest in front
};

}  // namespace kite::engine
