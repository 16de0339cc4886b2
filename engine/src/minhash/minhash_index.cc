#include "minhash/minhash_index.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "search/top_k.h"

namespace kite::engine {
namespace {

/// Looking up a band takes about as long as this many exact distances.
constexpr double kBandCost = 2;
/// Of a bucket, on average.
constexpr size_t kEntriesPerBucket = 8;
/// Entries that are read between two looks whether to stop, and in the time of a distance.
constexpr size_t kEntriesPerLook = 4096;
constexpr size_t kEntriesPerUnit = 16;
/// Bands whose memory is asked for before the first of them is read.
constexpr size_t kBandsAtATime = 64;

MinHash MinHashOf(const BuildSpec& spec, uint32_t dim) {
  const Result<MinHash> minhash = MinHash::Make(spec.metric, spec.params, {}, dim);
  KITE_CHECK(minhash.ok(), "the spec was not validated");
  return *minhash;
}

size_t BandsOf(const BuildSpec& spec) {
  return static_cast<size_t>(*IntParam(spec.params, kMinHashBands));
}

/// Leading bits of a hash that count as its bucket.
uint32_t BucketBits(size_t count) {
  return static_cast<uint32_t>(std::bit_width(count / kEntriesPerBucket));
}
size_t BucketCount(size_t count) { return size_t{1} << BucketBits(count); }
uint32_t BucketOf(uint32_t hash, size_t count) {
  return static_cast<uint32_t>(uint64_t{hash} >> (32 - BucketBits(count)));
}

/// Written down in docs/formats/index.md: files hold these hashes.
uint32_t HashBand(const std::byte* band, size_t bytes) {
  uint64_t hash = 0x9E3779B97F4A7C15ULL;
  for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, band + at, std::min(sizeof(word), bytes - at));
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDULL;
    hash ^= hash >> 32;
  }
  return static_cast<uint32_t>((hash * 0xC4CEB9FE1A85EC53ULL) >> 32);
}

void FillBand(const Vectors& vectors, size_t band, size_t band_bytes,
              MinHashIndex::Tables& tables) {
  const VectorMatrix matrix = vectors.matrix();
  const size_t count = vectors.count();
  std::vector<uint64_t> entries(count);
  for (size_t id = 0; id < count; ++id) {
    entries[id] = uint64_t{HashBand(matrix.row(id) + band * band_bytes, band_bytes)} << 32 | id;
  }
  std::sort(entries.begin(), entries.end());
  const size_t buckets = BucketCount(count);
  uint32_t* const starts = tables.starts.mutable_data() + band * (buckets + 1);
  for (size_t i = 0; i < count; ++i) {
    const auto hash = static_cast<uint32_t>(entries[i] >> 32);
    tables.hashes.mutable_data()[band * count + i] = hash;
    tables.ids.mutable_data()[band * count + i] = static_cast<uint32_t>(entries[i]);
    ++starts[BucketOf(hash, count) + 1];
  }
  for (size_t bucket = 0; bucket < buckets; ++bucket) starts[bucket + 1] += starts[bucket];
}

Status Damaged() {
  return Status::Corruption(StatusSubject::kIndex,
                            "the index file is damaged: its buckets do not fit");
}

}  // namespace

MinHashIndex::MinHashIndex(BuildSpec spec, Vectors vectors, Tables tables)
    : DenseIndex(std::move(spec), std::move(vectors)),
      tables_(std::move(tables)),
      minhash_(MinHashOf(this->spec(), dim())) {}

Result<std::unique_ptr<Index>> MinHashIndex::Build(const Context& context, const BuildSpec& spec,
                                                   Vectors vectors, Executor& executor,
                                                   const std::function<void(double)>& progress) {
  const size_t bands = BandsOf(spec);
  const size_t count = vectors.count();
  const size_t buckets = BucketCount(count);
  const size_t band_bytes = MinHashOf(spec, vectors.dim()).band_bytes;
  Tables tables;
  KITE_ASSIGN_OR_RETURN(tables.starts, Array<uint32_t>::Allocate(bands * (buckets + 1)));
  KITE_ASSIGN_OR_RETURN(tables.hashes, Array<uint32_t>::Allocate(bands * count));
  KITE_ASSIGN_OR_RETURN(tables.ids, Array<uint32_t>::Allocate(bands * count));
  std::atomic<size_t> done = 0;
  const auto fill = [&](size_t band) {
    FillBand(vectors, band, band_bytes, tables);
    if (progress) progress(static_cast<double>(++done) / static_cast<double>(bands));
    return context.Check();
  };
  KITE_RETURN_IF_ERROR(ParallelFor(executor, bands, 1, fill));
  return std::make_unique<MinHashIndex>(spec, std::move(vectors), std::move(tables));
}

Result<std::unique_ptr<Index>> MinHashIndex::Load(const IndexFileReader& reader, Vectors vectors,
                                                  LoadMode mode) {
  const IndexFileHeader& header = reader.header();
  const size_t bands = BandsOf(header.spec);
  const size_t count = header.count;
  const size_t buckets = BucketCount(count);
  Tables tables;
  KITE_ASSIGN_OR_RETURN(
      tables.starts,
      reader.Read<uint32_t>(SectionId::kMinHashStarts, bands * (buckets + 1), mode));
  KITE_ASSIGN_OR_RETURN(tables.hashes,
                        reader.Read<uint32_t>(SectionId::kMinHashHashes, bands * count, mode));
  KITE_ASSIGN_OR_RETURN(tables.ids,
                        reader.Read<uint32_t>(SectionId::kMinHashIds, bands * count, mode));
  for (size_t band = 0; band < bands; ++band) {
    const uint32_t* const starts = tables.starts.data() + band * (buckets + 1);
    if (starts[0] != 0 || starts[buckets] != count ||
        !std::is_sorted(starts, starts + buckets + 1)) {
      return Damaged();
    }
  }
  return std::make_unique<MinHashIndex>(header.spec, std::move(vectors), std::move(tables));
}

void MinHashIndex::AddSections(IndexFileWriter& writer) const {
  writer.Add(SectionId::kMinHashStarts, tables_.starts.span());
  writer.Add(SectionId::kMinHashHashes, tables_.hashes.span());
  writer.Add(SectionId::kMinHashIds, tables_.ids.span());
}

size_t MinHashIndex::EstimateStructureBytes(const BuildSpec& spec, size_t count) {
  return BandsOf(spec) * (BucketCount(count) + 1 + 2 * count) * sizeof(uint32_t);
}

size_t MinHashIndex::EstimatePeakBytes(const BuildSpec& spec, size_t count, size_t threads) {
  return EstimateStructureBytes(spec, count) +
         std::min(threads, BandsOf(spec)) * count * sizeof(uint64_t);
}

double MinHashIndex::ApproximateCost(const SearchJob& /*job*/, size_t wanted) const {
  return kBandCost * minhash_.bands + static_cast<double>(wanted);
}

void MinHashIndex::HashBands(const std::byte* query, size_t first, size_t n,
                             uint32_t* hashes) const {
  const size_t count = vectors().count();
  const size_t stride = BucketCount(count) + 1;
  const uint32_t* const starts = tables_.starts.data() + first * stride;
  for (size_t i = 0; i < n; ++i) {
    hashes[i] = HashBand(query + (first + i) * minhash_.band_bytes, minhash_.band_bytes);
    __builtin_prefetch(starts + i * stride + BucketOf(hashes[i], count));
  }
  for (size_t i = 0; i < n; ++i) {
    const size_t entry = (first + i) * count + starts[i * stride + BucketOf(hashes[i], count)];
    __builtin_prefetch(tables_.hashes.data() + entry);
    __builtin_prefetch(tables_.ids.data() + entry);
  }
}

bool MinHashIndex::CollectBand(const SearchJob& job, size_t band, uint32_t hash) const {
  const size_t count = vectors().count();
  const uint32_t* const starts = tables_.starts.data() + band * (BucketCount(count) + 1);
  const uint32_t* const hashes = tables_.hashes.data() + band * count;
  const uint32_t bucket = BucketOf(hash, count);
  const auto [begin, end] =
      std::equal_range(hashes + starts[bucket], hashes + starts[bucket + 1], hash);
  const uint32_t* at = tables_.ids.data() + (begin - tables_.hashes.data());
  for (auto left = static_cast<size_t>(end - begin);; left -= kEntriesPerLook) {
    const size_t n = std::min(left, kEntriesPerLook);
    for (const uint32_t* const stop = at + n; at < stop; ++at) {
      if (*at >= count || job.filter.IsOut(vectors().RowOf(*at))) continue;
      job.scratch.ids.push_back(*at);
    }
    if (!job.pacer.Spend(1 + n / kEntriesPerUnit)) return false;
    if (n == left) return true;
  }
}

void MinHashIndex::Collect(const SearchJob& job) const {
  std::vector<uint32_t>& ids = job.scratch.ids;
  ids.clear();
  uint32_t hashes[kBandsAtATime];
  for (size_t first = 0; first < minhash_.bands; first += kBandsAtATime) {
    const size_t n = std::min<size_t>(minhash_.bands - first, kBandsAtATime);
    HashBands(job.scorer.query(), first, n, hashes);
    for (size_t i = 0; i < n; ++i) {
      if (!CollectBand(job, first + i, hashes[i])) return;
    }
  }
  std::sort(ids.begin(), ids.end());
}

void MinHashIndex::KeepMostFrequent(const SearchJob& job, size_t most) {
  std::vector<uint32_t>& ids = job.scratch.ids;
  std::vector<Hit>& order = job.scratch.order;
  order.clear();
  for (size_t i = 0; i < ids.size();) {
    size_t end = i + 1;
    while (end < ids.size() && ids[end] == ids[i]) ++end;
    order.push_back(PackHit(-static_cast<float>(end - i), ids[i]));
    i = end;
  }
  if (order.size() > most) {
    std::nth_element(order.begin(), order.begin() + static_cast<ptrdiff_t>(most), order.end());
    order.resize(most);
  }
  ids.clear();
  for (const Hit hit : order) ids.push_back(HitRow(hit));
}

Result<bool> MinHashIndex::Approximate(const SearchJob& job, size_t wanted) const {
  KITE_ASSIGN_OR_RETURN(const std::optional<double> refine_k, RefineK(job.params.params));
  KITE_ASSIGN_OR_RETURN(const bool similarity,
                        BoolParam(job.params.params, kMinHashSimilarity, false));
  Collect(job);
  KITE_RETURN_IF_ERROR(job.pacer.status());
  const size_t most = similarity && refine_k
                          ? std::max(wanted, static_cast<size_t>(*refine_k))
                          : std::numeric_limits<size_t>::max();
  KeepMostFrequent(job, most);
  const std::vector<uint32_t>& ids = job.scratch.ids;
  std::vector<float>& keys = job.scratch.keys;
  const size_t batch = job.pacer.batch();
  keys.resize(std::max(keys.size(), batch));
  TopK top(wanted, job.window, job.scratch.hits);
  for (size_t begin = 0; begin < ids.size(); begin += batch) {
    const size_t n = std::min(batch, ids.size() - begin);
    job.scorer.Ids(ids.data() + begin, n, keys.data());
    for (size_t i = 0; i < n; ++i) top.Add(PackHit(keys[i], vectors().RowOf(ids[begin + i])));
    if (!job.pacer.Spend(n)) return job.pacer.status();
  }
  top.Finish();
  return true;
}

}  // namespace kite::engine
