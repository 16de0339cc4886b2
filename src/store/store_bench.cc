// What the embedded stores cost: opening, log appends and their CPU, group commit, metadata
// commits, small objects.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <string>

#include "base/temp_folder.h"
#include "store/log/file_log_store.h"
#include "store/meta/rocksdb_meta_store.h"
#include "store/object/local_object_store.h"

namespace kite::store {
namespace {

const Context kContext;

/// User CPU of the process, in seconds.
double UserSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_utime.tv_sec) + double(usage.ru_utime.tv_usec) * 1e-6;
}

void OpenLog(benchmark::State& state) {
  const TempFolder folder;
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(OpenFileLogStore(Disk::System(), folder.path()).ok());
}
BENCHMARK(OpenLog)->Unit(benchmark::kMillisecond);

void OpenObjects(benchmark::State& state) {
  const TempFolder folder;
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(OpenLocalObjectStore(Disk::System(), folder.path()).ok());
}
BENCHMARK(OpenObjects)->Unit(benchmark::kMillisecond);

void OpenMeta(benchmark::State& state) {
  const TempFolder folder;
  for ([[maybe_unused]] auto _ : state) {
    const auto store = OpenRocksDbMetaStore(Disk::System(), folder.path());
    state.PauseTiming();
    // So that the next open has something to recover.
    benchmark::DoNotOptimize((*store)->Commit(kContext, {{}, {MetaOp::Put("key", "value")}}).ok());
    state.ResumeTiming();
  }
}
BENCHMARK(OpenMeta)->Unit(benchmark::kMillisecond);

void AppendAndWait(LogWriter& writer, std::string_view payload) {
  std::atomic<bool> done{false};
  const Status queued = writer.Append(std::span(&payload, 1), [&](const Result<LogOffset>&) {
    done = true;
    done.notify_one();
  });
  if (queued.ok()) done.wait(false);
}

/// 1 MB records, not waited for one by one.
void AppendMegabytes(benchmark::State& state) {
  const TempFolder folder;
  const auto store = *OpenFileLogStore(Disk::System(), folder.path(), {.streams = 1});
  const auto writer = *store->OpenWriter(kContext, 0, 1);
  const std::string payload(1 << 20, 'x');
  const std::string_view piece = payload;
  const double before = UserSeconds();
  LogOffset appended = 0;
  for ([[maybe_unused]] auto _ : state) {
    if (!writer->Append(std::span(&piece, 1), nullptr).ok()) state.SkipWithError("append");
    if (++appended % 512 == 0) (void)store->Truncate(kContext, 0, appended - 64);
  }
  state.SetBytesProcessed(int64_t(state.iterations()) << 20);
  state.counters["user_s_per_GB"] = (UserSeconds() - before) * 1024 / double(state.iterations());
}
BENCHMARK(AppendMegabytes)->Iterations(1024)->Unit(benchmark::kMillisecond)->UseRealTime();

std::unique_ptr<TempFolder> shared_folder;
std::unique_ptr<LogStore> shared_log;
std::unique_ptr<LogWriter> shared_writer;

/// Each thread appends 1 KB and waits until it is durable.
void GroupCommit(benchmark::State& state) {
  if (state.thread_index() == 0) {
    shared_folder = std::make_unique<TempFolder>();
    shared_log = *OpenFileLogStore(Disk::System(), shared_folder->path(), {.streams = 1});
    shared_writer = *shared_log->OpenWriter(kContext, 0, 1);
  }
  const std::string payload(1024, 'x');
  for ([[maybe_unused]] auto _ : state) AppendAndWait(*shared_writer, payload);
  state.SetItemsProcessed(int64_t(state.iterations()));
  if (state.thread_index() == 0) {
    shared_writer.reset();
    shared_log.reset();
    shared_folder.reset();
  }
}
BENCHMARK(GroupCommit)->Threads(1)->Threads(8)->UseRealTime();

void CommitMeta(benchmark::State& state) {
  const TempFolder folder;
  const auto store = *OpenRocksDbMetaStore(Disk::System(), folder.path());
  for ([[maybe_unused]] auto _ : state) {
    if (!store->Commit(kContext, {{}, {MetaOp::Put("key", "value")}}).ok())
      state.SkipWithError("commit");
  }
}
BENCHMARK(CommitMeta)->UseRealTime();

void PutSmallObject(benchmark::State& state) {
  const TempFolder folder;
  const auto store = *OpenLocalObjectStore(Disk::System(), folder.path());
  int64_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    if (!store->Put(kContext, "folder/" + std::to_string(i++ % 1000), "a small object").ok()) {
      state.SkipWithError("put");
    }
  }
}
BENCHMARK(PutSmallObject)->UseRealTime();

}  // namespace
}  // namespace kite::store

BENCHMARK_MAIN();
