// The estimates of memory against what is allocated: never below, at most 10 % above. This file
// replaces the program's operator new and delete to count.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>

#include "base/thread_pool.h"
#include "testing/test_data.h"

namespace {

std::atomic<size_t> live_bytes{0};
std::atomic<size_t> peak_bytes{0};

void Add(size_t size) {
  const size_t live = live_bytes.fetch_add(size) + size;
  size_t peak = peak_bytes.load();
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
}

void* Allocate(size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  Add(malloc_usable_size(memory));
  return memory;
}

void Release(void* memory) {
  if (memory == nullptr) return;
  live_bytes.fetch_sub(malloc_usable_size(memory));
  std::free(memory);
}

/// The C library counts the alignment's gap as usable, so these carry their size in front.
void* AllocateAligned(size_t size, std::align_val_t alignment) {
  const auto gap = static_cast<size_t>(alignment);
  void* memory = nullptr;
  if (posix_memalign(&memory, gap, gap + size) != 0) return nullptr;
  Add(size);
  auto* const user = static_cast<std::byte*>(memory) + gap;
  std::memcpy(user - sizeof(size), &size, sizeof(size));
  return user;
}

void ReleaseAligned(void* memory, std::align_val_t alignment) {
  if (memory == nullptr) return;
  auto* const user = static_cast<std::byte*>(memory);
  size_t size = 0;
  std::memcpy(&size, user - sizeof(size), sizeof(size));
  live_bytes.fetch_sub(size);
  std::free(user - static_cast<size_t>(alignment));
}

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void* operator new(size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return AllocateAligned(size, alignment);
}
void operator delete(void* memory) noexcept { Release(memory); }
void operator delete[](void* memory) noexcept { Release(memory); }
void operator delete(void* memory, size_t) noexcept { Release(memory); }
void operator delete[](void* memory, size_t) noexcept { Release(memory); }
void operator delete(void* memory, std::align_val_t alignment) noexcept {
  ReleaseAligned(memory, alignment);
}
void operator delete(void* memory, size_t, std::align_val_t alignment) noexcept {
  ReleaseAligned(memory, alignment);
}

namespace kite::engine {
namespace {

/// Builds, and compares what was allocated with the estimates.
void CheckEstimates(const BuildSpec& spec, const VectorSource& source) {
  ThreadPool pool("build", 2, 16);
  ASSERT_TRUE(
      ParallelFor(pool, 1000, 1, [](size_t) { return Status(); }).ok());  // its threads exist now
  pool.Drain();
  const size_t before = live_bytes.load();
  peak_bytes.store(before);
  const Result<std::unique_ptr<Index>> index = Build(Context(), spec, source, pool, {});
  ASSERT_TRUE(index.ok()) << index.status();
  pool.Drain();
  const size_t peak = peak_bytes.load() - before;
  const size_t held = live_bytes.load() - before;
  const size_t build = EstimateBuildBytes(spec, source.type, source.count, source.dim, 2);
  const size_t load = EstimateLoadBytes(spec, source.type, source.count, source.dim);
  EXPECT_GE(build, peak) << spec.index_type;
  EXPECT_LE(build, peak * 11 / 10) << spec.index_type;
  EXPECT_GE(load, held) << spec.index_type;
  EXPECT_LE(load, held * 11 / 10) << spec.index_type;
  EXPECT_GE(load, (*index)->memory_bytes()) << spec.index_type;
  EXPECT_GE(held, (*index)->memory_bytes()) << spec.index_type;
}

/// Bytes that the index holds when it is loaded into memory.
size_t HeldWhenLoaded(std::unique_ptr<Index> index, const VectorSource& vectors) {
  const std::string file = testing::MustSave(*index);
  index.reset();
  const size_t before = live_bytes.load();
  const Result<std::unique_ptr<Index>> loaded = Load(file, vectors, LoadMode::kResident);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return live_bytes.load() - before;
}

TEST(EstimateTest, CoversBuildAndLoadOfDiskann) {
  const testing::Dataset data = testing::Clustered(20000, 32, 20, 1);
  const BuildSpec specs[] = {
      {.index_type = "DISKANN", .metric = Metric::kCosine, .params = {{"search_list_size", "16"}}},
      {.index_type = "DISKANN",
       .metric = Metric::kL2,
       .params = {{"max_degree", "12"},
                  {"search_list_size", "16"},
                  {"pq_code_budget_gb_ratio", "0.25"}}},
  };
  for (const BuildSpec& spec : specs) {
    ThreadPool pool("build", 2, 16);
    ASSERT_TRUE(ParallelFor(pool, 1000, 1, [](size_t) { return Status(); }).ok());
    pool.Drain();
    const size_t before = live_bytes.load();
    peak_bytes.store(before);
    Result<std::unique_ptr<Index>> index = Build(Context(), spec, data.source(), pool, {});
    ASSERT_TRUE(index.ok()) << index.status();
    pool.Drain();
    const size_t peak = peak_bytes.load() - before;
    const size_t held = HeldWhenLoaded(*std::move(index), data.source());
    const size_t build = EstimateBuildBytes(spec, VectorType::kFloat32, data.count(), data.dim, 2);
    const size_t load = EstimateLoadBytes(spec, VectorType::kFloat32, data.count(), data.dim);
    EXPECT_GE(build, peak);
    EXPECT_LE(build, peak * 11 / 10);
    EXPECT_GE(load, held);
    EXPECT_LE(load, held * 11 / 10);
  }
}

TEST(EstimateTest, CoversBuildAndLoadClosely) {
  const testing::Dataset data = testing::Clustered(20000, 16, 20, 1);
  const BuildSpec specs[] = {
      {.index_type = "FLAT", .metric = Metric::kCosine},
      {.index_type = "FLAT", .metric = Metric::kL2, .params = {{"compressed", "true"}}},
      {.index_type = "IVF_FLAT", .metric = Metric::kL2},
      {.index_type = "IVF_SQ8", .metric = Metric::kCosine},
      {.index_type = "IVF_SQ8", .metric = Metric::kL2, .params = {{"nlist", "1000"}}},
      {.index_type = "IVF_PQ", .metric = Metric::kL2, .params = {{"m", "4"}}},
      {.index_type = "IVF_PQ", .metric = Metric::kIP, .params = {{"m", "16"}, {"nbits", "6"}}},
      {.index_type = "IVF_PQ", .metric = Metric::kL2, .params = {{"m", "2"}, {"nbits", "11"}}},
      {.index_type = "IVF_RABITQ", .metric = Metric::kCosine},
      {.index_type = "SCANN", .metric = Metric::kIP},
      {.index_type = "IVF_FLAT",
       .metric = Metric::kL2,
       .params = {{"nlist", "20"}, {"train_rows", "20000"}}},
      {.index_type = "IVF_PQ",
       .metric = Metric::kL2,
       .params = {{"m", "4"}, {"train_rows", "16000"}}},
      {.index_type = "HNSW",
       .metric = Metric::kL2,
       .params = {{"M", "6"}, {"efConstruction", "16"}}},
      {.index_type = "HNSW",
       .metric = Metric::kCosine,
       .params = {{"M", "32"}, {"efConstruction", "16"}}},
      {.index_type = "HNSW_SQ",
       .metric = Metric::kL2,
       .params = {{"efConstruction", "16"}, {"M", "6"}}},
      {.index_type = "HNSW_SQ",
       .metric = Metric::kCosine,
       .params = {{"efConstruction", "16"},
                  {"M", "6"},
                  {"sq_type", "FP16"},
                  {"refine", "true"},
                  {"refine_type", "BF16"}}},
      {.index_type = "HNSW_PQ",
       .metric = Metric::kIP,
       .params = {{"efConstruction", "16"}, {"M", "6"}, {"m", "8"}}},
      {.index_type = "HNSW_PQ",
       .metric = Metric::kL2,
       .params = {{"efConstruction", "16"}, {"M", "6"}, {"m", "2"}, {"nbits", "11"}}},
      {.index_type = "HNSW_PRQ",
       .metric = Metric::kL2,
       .params = {{"efConstruction", "16"}, {"M", "6"}, {"m", "4"}, {"nrq", "3"}}},
  };
  for (const BuildSpec& spec : specs) CheckEstimates(spec, data.source());
}

TEST(EstimateTest, CoversBinaryVectors) {
  constexpr uint32_t kBits = 256;
  constexpr size_t kRows = 20000;
  std::vector<uint8_t> bytes(kRows * kBits / 8);
  std::mt19937_64 random(3);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  const VectorSource source{.type = VectorType::kBinary,
                            .dim = kBits,
                            .count = kRows,
                            .rows = kRows,
                            .data = reinterpret_cast<const std::byte*>(bytes.data())};
  for (const Metric metric : {Metric::kHamming, Metric::kJaccard}) {
    CheckEstimates({.index_type = "BIN_IVF_FLAT", .metric = metric}, source);
    CheckEstimates({.index_type = "BIN_IVF_FLAT", .metric = metric, .params = {{"nlist", "300"}}},
                   source);
    CheckEstimates(
        {.index_type = "BIN_IVF_FLAT", .metric = metric, .params = {{"train_rows", "20000"}}},
        source);
  }
  CheckEstimates({.index_type = "MINHASH_LSH",
                  .metric = Metric::kMhJaccard,
                  .params = {{"mh_element_bit_width", "16"}, {"mh_lsh_band", "8"}}},
                 source);
}

}  // namespace
}  // namespace kite::engine
