#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <mutex>

#include "sparse/sparse_index.h"

namespace kite::engine {
namespace {

/// A term with this share of a part's rows, or more, is a column: that takes up to 64 bytes for a
/// posting, and is added 64 rows at a time.
constexpr size_t kColumnShare = 64;

/// The vectors' entries that a loop handles before it looks whether to stop.
constexpr size_t kEntriesPerLook = 16384;

/// The terms of one part before they have their places in the arrays.
struct PartTerms {
  std::vector<uint32_t> terms;
  std::vector<uint32_t> counts;
  uint64_t postings = 0;
  uint64_t columns = 0;
};

struct PartRows {
  PartRows(const VectorSource& vectors, size_t part)
      : first(part * kPartRows), count(std::min(vectors.rows - first, kPartRows)) {}
  size_t first;
  size_t count;
  [[nodiscard]] size_t blocks() const { return (count + kBlockRows - 1) / kBlockRows; }
  [[nodiscard]] bool IsColumn(size_t postings) const { return postings * kColumnShare >= count; }
};

/// The indices with a value above 0, and in how many rows.
PartTerms CountTerms(const VectorSource& vectors, const PartRows& rows) {
  std::vector<uint32_t> indices;
  indices.reserve(vectors.entry_offsets[rows.first + rows.count] -
                  vectors.entry_offsets[rows.first]);
  for (size_t row = 0; row < rows.count; ++row) {
    for (const SparseEntry& entry : SparseRow(vectors, rows.first + row)) {
      if (entry.value > 0) indices.push_back(entry.index);
    }
  }
  std::sort(indices.begin(), indices.end());
  PartTerms result;
  for (size_t i = 0; i < indices.size();) {
    size_t end = i + 1;
    while (end < indices.size() && indices[end] == indices[i]) ++end;
    result.terms.push_back(indices[i]);
    result.counts.push_back(static_cast<uint32_t>(end - i));
    (rows.IsColumn(end - i) ? result.columns : result.postings) +=
        rows.IsColumn(end - i) ? 1 : end - i;
    i = end;
  }
  return result;
}

class SparseBuilder {
 public:
  SparseBuilder(const Context& context, const VectorSource& vectors, const SparseWeights& weights,
                Executor& executor, const std::function<void(double)>& progress)
      : context_(context),
        vectors_(vectors),
        weights_(weights),
        executor_(executor),
        progress_(progress),
        parts_((vectors.rows + kPartRows - 1) / kPartRows) {}

  Result<SparseLists> Run() {
    std::vector<PartTerms> counted(parts_);
    const auto count = [&](size_t part) {
      KITE_RETURN_IF_ERROR(CheckVectors(part));
      counted[part] = CountTerms(vectors_, {vectors_, part});
      return context_.Check();
    };
    const auto fill = [&](size_t part) {
      PlaceTerms(part, counted[part]);
      counted[part] = {};
      return FillPart(part);
    };
    KITE_RETURN_IF_ERROR(ForParts(count));
    KITE_RETURN_IF_ERROR(Allocate(counted));
    KITE_RETURN_IF_ERROR(ForParts(fill));
    return std::move(lists_);
  }

 private:
  Status ForParts(const std::function<Status(size_t part)>& body) {
    return ParallelFor(executor_, parts_, 1, [&](size_t part) {
      KITE_RETURN_IF_ERROR(body(part));
      if (progress_) progress_(Done());
      return Status();
    });
  }

  /// The share done after one more part of one of the two passes.
  double Done() {
    const std::lock_guard lock(mutex_);
    return static_cast<double>(++done_) / static_cast<double>(2 * parts_);
  }

  Status CheckVectors(size_t part) const {
    const PartRows rows(vectors_, part);
    size_t left = kEntriesPerLook;
    for (size_t row = rows.first; row < rows.first + rows.count; ++row) {
      const SparseVector vector = SparseRow(vectors_, row);
      const Status status = CheckSparseVector(vector);
      if (!status.ok()) return status.WithContext("row " + std::to_string(row));
      if (vector.size() < left) {
        left -= vector.size();
      } else {
        left = kEntriesPerLook;
        KITE_RETURN_IF_ERROR(context_.Check());
      }
    }
    return {};
  }

  Status Allocate(const std::vector<PartTerms>& counted) {
    KITE_ASSIGN_OR_RETURN(lists_.bounds, Array<SparseLists::Bounds>::Allocate(parts_ + 1));
    SparseLists::Bounds* const bounds = lists_.bounds.mutable_data();
    uint64_t blocks = 0;
    for (size_t part = 0; part < parts_; ++part) {
      const PartTerms& terms = counted[part];
      bounds[part + 1] = {bounds[part].terms + terms.terms.size(),
                          bounds[part].postings + terms.postings,
                          bounds[part].columns + terms.columns};
      blocks += terms.columns * PartRows(vectors_, part).blocks();
    }
    const SparseLists::Bounds& all = bounds[parts_];
    KITE_ASSIGN_OR_RETURN(lists_.terms, Array<uint32_t>::Allocate(all.terms));
    KITE_ASSIGN_OR_RETURN(lists_.steps, Array<float>::Allocate(all.terms));
    KITE_ASSIGN_OR_RETURN(lists_.begins, Array<uint32_t>::Allocate(all.terms));
    KITE_ASSIGN_OR_RETURN(lists_.counts, Array<uint32_t>::Allocate(all.terms));
    KITE_ASSIGN_OR_RETURN(lists_.ranked, Array<uint8_t>::Allocate(all.terms * kSparseRanks.size()));
    KITE_ASSIGN_OR_RETURN(lists_.rows, Array<uint16_t>::Allocate(all.postings));
    KITE_ASSIGN_OR_RETURN(lists_.codes, Array<uint8_t>::Allocate(all.postings));
    KITE_ASSIGN_OR_RETURN(lists_.columns, Array<uint8_t>::Allocate(blocks * kBlockRows));
    KITE_ASSIGN_OR_RETURN(lists_.maxima, Array<uint8_t>::Allocate(blocks));
    if (weights_.bm25) {
      KITE_ASSIGN_OR_RETURN(lists_.lengths, Array<float>::Allocate(vectors_.rows));
    }
    return {};
  }

  void PlaceTerms(size_t part, const PartTerms& counted) {
    const PartRows rows(vectors_, part);
    const uint64_t first = lists_.bounds[part].terms;
    uint32_t postings = 0;
    uint32_t columns = 0;
    for (size_t t = 0; t < counted.terms.size(); ++t) {
      const uint32_t count = counted.counts[t];
      const bool column = rows.IsColumn(count);
      lists_.terms.mutable_data()[first + t] = counted.terms[t];
      lists_.begins.mutable_data()[first + t] = column ? columns : postings;
      lists_.counts.mutable_data()[first + t] = column ? count | SparseLists::kColumnMark : count;
      if (column) {
        ++columns;
      } else {
        postings += count;
      }
    }
  }

  /// Calls visit(row within the part, term within the part, weight) for all postings in order of
  /// rows.
  template <typename Visit>
  Status ForPostings(size_t part, const SparseDirectory& directory, const Visit& visit) const {
    const PartRows rows(vectors_, part);
    size_t left = kEntriesPerLook;
    for (size_t row = 0; row < rows.count; ++row) {
      const SparseVector vector = SparseRow(vectors_, rows.first + row);
      const SparseNorm norm = weights_.Norm(weights_.bm25 ? lists_.lengths[rows.first + row] : 0);
      for (const SparseEntry& entry : vector) {
        if (entry.value > 0) {
          visit(row, directory.Find(entry.index), SparseWeight(norm, entry.value));
        }
      }
      if (vector.size() < left) {
        left -= vector.size();
      } else {
        left = kEntriesPerLook;
        KITE_RETURN_IF_ERROR(context_.Check());
      }
    }
    return {};
  }

  Status FillPart(size_t part) {
    const PartRows rows(vectors_, part);
    for (size_t row = rows.first; weights_.bm25 && row < rows.first + rows.count; ++row) {
      lists_.lengths.mutable_data()[row] = SparseLength(SparseRow(vectors_, row));
    }
    const SparseLists::Bounds& begin = lists_.bounds[part];
    const size_t terms = lists_.bounds[part + 1].terms - begin.terms;
    const SparseDirectory directory(lists_.terms.span().subspan(begin.terms, terms));
    float* const steps = lists_.steps.mutable_data() + begin.terms;
    const auto measure = [&](size_t, size_t term, float weight) {
      steps[term] = std::max(steps[term], weight);
    };
    KITE_RETURN_IF_ERROR(ForPostings(part, directory, measure));
    for (size_t t = 0; t < terms; ++t) {
      steps[t] = std::max(steps[t] / 255, std::numeric_limits<float>::denorm_min());
    }
    std::vector<uint32_t> next(lists_.begins.data() + begin.terms,
                               lists_.begins.data() + begin.terms + terms);
    const size_t blocks = rows.blocks();
    uint8_t* const columns = lists_.columns.mutable_data() + begin.columns * kPartRows;
    uint8_t* const maxima = lists_.maxima.mutable_data() + begin.columns * kPartBlocks;
    const auto place = [&](size_t row, size_t term, float weight) {
      const auto code =
          static_cast<uint8_t>(std::clamp(std::ceil(weight / steps[term]), 1.0F, 255.0F));
      if ((lists_.counts[begin.terms + term] & SparseLists::kColumnMark) == 0) {
        const size_t at = begin.postings + next[term]++;
        lists_.rows.mutable_data()[at] = static_cast<uint16_t>(row);
        lists_.codes.mutable_data()[at] = code;
      } else {
        columns[next[term] * blocks * kBlockRows + row] = code;
        uint8_t& greatest = maxima[next[term] * blocks + row / kBlockRows];
        greatest = std::max(greatest, code);
      }
    };
    KITE_RETURN_IF_ERROR(ForPostings(part, directory, place));
    for (size_t t = 0; t < terms; ++t) RankCodes(part, begin.terms + t);
    return context_.Check();
  }

  /// Fills in how great a code has to be to be among a term's greatest.
  void RankCodes(size_t part, uint64_t term) {
    const bool column = (lists_.counts[term] & SparseLists::kColumnMark) != 0;
    const PartRows rows(vectors_, part);
    const SparseLists::Bounds& begin = lists_.bounds[part];
    const uint8_t* const codes = column
                                     ? lists_.columns.data() + begin.columns * kPartRows +
                                           size_t{lists_.begins[term]} * rows.blocks() * kBlockRows
                                     : lists_.codes.data() + begin.postings + lists_.begins[term];
    const size_t n = column ? rows.count : lists_.counts[term];
    std::array<size_t, 256> histogram{};
    for (size_t i = 0; i < n; ++i) ++histogram[codes[i]];
    size_t greater = 0;
    size_t code = 256;
    for (size_t r = 0; r < kSparseRanks.size(); ++r) {
      while (code > 1 && greater < kSparseRanks[r]) greater += histogram[--code];
      lists_.ranked.mutable_data()[term * kSparseRanks.size() + r] =
          greater < kSparseRanks[r] ? 0 : static_cast<uint8_t>(code);
    }
  }

  const Context& context_;
  const VectorSource& vectors_;
  const SparseWeights weights_;
  Executor& executor_;
  const std::function<void(double)>& progress_;
  const size_t parts_;
  SparseLists lists_;
  std::mutex mutex_;
  size_t done_ = 0;
};

std::string Text(float value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", static_cast<double>(value));
  return text;
}

}  // namespace

Result<std::unique_ptr<Index>> SparseIndex::Build(const Context& context, BuildSpec spec,
                                                  const VectorSource& vectors, Executor& executor,
                                                  const std::function<void(double)>& progress) {
  const double average = spec.metric == Metric::kBm25 ? AverageLength(vectors) : 1;
  KITE_ASSIGN_OR_RETURN(const SparseWeights weights,
                        SparseWeights::Make(spec.metric, spec.params, average));
  if (weights.bm25) {
    spec.params.insert_or_assign(std::string(kBm25K1.name), Text(weights.k1));
    spec.params.insert_or_assign(std::string(kBm25B.name), Text(weights.b));
    spec.params.insert_or_assign(std::string(kBm25AverageLength.name),
                                 Text(weights.average_length));
  }
  KITE_ASSIGN_OR_RETURN(SparseLists lists,
                        SparseBuilder(context, vectors, weights, executor, progress).Run());
  return std::make_unique<SparseIndex>(std::move(spec), weights, vectors, std::move(lists));
}

size_t SparseIndex::EstimateStructureBytes(const BuildSpec& spec, const VectorSource& vectors) {
  size_t bytes = sizeof(SparseLists::Bounds);
  for (size_t part = 0; part * kPartRows < vectors.rows; ++part) {
    const PartRows rows(vectors, part);
    const PartTerms counted = CountTerms(vectors, rows);
    // Of a term: index, step, begin, count, and up to two starts of the directory.
    bytes += sizeof(SparseLists::Bounds) + sizeof(SparseDirectory) + counted.terms.size() * 27 +
             counted.postings * 3 + counted.columns * rows.blocks() * (kBlockRows + 1);
  }
  return bytes + (spec.metric == Metric::kBm25 ? vectors.rows * sizeof(float) : 0);
}

size_t SparseIndex::EstimatePeakBytes(const BuildSpec& spec, const VectorSource& vectors,
                                      size_t threads) {
  // While parts are counted each has its indices; while they are filled all terms exist twice.
  size_t largest = 0;
  for (size_t part = 0; part * kPartRows < vectors.rows; ++part) {
    const PartRows rows(vectors, part);
    largest = std::max<size_t>(largest, vectors.entry_offsets[rows.first + rows.count] -
                                            vectors.entry_offsets[rows.first]);
  }
  const size_t parts = (vectors.rows + kPartRows - 1) / kPartRows;
  const size_t counting = std::min(threads, parts) * largest * sizeof(uint32_t);
  const size_t structure = EstimateStructureBytes(spec, vectors);
  return std::max(counting + structure / 8, structure + structure / 8);
}

}  // namespace kite::engine
