// Rows per second of the usual kinds of leaf. The rows are like a collection's: identifiers,
// categories, documents.

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "query/filter/filter.h"
#include "query/filter/test_rows.h"

namespace kite::query::filter {
namespace {

constexpr size_t kRows = 200'000;

const TestRows& BenchRows() {
  static const TestRows* const rows = [] {
    std::mt19937_64 random(7);
    std::vector<Row> data(kRows);
    for (size_t i = 0; i < kRows; ++i) {
      const auto number = static_cast<int64_t>(random() % 1'000'000);
      const std::string category = "category-" + std::to_string(number % 100);
      data[i] = {{"pk", static_cast<int64_t>(i)},
                 {"i8", number % 100},
                 {"i32", number},
                 {"i64", number * 1'000'003},
                 {"f", static_cast<double>(number) / 7},
                 {"d", static_cast<double>(number) / 7},
                 {"s", category},
                 {"j", R"({"title": "a title of some length", "category": ")" + category +
                           R"(", "price": )" + std::to_string(number % 1000) +
                           R"(, "tags": ["one", "two", "three"], "stock": {"left": 12}})"},
                 {"ai", Integers{number % 10, number % 7, 3}}};
    }
    return new TestRows(TestSchema(), data);
  }();
  return *rows;
}

void Evaluate(benchmark::State& state, const std::string& text) {
  const TestRows& rows = BenchRows();
  const auto filter = Filter::Parse(text, TestSchema(), {});
  if (!filter.ok()) return state.SkipWithError(filter.status().message().c_str());
  std::vector<uint64_t> bits((kRows + 63) / 64);
  for ([[maybe_unused]] auto _ : state) {
    if (!(*filter)->Evaluate(Context(), rows, bits.data()).ok()) state.SkipWithError("failed");
    benchmark::DoNotOptimize(bits.data());
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kRows));
}

BENCHMARK_CAPTURE(Evaluate, int8_less, "i8 < 50");
BENCHMARK_CAPTURE(Evaluate, int32_range, "1000 <= i32 < 500000");
BENCHMARK_CAPTURE(Evaluate, int64_less, "i64 < 500000000000");
BENCHMARK_CAPTURE(Evaluate, int64_in_5, "i64 in [1000003, 2000006, 3000009, 4000012, 5]");
BENCHMARK_CAPTURE(Evaluate, float_less, "f < 50000.5");
BENCHMARK_CAPTURE(Evaluate, double_less, "d < 50000.5");
BENCHMARK_CAPTURE(Evaluate, text_equal, "s == 'category-42'");
BENCHMARK_CAPTURE(Evaluate, text_in_3, "s in ['category-42', 'category-7', 'x']");
BENCHMARK_CAPTURE(Evaluate, text_like_infix, "s like '%ory-4%'");
BENCHMARK_CAPTURE(Evaluate, text_regex, "s =~ '-4[0-9]$'");
BENCHMARK_CAPTURE(Evaluate, json_number, "j['price'] < 500");
BENCHMARK_CAPTURE(Evaluate, json_text, "j['category'] == 'category-42'");
BENCHMARK_CAPTURE(Evaluate, json_nested, "j['stock']['left'] == 12");
BENCHMARK_CAPTURE(Evaluate, array_contains, "array_contains(ai, 6)");
BENCHMARK_CAPTURE(Evaluate, arithmetic, "i32 % 10 == 3");
BENCHMARK_CAPTURE(Evaluate, and_cheap_first, "j['price'] < 500 and i8 == 7");

void Parse(benchmark::State& state) {
  const model::CollectionSchema schema = TestSchema();
  std::string text = "i64 in [";
  for (int i = 0; i < 10'000; ++i) text += std::to_string(i * 7) + ",";
  text += "1]";
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(Filter::Parse(text, schema, {}).ok());
  state.SetItemsProcessed(state.iterations() * 10'000);
}
BENCHMARK(Parse);

}  // namespace
}  // namespace kite::query::filter

BENCHMARK_MAIN();
