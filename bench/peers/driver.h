// What the C++ drivers of peers share: arguments, .fbin files, the timed loop and the report.
//
//   driver build  BASE METRIC INDEX [name=value ...]
//   driver search BASE METRIC INDEX QUERIES K SEED IDS EF,EF,... [name=value ...]
//
// Both print one JSON object. `search` writes K int32 ids per point and query, in the queries'
// order, to the file IDS; IDS is '-' where they are known already.
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

struct Matrix {
  size_t rows = 0;
  size_t columns = 0;
  std::vector<float> values;
  const float* row(size_t i) const { return values.data() + i * columns; }
};

inline void Fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

inline Matrix ReadMatrix(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  uint32_t shape[2] = {};
  if (!in.read(reinterpret_cast<char*>(shape), sizeof(shape))) Fail("cannot read " + path);
  Matrix matrix{shape[0], shape[1], std::vector<float>(size_t{shape[0]} * shape[1])};
  const auto bytes = static_cast<std::streamsize>(matrix.values.size() * sizeof(float));
  if (!in.read(reinterpret_cast<char*>(matrix.values.data()), bytes)) Fail(path + " is cut short");
  return matrix;
}

struct Arguments {
  std::string base, metric, index, queries, ids;
  size_t k = 10;
  uint64_t seed = 0;
  std::vector<size_t> points;
  std::map<std::string, std::string> params;

  size_t Number(const std::string& name) const {
    const auto found = params.find(name);
    if (found == params.end()) Fail("the parameter " + name + " is missing");
    return std::stoul(found->second);
  }
};

inline Arguments Parse(int argc, char** argv) {
  const bool search = argc > 1 && std::string(argv[1]) == "search";
  const int fixed = search ? 10 : 5;
  if (argc < fixed) Fail("usage: see driver.h");
  Arguments arguments{.base = argv[2], .metric = argv[3], .index = argv[4]};
  if (search) {
    arguments.queries = argv[5];
    arguments.k = std::stoul(argv[6]);
    arguments.seed = std::stoull(argv[7]);
    arguments.ids = argv[8];
    std::istringstream points(argv[9]);
    for (std::string word; std::getline(points, word, ',');)
      arguments.points.push_back(std::stoul(word));
  }
  for (int i = fixed; i < argc; ++i) {
    const std::string word = argv[i];
    arguments.params[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
  }
  return arguments;
}

inline double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

inline size_t PssBytes() {
  std::ifstream in("/proc/self/smaps_rollup");
  for (std::string word; in >> word;) {
    size_t kilobytes = 0;
    if (word == "Pss:" && in >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

/// `build(arguments, base)` makes the index and returns a function that saves it.
template <typename Build>
void RunBuild(const Arguments& arguments, Build build) {
  const Matrix base = ReadMatrix(arguments.base);
  const double start = CpuSeconds();
  const auto save = build(arguments, base);
  const double seconds = CpuSeconds() - start;
  save();
  std::printf("{\"build_cpu_s\": %.3f}\n", seconds);
}

/// Queries that warm up a point whose ids are not wanted.
constexpr size_t kWarmUp = 100;

/// `searcher(ef, query, k, ids)` writes k ids. A pass without a clock gives the ids of a point,
/// then comes the timed one, in another order of the queries.
template <typename Searcher>
void RunSearch(const Arguments& arguments, size_t pss_before, Searcher searcher) {
  const Matrix queries = ReadMatrix(arguments.queries);
  const bool wanted = arguments.ids != "-";
  std::ofstream out;
  if (wanted) out.open(arguments.ids, std::ios::binary);
  std::vector<size_t> order(queries.rows);
  std::iota(order.begin(), order.end(), size_t{0});
  std::mt19937_64 random(arguments.seed);
  std::shuffle(order.begin(), order.end(), random);
  std::vector<uint32_t> ids(arguments.k);
  std::vector<double> latencies(queries.rows);
  std::string points;
  for (const size_t point : arguments.points) {
    for (size_t q = 0; q < (wanted ? queries.rows : std::min(kWarmUp, queries.rows)); ++q) {
      std::fill(ids.begin(), ids.end(), UINT32_MAX);
      searcher(point, queries.row(q), arguments.k, ids.data());
      if (wanted)
        out.write(reinterpret_cast<const char*>(ids.data()),
                  static_cast<std::streamsize>(ids.size() * 4));
    }
    const double start = CpuSeconds();
    for (const size_t q : order) {
      const auto one = std::chrono::steady_clock::now();
      searcher(point, queries.row(q), arguments.k, ids.data());
      latencies[q] =
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - one).count();
    }
    const double cpu_us = (CpuSeconds() - start) * 1e6 / static_cast<double>(queries.rows);
    std::sort(latencies.begin(), latencies.end());
    char text[256];
    std::snprintf(
        text, sizeof(text),
        "%s{\"search\": \"%zu\", \"cpu_us_raw\": %.3f, \"p50_us\": %.2f, \"p99_us\": %.2f}",
        points.empty() ? "" : ", ", point, cpu_us, latencies[latencies.size() / 2],
        latencies[latencies.size() * 99 / 100]);
    points += text;
  }
  std::printf("{\"call_us\": 0, \"pss_bytes\": %zu, \"points\": [%s]}\n", PssBytes() - pss_before,
              points.c_str());
}
