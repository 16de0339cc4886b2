// The estimates of memory against what is allocated: never below, at most 10 % above. This file replaces the
// program's operator new and delete to count.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/thread_pool.h"
#include "testing/test_data.h"

namespace {

std::atomic<size_t> live_bytes{0};
std::atomic<size_t> peak_bytes{0};

void* Count(void* memory) {
  if (memory == nullptr) return nullptr;
  const size_t live = live_bytes.fetch_add(malloc_usable_size(memory)) + malloc_usable_size(memory);
  size_t peak = peak_bytes.load();
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return memory;
}

void* Allocate(size_t size) {
  void* const memory = Count(std::malloc(size));
  if (memory == nullptr) std::abort();
  return memory;
}

void* AllocateAligned(size_t size, std::align_val_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, static_cast<size_t>(alignment), size) != 0) return nullptr;
  return Count(memory);
}

void Release(void* memory) {
  if (memory != nullptr) live_bytes.fetch_sub(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void* operator new(size_t size, std::align_val_t alignment) { return AllocateAligned(size, alignment); }
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return AllocateAligned(size, alignment);
}
void operator delete(void* memory) noexcept { Release(memory); }
void operator delete[](void* memory) noexcept { Release(memory); }
void operator delete(void* memory, size_t) noexcept { Release(memory); }
void operator delete[](void* memory, size_t) noexcept { Release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Release(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { Release(memory); }

namespace kite::engine {
namespace {

TEST(EstimateTest, CoversBuildAndLoadClosely) {
  const testing::Dataset data = testing::Clustered(20000, 16, 20, 1);
  const BuildSpec specs[] = {
      {.index_type = "FLAT", .metric = Metric::kCosine},
      {.index_type = "IVF_FLAT", .metric = Metric::kL2},
      {.index_type = "IVF_SQ8", .metric = Metric::kCosine},
      {.index_type = "HNSW", .metric = Metric::kL2, .params = {{"M", "6"}, {"efConstruction", "16"}}},
      {.index_type = "HNSW", .metric = Metric::kCosine, .params = {{"M", "32"}, {"efConstruction", "16"}}},
  };
  for (const BuildSpec& spec : specs) {
    ThreadPool pool("build", 2, 16);
    ASSERT_TRUE(ParallelFor(pool, 1000, 1, [](size_t) { return Status(); }).ok());  // its threads exist now
    pool.Drain();
    const size_t before = live_bytes.load();
    peak_bytes.store(before);
    const Result<std::unique_ptr<Index>> index = Build(Context(), spec, data.source(), pool, {});
    ASSERT_TRUE(index.ok()) << index.status();
    pool.Drain();
    const size_t peak = peak_bytes.load() - before;
    const size_t held = live_bytes.load() - before;
    const size_t build = EstimateBuildBytes(spec, VectorType::kFloat32, data.count(), data.dim, 2);
    const size_t load = EstimateLoadBytes(spec, VectorType::kFloat32, data.count(), data.dim);
    EXPECT_GE(build, peak) << spec.index_type;
    EXPECT_LE(build, peak * 11 / 10) << spec.index_type;
    EXPECT_GE(load, held) << spec.index_type;
    EXPECT_LE(load, held * 11 / 10) << spec.index_type;
    EXPECT_GE(load, (*index)->memory_bytes()) << spec.index_type;
    EXPECT_GE(held, (*index)->memory_bytes()) << spec.index_type;
  }
}

}  // namespace
}  // namespace kite::engine
