#include "search/scan.h"

#include <bit>

#include "search/top_k.h"

namespace kite::engine {
namespace {

/// Rows whose filter bits are read before their vectors are scored.
constexpr size_t kRowsPerGather = 8192;

void ScanDense(const SearchJob& job, const VectorBlock& block, TopK& top) {
  std::vector<float>& keys = job.scratch.keys;
  const size_t batch = job.pacer.batch();
  keys.resize(batch);
  for (size_t begin = 0; begin < block.count; begin += batch) {
    const size_t n = std::min(batch, block.count - begin);
    job.scorer.Block(begin, n, keys.data());
    for (size_t i = 0; i < n; ++i) top.Add(PackHit(keys[i], block.RowOf(begin + i)));
    if (!job.pacer.Spend(n)) return;
  }
}

/// ids = the vectors of [begin, end) whose rows pass the filter; vector i is row first_row + i.
void GatherByWords(const Filter& filter, Row first_row, size_t begin, size_t end,
                   std::vector<uint32_t>& ids) {
  const size_t row_begin = first_row + begin;
  const size_t row_end = first_row + end;
  for (size_t word = row_begin / 64; word * 64 < row_end; ++word) {
    uint64_t live = ~uint64_t{0};
    if (filter.out != nullptr) live &= ~filter.out[word];
    if (filter.deleted != nullptr) live &= ~filter.deleted[word];
    if (word * 64 < row_begin) live &= ~uint64_t{0} << (row_begin % 64);
    if (word * 64 + 64 > row_end) live &= ~uint64_t{0} >> (64 - row_end % 64);
    for (; live != 0; live &= live - 1) {
      const size_t row = word * 64 + static_cast<size_t>(std::countr_zero(live));
      ids.push_back(static_cast<uint32_t>(row - first_row));
    }
  }
}

void Gather(const Filter& filter, const VectorBlock& block, size_t begin, size_t end,
            std::vector<uint32_t>& ids) {
  ids.clear();
  if (block.row_of == nullptr) {
    GatherByWords(filter, block.first_row, begin, end, ids);
  } else {
    for (size_t i = begin; i < end; ++i) {
      if (!filter.IsOut(block.row_of[i])) ids.push_back(static_cast<uint32_t>(i));
    }
  }
  if (block.has_nulls) {
    std::erase_if(ids, [&](uint32_t id) { return block.matrix.inverse_norms[id] == kNullNorm; });
  }
}

void ScanGathered(const SearchJob& job, const VectorBlock& block, TopK& top) {
  std::vector<float>& keys = job.scratch.keys;
  std::vector<uint32_t>& ids = job.scratch.ids;
  const size_t batch = job.pacer.batch();
  keys.resize(batch);
  for (size_t begin = 0; begin < block.count; begin += kRowsPerGather) {
    Gather(job.filter, block, begin, std::min(begin + kRowsPerGather, block.count), ids);
    for (size_t i = 0; i < ids.size(); i += batch) {
      const size_t n = std::min(batch, ids.size() - i);
      job.scorer.Ids(ids.data() + i, n, keys.data());
      for (size_t j = 0; j < n; ++j) top.Add(PackHit(keys[j], block.RowOf(ids[i + j])));
      if (!job.pacer.Spend(n)) return;
    }
    if (!job.pacer.Spend(1)) return;
  }
}

}  // namespace

Status ScanAll(const SearchJob& job, std::span<const VectorBlock> blocks) {
  const bool groups = job.params.group_of != nullptr;
  const size_t k = groups ? job.survivors.max : std::min(job.params.k, job.survivors.max);
  job.scratch.hits.clear();
  if (k == 0) return job.pacer.status();
  TopK top(k, job.window, groups ? job.scratch.order : job.scratch.hits);
  for (const VectorBlock& block : blocks) {
    job.scorer.SetMatrix(block.matrix);
    if (job.filter.empty() && !block.has_nulls) {
      ScanDense(job, block, top);
    } else {
      ScanGathered(job, block, top);
    }
    KITE_RETURN_IF_ERROR(job.pacer.status());
  }
  if (groups) {
    SelectGroups(job.scratch.order, job.params, job.scratch.hits);
  } else {
    top.Finish();
  }
  return {};
}

}  // namespace kite::engine
