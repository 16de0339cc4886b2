// What the S3 store adds to bare requests: objects of 64 MB written as a flush does and read as a
// load does, beside one PUT and one GET by the same client to the same server, turn by turn. A load
// ends in a file of the cache, so there is also a GET whose bytes are then written to a file.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "base/temp_folder.h"
#include "store/object/s3_client.h"
#include "store/object/s3_object_store.h"
#include "store/testing/minio_server.h"

namespace kite::store {
namespace {

constexpr size_t kObjectBytes = size_t{64} << 20;
constexpr size_t kAppendBytes = size_t{1} << 20;
constexpr int kRounds = 9;

const Context kContext;

double Seconds(const std::function<Status()>& call, benchmark::State& state) {
  const auto begin = std::chrono::steady_clock::now();
  const Status status = call();
  if (!status.ok()) state.SkipWithError(status.message().c_str());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

/// How much faster the second was, round by round: neighbours in time had the same machine.
double MedianRatio(const std::vector<double>& bare, const std::vector<double>& ours) {
  std::vector<double> ratios;
  for (size_t i = 0; i < bare.size(); ++i) ratios.push_back(bare[i] / ours[i]);
  return Median(std::move(ratios));
}

Status Flush(ObjectStore& store, const std::string& key, std::string_view bytes) {
  KITE_ASSIGN_OR_RETURN(const auto writer, store.OpenWriter(kContext, key));
  for (size_t at = 0; at < bytes.size(); at += kAppendBytes)
    KITE_RETURN_IF_ERROR(writer->Append(bytes.substr(at, kAppendBytes)));
  return writer->Finish();
}

Status Write(const std::string& path, std::string_view bytes) {
  KITE_ASSIGN_OR_RETURN(const auto file, Disk::System()->Create(path));
  return file->Append(bytes);
}

void Remove(ObjectStore& store, const std::string& key, const std::string& file,
            benchmark::State& state) {
  Status removed = store.Delete(kContext, {key});
  if (removed.ok()) removed = Disk::System()->Remove(file);
  if (!removed.ok()) state.SkipWithError(removed.message().c_str());
}

void FlushAndLoad(benchmark::State& state) {
  const TempFolder cache;
  const auto server = MinioServer::Start();
  if (!server.ok()) return state.SkipWithError(server.status().message().c_str());
  const S3Options options = (*server)->Options("bench", cache.path());
  const auto store = OpenS3ObjectStore(kContext, options);
  if (!store.ok()) return state.SkipWithError(store.status().message().c_str());
  const auto client = S3Client::Make(
      options, S3CredentialSource::Static({options.access_key, options.secret_key, ""}));
  std::string bytes(kObjectBytes, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761U >> 13);

  std::vector<double> put;
  std::vector<double> flush;
  std::vector<double> get;
  std::vector<double> get_to_file;
  std::vector<double> load;
  for ([[maybe_unused]] auto _ : state) {
    for (int round = 0; round < kRounds; ++round) {
      const std::string key = "flush-" + std::to_string(round);
      put.push_back(Seconds(
          [&] {
            return (*client)
                ->Call(kContext, {.method = "PUT", .key = "bare", .body = bytes})
                .status;
          },
          state));
      flush.push_back(Seconds([&] { return Flush(**store, key, bytes); }, state));
      S3Answer answer;
      const double got = Seconds(
          [&] {
            answer = (*client)->Call(
                kContext, {.method = "GET", .key = "bare", .answer_bytes_max = kObjectBytes});
            return answer.status;
          },
          state);
      get.push_back(got);
      get_to_file.push_back(
          got +
          Seconds([&] { return Write(cache.path() + "/" + key, answer.response.body); }, state));
      load.push_back(Seconds([&] { return (*store)->Map(kContext, key).status(); }, state));
      // So that every round writes into memory that the machine has used before: a virtual one may
      // take ten times as long to get a page for the first time.
      Remove(**store, key, cache.path() + "/" + key, state);
    }
  }
  const double megabytes = double(kObjectBytes) / 1e6;
  state.counters["put_MB/s"] = megabytes / Median(put);
  state.counters["flush_MB/s"] = megabytes / Median(flush);
  state.counters["flush/put"] = MedianRatio(put, flush);
  state.counters["get_MB/s"] = megabytes / Median(get);
  state.counters["get_to_file_MB/s"] = megabytes / Median(get_to_file);
  state.counters["load_MB/s"] = megabytes / Median(load);
  state.counters["load/get"] = MedianRatio(get, load);
  state.counters["load/get_to_file"] = MedianRatio(get_to_file, load);
}
BENCHMARK(FlushAndLoad)->Unit(benchmark::kSecond)->Iterations(1);

}  // namespace
}  // namespace kite::store

BENCHMARK_MAIN();
