#include "testing/test_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace kite::engine::testing {

VectorSource Dataset::source() const {
  return {.dim = dim,
          .count = count(),
          .rows = row_of.empty() ? count() : rows,
          .data = reinterpret_cast<const std::byte*>(values.data()),
          .row_of = row_of};
}

QuerySet Dataset::queries() const {
  return {reinterpret_cast<const std::byte*>(values.data()), count()};
}

Dataset Clustered(size_t n, uint32_t dim, size_t clusters, uint64_t seed, uint64_t stream) {
  std::mt19937_64 centre_random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> centres(clusters * dim);
  for (float& value : centres) value = uniform(centre_random);
  std::mt19937_64 random(seed * 1000003 + stream);
  std::normal_distribution<float> normal(0, 0.25F);
  Dataset data{.dim = dim, .values = std::vector<float>(n * dim)};
  for (size_t i = 0; i < n; ++i) {
    const size_t cluster = random() % clusters;
    for (size_t j = 0; j < dim; ++j)
      data.values[i * dim + j] = centres[cluster * dim + j] + normal(random);
  }
  return data;
}

void SparseDataset::Add(std::vector<SparseEntry> vector) {
  entries.insert(entries.end(), vector.begin(), vector.end());
  offsets.push_back(entries.size());
}

VectorSource SparseDataset::source() const {
  return {.type = VectorType::kSparse,
          .count = count(),
          .rows = count(),
          .data = reinterpret_cast<const std::byte*>(entries.data()),
          .entry_offsets = offsets};
}

QuerySet SparseDataset::queries() const {
  return {reinterpret_cast<const std::byte*>(entries.data()), count(), offsets};
}

SparseDataset ZipfTexts(size_t n, uint32_t words, size_t most, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<> uniform(0, 1);
  SparseDataset data;
  for (size_t i = 0; i < n; ++i) {
    std::map<uint32_t, float> values;
    const size_t count = random() % (most + 1);
    for (size_t w = 0; w < count; ++w) {
      // Indices are far apart: a vocabulary of hashes.
      const auto word = static_cast<uint32_t>(std::pow(words, uniform(random)));
      values[word * 2654435U] += 1;
    }
    std::vector<SparseEntry> vector;
    vector.reserve(values.size());
    for (const auto& [index, value] : values) vector.push_back({index, value});
    data.Add(std::move(vector));
  }
  return data;
}

void Bits::Set(Row row) {
  count += Get(row) ? 0 : 1;
  words[row / 64] |= uint64_t{1} << (row % 64);
}

Filter FilterOut(const Bits& out) { return {.out = out.words.data(), .out_count = out.count}; }

std::unique_ptr<Index> MustBuild(const BuildSpec& spec, const VectorSource& source) {
  InlineExecutor executor;
  Result<std::unique_ptr<Index>> index = Build(Context(), spec, source, executor, {});
  EXPECT_TRUE(index.ok()) << index.status();
  return index.ok() ? std::move(index).value() : nullptr;
}

std::vector<Hits> MustSearch(const Index& index, const QuerySet& queries,
                             const SearchParams& params, const Filter& filter) {
  Scratch scratch;
  std::vector<Hits> all(queries.count);
  size_t calls = 0;
  const Status status = index.Search(Context(), queries, params, filter, scratch,
                                     [&](size_t query, std::span<const Neighbor> hits) {
                                       all[query].assign(hits.begin(), hits.end());
                                       ++calls;
                                     });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(calls, queries.count);
  for (const Hits& hits : all) EXPECT_EQ(CheckHits(index.metric(), hits, filter), "");
  return all;
}

std::string MustSave(const Index& index) {
  std::string file;
  const Status status = index.Save([&](std::string_view bytes) {
    file.append(bytes);
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status;
  return file;
}

namespace {

bool InRange(Metric metric, const Range& range, float score) {
  if (LargerIsBetter(metric))
    return score > range.radius && score <= range.range_filter.value_or(INFINITY);
  return score < range.radius && score >= range.range_filter.value_or(-INFINITY);
}

std::span<const SparseEntry> SparseQueryOf(const QuerySet& queries, size_t q) {
  const auto* const entries = reinterpret_cast<const SparseEntry*>(queries.data);
  return {entries + queries.entry_offsets[q], entries + queries.entry_offsets[q + 1]};
}

Hits SelectHits(Metric metric, const Hits& sorted, const SearchParams& params) {
  Hits hits;
  std::map<int64_t, size_t> groups;
  for (const Neighbor& hit : sorted) {
    if (params.range && !InRange(metric, *params.range, hit.score)) continue;
    if (params.after && !Better(metric, *params.after, hit)) continue;
    if (params.group_of) {
      const int64_t group = params.group_of(hit.row);
      if (!groups.contains(group) && groups.size() == params.k) continue;
      if (groups[group]++ < params.group_size) hits.push_back(hit);
    } else if (hits.size() < params.k) {
      hits.push_back(hit);
    }
  }
  return hits;
}

}  // namespace

std::vector<Hits> BruteForce(Metric metric, const VectorSource& source, const QuerySet& queries,
                             const SearchParams& params, const Filter& filter) {
  std::vector<Row> rows;
  for (size_t i = 0; i < source.count; ++i) {
    const Row row = source.row_of.empty() ? static_cast<Row>(i) : source.row_of[i];
    if (!filter.IsOut(row)) rows.push_back(row);
  }
  std::vector<Hits> all;
  std::vector<float> scores(rows.size());
  for (size_t q = 0; q < queries.count; ++q) {
    const bool sparse = source.type == VectorType::kSparse;
    const Status status =
        sparse ? ScoreSparseRows(metric, source, SparseQueryOf(queries, q), params.params, rows,
                                 scores)
               : ScoreRows(metric, source, queries.data + q * VectorBytes(source.type, source.dim),
                           rows, scores, params.params);
    EXPECT_TRUE(status.ok()) << status;
    Hits hits;
    for (size_t i = 0; i < rows.size(); ++i) {
      const bool positive = sparse || metric == Metric::kMhJaccard;
      if (!positive || scores[i] > 0) hits.push_back({scores[i], rows[i]});
    }
    std::sort(hits.begin(), hits.end(),
              [metric](const Neighbor& a, const Neighbor& b) { return Better(metric, a, b); });
    all.push_back(SelectHits(metric, hits, params));
  }
  return all;
}

double Recall(Metric metric, const std::vector<Hits>& expected, const std::vector<Hits>& found) {
  size_t wanted = 0;
  size_t good = 0;
  for (size_t q = 0; q < expected.size(); ++q) {
    if (expected[q].empty()) continue;
    const float worst = expected[q].back().score;
    wanted += expected[q].size();
    good += static_cast<size_t>(
        std::count_if(found[q].begin(), found[q].end(), [&](const Neighbor& hit) {
          return LargerIsBetter(metric) ? hit.score >= worst : hit.score <= worst;
        }));
  }
  return wanted == 0 ? 1 : static_cast<double>(good) / static_cast<double>(wanted);
}

std::string CheckHits(Metric metric, const Hits& hits, const Filter& filter) {
  std::set<Row> rows;
  for (size_t i = 0; i < hits.size(); ++i) {
    const std::string at =
        "hit " + std::to_string(i) + " (row " + std::to_string(hits[i].row) + ") ";
    if (i > 0 && !Better(metric, hits[i - 1], hits[i])) return at + "is out of order";
    if (!rows.insert(hits[i].row).second) return at + "comes twice";
    if (filter.IsOut(hits[i].row)) return at + "is filtered out";
  }
  return "";
}

bool SameHits(const std::vector<Hits>& a, const std::vector<Hits>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Hits& x, const Hits& y) {
    return std::equal(
        x.begin(), x.end(), y.begin(), y.end(),
        [](const Neighbor& p, const Neighbor& q) { return p.row == q.row && p.score == q.score; });
  });
}

}  // namespace kite::engine::testing
