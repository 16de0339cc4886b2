// Node: one predicate of a bound filter, evaluated for batches of rows.
//
// The binder pushes `not` down to the leaves (De Morgan holds in three-valued logic), so a tree is
// and / or over literals, each of which is a predicate or its negation. A literal's bit says
// "definitely true"; FALSE and NULL are both 0, and and / or are plain bit operations.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/column.h"
#include "segment/column_source.h"

namespace kite::query::filter {

/// Rows of a batch: masks and number buffers of this length stay in the first-level cache.
inline constexpr size_t kBatchRows = 2048;
inline constexpr size_t kBatchWords = kBatchRows / 64;

/// What is known of a literal for all rows before any is read.
enum class Outcome : uint8_t { kVaries, kNever, kAlways };

/// Numbers of one batch, see number_expr.h. Pooled: they are too large for the stack of a deep
/// tree.
struct NumberBatch {
  enum class Kind : uint8_t { kInteger, kDouble, kMixed };
  Kind kind = Kind::kInteger;
  int64_t integers[kBatchRows];
  double doubles[kBatchRows];
  uint8_t is_integer[kBatchRows];  // of kMixed
  uint8_t valid[kBatchRows];
};

/// A field as the filter reads it.
struct FieldRef {
  model::FieldId id;
  model::DataType type = model::DataType::kNone;
  model::DataType element_type = model::DataType::kNone;
  uint32_t slot = 0;  // its position among the filter's fields
  bool nullable = false;
};

/// State of one Evaluate call: columns, what preparing found out, scratch. Used by one thread.
class EvalState {
 public:
  EvalState(const segment::ColumnSource& source, size_t fields, size_t nodes)
      : source_(source), columns_(fields), loaded_(fields), outcomes_(nodes), bits_(nodes) {}

  [[nodiscard]] const segment::ColumnSource& source() const { return source_; }
  [[nodiscard]] size_t rows() const { return source_.rows(); }

  /// Reads the column once. Corruption when it does not fit the field or the rows.
  Status Load(const FieldRef& field);
  /// After Load.
  [[nodiscard]] const model::Column& column(const FieldRef& field) const {
    return columns_[field.slot];
  }

  [[nodiscard]] Outcome& outcome(uint32_t node) { return outcomes_[node]; }
  /// The answer of a scalar index for all rows; empty when there is none.
  [[nodiscard]] std::vector<uint64_t>& index_bits(uint32_t node) { return bits_[node]; }

  /// A buffer from the pool for as long as the handle lives.
  class PooledNumbers {
   public:
    explicit PooledNumbers(EvalState& state) : state_(state), batch_(state.TakeNumbers()) {}
    ~PooledNumbers() { state_.free_.push_back(std::move(batch_)); }
    PooledNumbers(const PooledNumbers&) = delete;
    PooledNumbers& operator=(const PooledNumbers&) = delete;
    NumberBatch& operator*() { return *batch_; }

   private:
    EvalState& state_;
    std::unique_ptr<NumberBatch> batch_;
  };

 private:
  std::unique_ptr<NumberBatch> TakeNumbers();

  const segment::ColumnSource& source_;
  std::vector<model::Column> columns_;
  std::vector<uint8_t> loaded_;
  std::vector<Outcome> outcomes_;
  std::vector<std::vector<uint64_t>> bits_;
  std::vector<std::unique_ptr<NumberBatch>> free_;
};

/// A run of at most kBatchRows rows that begins at a multiple of 64.
struct Batch {
  EvalState& state;
  size_t begin = 0;
  size_t rows = 0;
  [[nodiscard]] size_t words() const { return (rows + 63) / 64; }
};

class Node {
 public:
  virtual ~Node() = default;

  /// Once per EvalState, before Evaluate: loads columns, asks indexes and statistics.
  Status Prepare(EvalState& state) const {
    KITE_ASSIGN_OR_RETURN(state.outcome(id_), DoPrepare(state));
    return {};
  }
  [[nodiscard]] Outcome outcome(EvalState& state) const { return state.outcome(id_); }

  /// Writes batch.words() words to `out`. Only the rows of `active` need to be right; bits beyond
  /// the batch's rows are not defined.
  void Evaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const;

  /// Relative work for a row: and / or evaluate the cheap operands first.
  [[nodiscard]] virtual int cost() const = 0;

  void set_id(uint32_t id) { id_ = id; }

 protected:
  virtual Result<Outcome> DoPrepare(EvalState& state) const = 0;
  virtual void DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const = 0;
  [[nodiscard]] uint32_t id() const { return id_; }

 private:
  uint32_t id_ = 0;
};

using NodePtr = std::unique_ptr<Node>;

// Costs of leaves.
inline constexpr int kCostFixed = 1;
inline constexpr int kCostNumbers = 4;
inline constexpr int kCostText = 8;
inline constexpr int kCostPattern = 20;
inline constexpr int kCostRow = 40;

/// Calls `match(row)` for the batch-relative rows of `active` and sets the bits where it is true.
template <typename Match>
void EvaluateRows(const Batch& batch, const uint64_t* active, uint64_t* out, const Match& match) {
  for (size_t word = 0; word < batch.words(); ++word) {
    const size_t left = batch.rows - word * 64;
    uint64_t pending = active[word] & (left < 64 ? (uint64_t{1} << left) - 1 : ~uint64_t{0});
    uint64_t result = 0;
    while (pending != 0) {
      const int bit = std::countr_zero(pending);
      pending &= pending - 1;
      result |= uint64_t{match(word * 64 + bit)} << bit;
    }
    out[word] = result;
  }
}

/// 64 bytes of 0 or 1 to 64 bits.
inline uint64_t PackBytes(const uint8_t* bytes) {
  uint64_t word = 0;
  for (int i = 0; i < 8; ++i) {
    uint64_t eight;
    __builtin_memcpy(&eight, bytes + i * 8, 8);
    word |= (eight * 0x0102040810204080ULL) >> 56 << (i * 8);
  }
  return word;
}

NodePtr MakeConstantNode(bool matches);
/// `all`: and, otherwise or. Two or more children.
NodePtr MakeLogicalNode(bool all, std::vector<NodePtr> children);

}  // namespace kite::query::filter
