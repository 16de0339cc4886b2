// Flush, open and key look-ups of segments, on the machine's disk (TMPDIR).
#include <benchmark/benchmark.h>

#include <filesystem>
#include <numeric>

#include "base/disk.h"
#include "segment/growing_segment.h"
#include "segment/sealed_segment.h"
#include "store/object/local_object_store.h"

namespace kite::segment {
namespace {

using model::DataType;

std::shared_ptr<const model::CollectionSchema> MakeSchema(uint32_t dim) {
  auto schema = std::make_shared<model::CollectionSchema>();
  schema->fields.resize(2);
  schema->fields[0].id = model::FieldId(100);
  schema->fields[0].name = "id";
  schema->fields[0].type = DataType::kInt64;
  schema->fields[0].is_primary_key = true;
  schema->fields[1].id = model::FieldId(101);
  schema->fields[1].name = "v";
  schema->fields[1].type = DataType::kFloatVector;
  schema->fields[1].dim = dim;
  return schema;
}

model::RowBatch MakeBatch(const model::CollectionSchema& schema, int64_t first, size_t rows) {
  model::RowBatch batch;
  batch.rows = rows;
  model::ColumnBuilder keys(schema.fields[0]);
  for (size_t i = 0; i < rows; ++i) keys.AppendFixed(first + static_cast<int64_t>(i));
  batch.columns.push_back(keys.Finish());
  std::vector<float> vectors(rows * schema.fields[1].dim);
  std::iota(vectors.begin(), vectors.end(), static_cast<float>(first));
  model::Column column;
  column.field = schema.fields[1].id;
  column.type = DataType::kFloatVector;
  column.dim = schema.fields[1].dim;
  column.rows = rows;
  column.data = model::Buffer::OwnVector(std::move(vectors));
  batch.columns.push_back(std::move(column));
  return batch;
}

/// Rows in memory and a store in a folder that goes with the object.
struct Bench {
  std::filesystem::path root = std::filesystem::temp_directory_path() / "kite_segment_bench";
  std::shared_ptr<const model::CollectionSchema> schema;
  std::shared_ptr<store::ObjectStore> objects;
  GrowingSegment growing;

  Bench(uint32_t dim, size_t rows)
      : schema(MakeSchema(dim)), growing(model::SegmentId(1), model::PartitionId(1), schema) {
    std::filesystem::remove_all(root);
    objects = *store::OpenLocalObjectStore(Disk::System(), root.string());
    for (size_t done = 0; done < rows; done += 1000) {
      growing.Append(
          MakeBatch(*schema, static_cast<int64_t>(done), std::min<size_t>(1000, rows - done)),
          model::Timestamp(done + 1));
    }
  }
  ~Bench() {
    objects.reset();
    std::filesystem::remove_all(root);
  }
  SegmentMeta Seal(int64_t id) const {
    std::vector<engine::Row> rows(growing.rows());
    std::iota(rows.begin(), rows.end(), engine::Row{0});
    SegmentWriter writer(objects, SegmentPrefix(model::CollectionId(1), model::SegmentId(id)),
                         schema);
    (void)writer.AppendRows(Context(), growing, rows);
    return *writer.Finish(Context(), model::SegmentId(id), model::PartitionId(1));
  }
};

void BM_Flush768(benchmark::State& state) {
  const Bench bench(768, 100000);
  int64_t id = 1;
  uint64_t bytes = 0;
  for ([[maybe_unused]] auto _ : state) {
    const SegmentMeta meta = bench.Seal(id++);
    state.PauseTiming();  // the page cache that the files took is used again
    bytes = meta.byte_size();
    std::vector<std::string> keys;
    for (const FileMeta& file : meta.files) keys.push_back(file.key);
    (void)bench.objects->Delete(Context(), keys);
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
  state.counters["cpu_s_per_GB"] = benchmark::Counter(
      static_cast<double>(bytes) / 1e9,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_Flush768)->Unit(benchmark::kMillisecond)->Iterations(10);

void BM_OpenSmall(benchmark::State& state) {
  const Bench bench(128, 1000);
  const SegmentMeta meta = bench.Seal(1);
  for ([[maybe_unused]] auto _ : state) {
    auto segment = SealedSegment::Open(Context(), bench.objects, bench.schema, meta);
    benchmark::DoNotOptimize(segment);
  }
}
BENCHMARK(BM_OpenSmall)->Unit(benchmark::kMicrosecond);

void BM_FindKeys(benchmark::State& state) {
  const Bench bench(8, 1000000);
  const auto segment = *SealedSegment::Open(Context(), bench.objects, bench.schema, bench.Seal(1));
  model::ColumnBuilder keys(bench.schema->fields[0]);
  for (int64_t i = 0; i < 1000; ++i) keys.AppendFixed(i * 997 + state.range(0));
  const model::Column column = keys.Finish();
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(segment->FindKeys(column));
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(BM_FindKeys)->Arg(0)->Arg(int64_t{1} << 40)->Unit(benchmark::kMicrosecond);

void BM_GrowingAppendOne(benchmark::State& state) {
  const auto schema = MakeSchema(128);
  GrowingSegment segment(model::SegmentId(1), model::PartitionId(1), schema);
  const model::RowBatch batch = MakeBatch(*schema, 1, 1);
  uint64_t t = 0;
  for ([[maybe_unused]] auto _ : state) segment.Append(batch, model::Timestamp(++t));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_GrowingAppendOne)->Iterations(300000);

}  // namespace
}  // namespace kite::segment

BENCHMARK_MAIN();
