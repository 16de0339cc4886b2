// Parses any text as a filter and, where it is one, evaluates it on a few rows, with and without
// negation.
//
// The first line of the input is taken for the template value {t}; the rest is the filter.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "query/filter/filter.h"
#include "query/filter/syntax.h"
#include "query/filter/test_rows.h"

namespace kite::query::filter {
namespace {

std::vector<Row> FuzzRows() {
  std::vector<Row> rows(3);
  for (size_t i = 0; i < rows.size(); ++i) rows[i]["pk"] = static_cast<int64_t>(i);
  rows[1].insert({{"b", true},
                  {"i8", int64_t{-128}},
                  {"i16", int64_t{3}},
                  {"i32", int64_t{0}},
                  {"i64", INT64_MIN},
                  {"f", 0.1},
                  {"d", -0.0},
                  {"s", "caf\xC3\xA9"},
                  {"t", ""},
                  {"j", R"({"a": [1, "x", null, {"b": 1e3}], "c": "\u00e9"})"},
                  {"ai", Integers{1, -1}},
                  {"as", Texts{"", "x"}},
                  {"af", Integers{1}},
                  {"$meta", R"({"k": {"a": [true]}})"}});
  rows[2].insert({{"b", false},
                  {"i8", int64_t{5}},
                  {"i64", INT64_MAX},
                  {"s", "a%b"},
                  {"j", R"({"a": )"},
                  {"ai", Integers{}}});
  return rows;
}

void CheckDisjoint(const Filter& filter, const Filter& negation, const TestRows& rows) {
  uint64_t bits = 0;
  uint64_t negated = 0;
  KITE_CHECK(filter.Evaluate(Context(), rows, &bits).ok(), "the rows can be read");
  KITE_CHECK(negation.Evaluate(Context(), rows, &negated).ok(), "the rows can be read");
  KITE_CHECK((~bits & ~negated) == 0, "no row matches a filter and its negation");
}

}  // namespace
}  // namespace kite::query::filter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kite::query;  // NOLINT(google-build-using-namespace)
  static const kite::model::CollectionSchema kSchema = filter::TestSchema();
  static const filter::TestRows kRows(kSchema, filter::FuzzRows());
  std::string_view text(reinterpret_cast<const char*>(data), size);
  kite::model::Templates templates;
  if (const size_t line = text.find('\n'); line != std::string_view::npos) {
    templates["t"].value = std::string(text.substr(0, line));
    text.remove_prefix(line + 1);
  }
  (void)ParseJsonPath(text, kSchema).ok();
  const auto parsed = Filter::Parse(text, kSchema, templates);
  if (!parsed.ok()) return 0;
  const auto negation = Filter::Parse("not (" + std::string(text) + ")", kSchema, templates);
  if (negation.ok()) filter::CheckDisjoint(**parsed, **negation, kRows);
  return 0;
}
