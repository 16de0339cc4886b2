#include "search/scan.h"

#include <algorithm>
#include <cstring>

#include "kernels/kernels.h"
#include "search/top_k.h"

namespace kite::engine {
namespace {

/// One of the queries of a pass.
struct Scanning {
  Scorer& scorer;
  TopK top;
};

constexpr size_t kKeysTogether = 16;

/// Whether one of kKeysTogether keys is not behind the bound; NaN is behind nothing.
bool AnyBefore(const float* keys, float bound) {
  using Floats = float __attribute__((vector_size(16)));
  using Masks = int32_t __attribute__((vector_size(16)));
  Masks behind = Masks{} - 1;
  for (size_t i = 0; i < kKeysTogether; i += 4) {
    Floats four;
    std::memcpy(&four, keys + i, sizeof(four));
    behind &= four > Floats{} + bound;
  }
  uint64_t halves[2];
  std::memcpy(halves, &behind, sizeof(halves));
  return (halves[0] & halves[1]) != ~uint64_t{0};
}

/// Adds the hits of n vectors from `begin` on; most are behind the bound.
void AddKeys(const float* keys, size_t n, const VectorBlock& block, size_t begin, TopK& top) {
  for (size_t i = 0; i < n; i += kKeysTogether) {
    const size_t end = std::min(i + kKeysTogether, n);
    if (end - i == kKeysTogether && !AnyBefore(keys + i, HitKey(top.bound()))) continue;
    for (size_t j = i; j < end; ++j) {
      if (!(keys[j] > HitKey(top.bound()))) top.Add(PackHit(keys[j], block.RowOf(begin + j)));
    }
  }
}

void ScanDense(const SearchJob& job, const VectorBlock& block, std::span<Scanning> queries) {
  std::vector<float>& keys = job.scratch.keys;
  const size_t batch = job.pacer.batch();
  keys.resize(batch);
  for (size_t begin = 0; begin < block.count; begin += batch) {
    const size_t n = std::min(batch, block.count - begin);
    for (Scanning& query : queries) {
      query.scorer.Block(begin, n, keys.data());
      AddKeys(keys.data(), n, block, begin, query.top);
      if (!job.pacer.Spend(n)) return;
    }
  }
}

void ScanGathered(const SearchJob& job, const VectorBlock& block, std::span<Scanning> queries) {
  std::vector<float>& keys = job.scratch.keys;
  std::vector<uint32_t>& ids = job.scratch.ids;
  const size_t batch = job.pacer.batch();
  keys.resize(batch);
  if (ids.size() < kGatherRoom) ids.resize(kGatherRoom);
  for (size_t begin = 0; begin < block.count; begin += kRowsPerGather) {
    const size_t end = std::min(begin + kRowsPerGather, block.count);
    const size_t passing = GatherSurvivors(job.filter, block, begin, end, ids.data());
    for (size_t i = 0; i < passing; i += batch) {
      const size_t n = std::min(batch, passing - i);
      for (Scanning& query : queries) {
        query.scorer.Ids(ids.data() + i, n, keys.data());
        for (size_t j = 0; j < n; ++j) {
          query.top.Add(PackHit(keys[j], block.RowOf(ids[i + j])));
        }
        if (!job.pacer.Spend(n)) return;
      }
    }
    if (!job.pacer.Spend(1)) return;
  }
}

/// Fills the queries' buffers, in no order.
Status Scan(const SearchJob& job, std::span<const VectorBlock> blocks,
            std::span<Scanning> queries) {
  for (const VectorBlock& block : blocks) {
    for (Scanning& query : queries) query.scorer.SetMatrix(block.matrix);
    if (job.filter.empty() && !block.has_nulls) {
      ScanDense(job, block, queries);
    } else {
      ScanGathered(job, block, queries);
    }
    KITE_RETURN_IF_ERROR(job.pacer.status());
  }
  return {};
}

}  // namespace

size_t GatherSurvivors(const Filter& filter, Row first_row, size_t begin, size_t end,
                       uint32_t* ids) {
  if (begin >= end) return 0;
  constexpr size_t kWordsMax = kRowsPerGather / 64 + 2;
  const size_t row_begin = first_row + begin;
  const size_t row_end = first_row + end;
  const size_t first = row_begin / 64;
  const size_t n = (row_end + 63) / 64 - first;
  uint64_t live[kWordsMax];
  std::fill_n(live, n, ~uint64_t{0});
  for (const uint64_t* const out : {filter.out, filter.deleted}) {
    if (out == nullptr) continue;
    for (size_t i = 0; i < n; ++i) live[i] &= ~out[first + i];
  }
  live[0] &= ~uint64_t{0} << (row_begin % 64);
  if (row_end % 64 != 0) live[n - 1] &= ~uint64_t{0} >> (64 - row_end % 64);
  return ActiveBitKernels().gather_bits(live, n, static_cast<uint32_t>(first * 64 - first_row),
                                        ids);
}

size_t GatherSurvivors(const Filter& filter, const VectorBlock& block, size_t begin, size_t end,
                       uint32_t* ids) {
  size_t n = 0;
  if (block.row_of == nullptr) {
    n = GatherSurvivors(filter, block.first_row, begin, end, ids);
  } else {
    for (size_t i = begin; i < end; ++i) {
      ids[n] = static_cast<uint32_t>(i);
      n += filter.IsOut(block.row_of[i]) ? 0 : 1;
    }
  }
  if (!block.has_nulls) return n;
  const auto is_null = [&](uint32_t id) { return block.matrix.inverse_norms[id] == kNullNorm; };
  return static_cast<size_t>(std::remove_if(ids, ids + n, is_null) - ids);
}

Status ScanAll(const SearchJob& job, std::span<const VectorBlock> blocks) {
  const bool groups = job.params.group_of != nullptr;
  const size_t k = groups ? job.survivors.max : std::min(job.params.k, job.survivors.max);
  job.scratch.hits.clear();
  if (k == 0) return job.pacer.status();
  Scanning query{job.scorer, TopK(k, job.window, groups ? job.scratch.order : job.scratch.hits)};
  KITE_RETURN_IF_ERROR(Scan(job, blocks, {&query, 1}));
  if (groups) {
    SelectGroups(job.scratch.order, job.params, job.scratch.hits);
  } else {
    query.top.Finish();
  }
  return {};
}

Status ScanBatch(const ScanTask& task, const QuerySet& queries, std::span<const VectorBlock> blocks,
                 const Sink& sink) {
  std::vector<BatchQuery>& buffers = task.scratch.batch;
  const size_t k = std::min(task.params.k, task.survivors.max);
  buffers.resize(std::max(buffers.size(), std::min(queries.count, kBatchQueries)));
  for (size_t first = 0; first < queries.count; first += kBatchQueries) {
    const size_t n = std::min(kBatchQueries, queries.count - first);
    std::vector<Scorer> scorers;
    std::vector<Scanning> scanning;
    scorers.reserve(n);
    scanning.reserve(n);
    for (size_t i = 0; i < n; ++i) {
      const std::byte* const query = queries.data + (first + i) * task.matrix.row_bytes;
      scorers.emplace_back(ActiveKernels(), task.metric, task.matrix, query, buffers[i].normalized,
                           task.minhash);
      scanning.push_back({scorers[i], TopK(k, task.window, buffers[i].hits)});
    }
    if (k > 0) {
      const SearchJob job{task.params, task.filter, task.window, task.survivors,
                          scorers[0],  task.pacer,  task.scratch};
      KITE_RETURN_IF_ERROR(Scan(job, blocks, scanning));
    }
    for (size_t i = 0; i < n; ++i) {
      scanning[i].top.Finish();
      task.scratch.hits.swap(buffers[i].hits);
      Deliver(task.metric, task.scratch, first + i, sink);
      KITE_RETURN_IF_ERROR(task.context.Check());
    }
  }
  return task.pacer.status();
}

}  // namespace kite::engine
