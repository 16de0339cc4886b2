#include "query/filter/node.h"

#include <algorithm>
#include <string>

namespace kite::query::filter {
namespace {

class ConstantNode final : public Node {
 public:
  explicit ConstantNode(bool matches) : matches_(matches) {}
  [[nodiscard]] int cost() const override { return 0; }

 protected:
  Result<Outcome> DoPrepare(EvalState&) const override {
    return matches_ ? Outcome::kAlways : Outcome::kNever;
  }
  void DoEvaluate(const Batch&, const uint64_t*, uint64_t*) const override {}

 private:
  bool matches_;
};

class LogicalNode final : public Node {
 public:
  LogicalNode(bool all, std::vector<NodePtr> children) : all_(all), children_(std::move(children)) {
    std::stable_sort(children_.begin(), children_.end(),
                     [](const NodePtr& a, const NodePtr& b) { return a->cost() < b->cost(); });
    for (const NodePtr& child : children_) cost_ = std::min(cost_ + child->cost(), 1 << 20);
  }
  [[nodiscard]] int cost() const override { return cost_; }

 protected:
  Result<Outcome> DoPrepare(EvalState& state) const override {
    const Outcome decisive = all_ ? Outcome::kNever : Outcome::kAlways;
    const Outcome neutral = all_ ? Outcome::kAlways : Outcome::kNever;
    bool all_neutral = true;
    for (const NodePtr& child : children_) {
      KITE_RETURN_IF_ERROR(child->Prepare(state));
      if (child->outcome(state) == decisive) return decisive;
      all_neutral &= child->outcome(state) == neutral;
    }
    return all_neutral ? neutral : Outcome::kVaries;
  }

  // A child sees only the rows that the children before it left undecided.
  void DoEvaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const override {
    const size_t words = batch.words();
    uint64_t undecided[kBatchWords];
    uint64_t result[kBatchWords];
    std::copy_n(active, words, undecided);
    std::fill_n(out, words, 0);
    for (const NodePtr& child : children_) {
      child->Evaluate(batch, undecided, result);
      uint64_t rest = 0;
      for (size_t i = 0; i < words; ++i) {
        if (!all_) out[i] |= result[i] & undecided[i];
        undecided[i] &= all_ ? result[i] : ~result[i];
        rest |= undecided[i];
      }
      if (rest == 0) break;
    }
    if (all_) std::copy_n(undecided, words, out);
  }

 private:
  bool all_;
  std::vector<NodePtr> children_;
  int cost_ = 0;
};

}  // namespace

Status EvalState::Load(const FieldRef& field) {
  if (loaded_[field.slot]) return {};
  KITE_ASSIGN_OR_RETURN(model::Column column, source_.GetColumn(field.id));
  const size_t rows = source_.rows();
  const size_t width = model::FixedWidth(field.type, 0);
  const bool fits = column.type == field.type && column.rows == rows &&
                    (column.valid.empty() || column.valid.size() >= rows) &&
                    (width != 0 ? column.data.size() >= rows * width
                                : column.offsets.size() >= (rows + 1) * sizeof(uint64_t));
  if (!fits) {
    return Status::Corruption(StatusSubject::kField,
                              "a column does not have the type or the rows of its field");
  }
  columns_[field.slot] = std::move(column);
  loaded_[field.slot] = 1;
  return {};
}

std::unique_ptr<NumberBatch> EvalState::TakeNumbers() {
  if (free_.empty()) return std::make_unique<NumberBatch>();
  std::unique_ptr<NumberBatch> batch = std::move(free_.back());
  free_.pop_back();
  return batch;
}

void Node::Evaluate(const Batch& batch, const uint64_t* active, uint64_t* out) const {
  const Outcome known = batch.state.outcome(id_);
  if (known == Outcome::kVaries) return DoEvaluate(batch, active, out);
  std::fill_n(out, batch.words(), known == Outcome::kAlways ? ~uint64_t{0} : 0);
}

NodePtr MakeConstantNode(bool matches) { return std::make_unique<ConstantNode>(matches); }

NodePtr MakeLogicalNode(bool all, std::vector<NodePtr> children) {
  return std::make_unique<LogicalNode>(all, std::move(children));
}

}  // namespace kite::query::filter
