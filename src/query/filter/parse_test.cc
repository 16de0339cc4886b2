#include <gtest/gtest.h>

#include <string>

#include "query/filter/filter.h"
#include "query/filter/syntax.h"
#include "query/filter/test_rows.h"

namespace kite::query::filter {
namespace {

std::string ConstantText(const Constant& constant) {
  if (const auto* value = std::get_if<bool>(&constant.value)) return *value ? "true" : "false";
  if (const auto* value = std::get_if<int64_t>(&constant.value)) return std::to_string(*value);
  if (const auto* value = std::get_if<double>(&constant.value)) {
    std::string text = std::to_string(*value);
    return text.erase(text.find_last_not_of('0') + 1) + "f";
  }
  if (const auto* value = std::get_if<std::string>(&constant.value)) return "'" + *value + "'";
  std::string text = "[";
  for (const Constant& element : std::get<ConstantList>(constant.value)) {
    text += ConstantText(element) + " ";
  }
  return text + "]";
}

// The tree with all parentheses written.
std::string Render(const SyntaxTree& tree, NodeId id) {
  const SyntaxNode& node = tree.at(id);
  const auto child = [&](size_t i) { return Render(tree, node.children[i]); };
  const std::string op(OpText(node.op));
  const std::string op2(OpText(node.op2));
  switch (node.kind) {
    case SyntaxKind::kConstant:
      return ConstantText(node.value);
    case SyntaxKind::kTemplate:
      return "{" + node.name + "}";
    case SyntaxKind::kArray:
      return ConstantText(node.value);
    case SyntaxKind::kField: {
      std::string text = node.name;
      for (const PathStep& step : node.path) {
        text += "[" + (step.is_key() ? step.key : std::to_string(step.index)) + "]";
      }
      return text;
    }
    case SyntaxKind::kUnary:
      return "(" + op + " " + child(0) + ")";
    case SyntaxKind::kBinary:
      return "(" + child(0) + " " + op + " " + child(1) + ")";
    case SyntaxKind::kRange:
      return "(" + child(0) + " " + op + " " + child(1) + " " + op2 + " " + child(2) + ")";
    case SyntaxKind::kIn:
      return "(" + child(0) + (node.negated ? " not in " : " in ") + child(1) + ")";
    case SyntaxKind::kIsNull:
      return "(" + child(0) + (node.negated ? " is not null" : " is null") + ")";
    case SyntaxKind::kExists:
      return "(exists " + child(0) + ")";
    default:
      break;
  }
  std::string text = node.kind == SyntaxKind::kCall ? node.name + "(" : "(";
  for (size_t i = 0; i < node.children.size(); ++i) {
    if (i > 0) text += node.kind == SyntaxKind::kCall ? ", " : " " + op + " ";
    text += child(i);
  }
  return text + ")";
}

std::string Parsed(std::string_view text) {
  const auto tree = ParseSyntax(text);
  return tree.ok() ? Render(*tree, tree->root) : tree.status().message();
}

TEST(FilterParse, Precedence) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"a or b and c", "(a or (b and c))"},
      {"a || b && c OR d", "(a or (b and c) or d)"},
      {"a | b ^ c & d == e", "(a | (b ^ (c & (d == e))))"},
      {"a == b < c", "(a == (b < c))"},
      {"a < b + 1", "(a < (b + 1))"},
      {"a << 1 + 2", "(a << (1 + 2))"},
      {"a + b * c", "(a + (b * c))"},
      {"a - b - c", "((a - b) - c)"},
      {"a * b % c / d", "(((a * b) % c) / d)"},
      {"-a ** 2", "(- (a ** 2))"},
      {"2 ** 3 ** 2", "((2 ** 3) ** 2)"},
      {"2 ** -1", "(2 ** (- 1))"},
      {"-a * b", "((- a) * b)"},
      {"~a + !b", "((~ a) + (not b))"},
      {"not a and b", "((not a) and b)"},
      {"not a == b", "((not a) == b)"},
      {"not (a == b)", "(not (a == b))"},
      {"not s like 'x%'", "(not (s like 'x%'))"},
      {"a in [1, 2] and b not in [3]", "((a in [1 2 ]) and (b not in [3 ]))"},
      {"a in [1] == true", "((a in [1 ]) == true)"},
      {"a << 1 in [2]", "((a << 1) in [2 ])"},
      {"1 < a < 5", "(1 < a < 5)"},
      {"5 >= a > 1 and b", "((5 >= a > 1) and b)"},
      {"1 < a > 5", "((1 < a) > 5)"},
      {"1 < a + 1 < 5", "((1 < (a + 1)) < 5)"},
      {"1 <= j['x'][0] < 5", "(1 <= j[x][0] < 5)"},
      {"a is null or b IS NOT NULL", "((a is null) or (b is not null))"},
      {"not a is null", "(not (a is null))"},
      {"exists j['a'] and not exists $meta[\"k\"]", "((exists j[a]) and (not (exists $meta[k])))"},
      {"is == 1 and is is null", "((is == 1) and (is is null))"},
      {"s =~ 'a' && s !~ \"b\"", "((s =~ 'a') and (s !~ 'b'))"},
      {"json_contains(j['a'], 1) and ARRAY_LENGTH(ai) == 2",
       "(json_contains(j[a], 1) and (array_length(ai) == 2))"},
      {"a == {x} and b in {y}", "((a == {x}) and (b in {y}))"},
      {"((a))", "a"},
  };
  for (const auto& [text, expected] : kCases) EXPECT_EQ(Parsed(text), expected) << text;
}

TEST(FilterParse, Literals) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"017", "15"},
      {"0", "0"},
      {"0x1F", "31"},
      {"0b101", "5"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"1.5", "1.5f"},
      {".5", "0.5f"},
      {"2.", "2.f"},
      {"1e3", "1000.f"},
      {"0x1.8p1", "3.f"},
      {"0x3p-1", "1.5f"},
      {"true", "true"},
      {"True", "true"},
      {"FALSE", "false"},
      {R"('a\'b"c')", R"('a'b"c')"},
      {R"("\x41\101A\t")", "'AAA\t'"},
      {R"("é\U0001F600")", "'\xC3\xA9\xF0\x9F\x98\x80'"},
      {R"("a\%b\.c\\d")", R"('a\%b\.c\d')"},
      {R"(r"\d+\"x")", R"('\d+\"x')"},
      {R"(R'\n')", R"('\n')"},
      {R"(u8"x")", "'x'"},
      {"[]", "[]"},
      {"[1, -2, 3.5, 'x', true]", "[1 -2 3.5f 'x' true ]"},
      {"[-9223372036854775808]", "[-9223372036854775808 ]"},
  };
  for (const auto& [text, expected] : kCases) {
    EXPECT_EQ(Parsed(text), expected) << text;
  }
}

std::string ErrorOf(std::string_view text, const model::Templates& templates = {},
                    bool dynamic = false) {
  const auto filter = Filter::Parse(text, TestSchema(dynamic), templates);
  if (filter.ok()) return "accepted";
  constexpr std::string_view kPrefix = "failed to create query plan: cannot parse expression: ";
  const std::string message = filter.status().message();
  const std::string head = std::string(kPrefix) + std::string(text) + ", error: ";
  if (!message.starts_with(head)) return message;
  EXPECT_TRUE(filter.status().Is(StatusKind::kInvalidArgument, StatusSubject::kFilter));
  return message.substr(head.size());
}

TEST(FilterParse, SyntaxErrors) {
  const std::string operand = "', expected a field, a constant, a function or '('";
  EXPECT_EQ(ErrorOf("i64 >"), "line 1:5 no viable alternative at input '>" + operand);
  EXPECT_EQ(ErrorOf("i64 > )"), "line 1:6 no viable alternative at input ')" + operand);
  EXPECT_EQ(ErrorOf("i64 >\n > 1"), "line 2:1 no viable alternative at input '>" + operand);
  EXPECT_EQ(ErrorOf("i64 > 1 1"), "line 1:8 extraneous input '1' expecting <EOF>");
  EXPECT_EQ(ErrorOf("(i64 > 1"), "line 1:8 no viable alternative at input '1', expected ')'");
  EXPECT_EQ(ErrorOf("i64 in [1 2]"),
            "line 1:10 no viable alternative at input '2', expected ',' or ']'");
  EXPECT_EQ(ErrorOf("i64 = 1"), "line 1:4 extraneous input '=' expecting <EOF>; equality is written ==");
  EXPECT_EQ(ErrorOf("j.a == 1"),
            "line 1:1 token recognition error at: '.'; a key of a JSON field is written field['key']");
  EXPECT_EQ(ErrorOf("i64 @ 1"), "line 1:4 token recognition error at: '@'");
  EXPECT_EQ(ErrorOf("s == 'abc"), "line 1:5 token recognition error at: ''abc'");
  EXPECT_EQ(ErrorOf("i64 == 08"), "line 1:7 token recognition error at: '08'");
  EXPECT_EQ(ErrorOf("i64 == 1abc"), "line 1:7 token recognition error at: '1a'");
  EXPECT_EQ(ErrorOf("i64 == 9223372036854775808"),
            "line 1:7 the integer 9223372036854775808 is out of range for Int64");
  EXPECT_EQ(ErrorOf("i64 == 99999999999999999999"),
            "line 1:7 the integer 99999999999999999999 is out of range for Int64");
  EXPECT_EQ(ErrorOf("d == 1e999"), "line 1:5 the number 1e999 is out of range for Double");
  EXPECT_EQ(ErrorOf("i64 is nothing"),
            "line 1:7 no viable alternative at input 'nothing', expected 'null'");
  EXPECT_EQ(ErrorOf("And"), "field And not exist (line 1:0)");
}

TEST(FilterParse, TypeErrors) {
  EXPECT_EQ(ErrorOf("nofield > 3"), "field nofield not exist (line 1:0)");
  EXPECT_EQ(ErrorOf("s == abc"),
            "field abc not exist; a text constant is written in quotes (line 1:5)");
  EXPECT_EQ(ErrorOf("s in ['a', abc]"),
            "field abc not exist; a text constant is written in quotes (line 1:11)");
  EXPECT_EQ(ErrorOf("s != None"),
            "field None not exist; NULL is tested with 'is null' and 'is not null' (line 1:5)");
  EXPECT_EQ(ErrorOf("$meta['a'] > 3"), "field $meta not exist (line 1:0)");
  EXPECT_EQ(ErrorOf("i64 == 'a'"),
            "comparisons between Int64 and VarChar are not supported (line 1:4)");
  EXPECT_EQ(ErrorOf("1 == s"),
            "comparisons between VarChar and Int64 are not supported (line 1:2)");
  EXPECT_EQ(ErrorOf("s < i64"),
            "comparisons between VarChar and Int64 are not supported (line 1:2)");
  EXPECT_EQ(ErrorOf("b < true"), "comparisons between Bool and Bool are not supported (line 1:2)");
  EXPECT_EQ(ErrorOf("1 == 'a'"),
            "comparisons between Int64 and VarChar are not supported (line 1:2)");
  EXPECT_EQ(ErrorOf("j['a'] == i64"),
            "two column comparison with JSON type is not supported (line 1:7)");
  EXPECT_EQ(ErrorOf("i64 in ['a']"), "value 'a' in list cannot be casted to Int64 (line 1:4)");
  EXPECT_EQ(ErrorOf("i64 in 3"),
            "the right-hand side of 'in' must be a list, got: Int64 (line 1:7)");
  EXPECT_EQ(ErrorOf("3 in [3]"),
            "'term' can only be used on single field, but got: Int64 (line 1:2)");
  EXPECT_EQ(ErrorOf("i64 like 'a%'"),
            "like operation on non-string or no-json field is unsupported, got: Int64 (line 1:4)");
  EXPECT_EQ(ErrorOf("s like 3"),
            "the right operand value of the like operation must be a string (line 1:7)");
  EXPECT_EQ(ErrorOf("s =~ '('"), "the pattern '(' is invalid: missing ): ( (line 1:5)");
  EXPECT_EQ(ErrorOf("s + 1 == 2"),
            "'+' can only be used between integer or floating or json field expressions, got: "
            "VarChar (line 1:2)");
  EXPECT_EQ(ErrorOf("d % 2 == 0"),
            "'%' can only be used between integer expressions, got: Double (line 1:2)");
  EXPECT_EQ(ErrorOf("i64 / 0 == 1"), "cannot divide by zero (line 1:4)");
  EXPECT_EQ(ErrorOf("i64 % 0 == 1"), "cannot modulo by zero (line 1:4)");
  EXPECT_EQ(ErrorOf("i64 == 9223372036854775807 + 1"),
            "the result of '+' is out of range (line 1:27)");
  EXPECT_EQ(ErrorOf("vec == 1"), "filters on FloatVector fields are not supported: vec (line 1:0)");
  EXPECT_EQ(ErrorOf("i64[0] == 1"),
            "Int64 data type not supported accessed with []: i64 (line 1:0)");
  EXPECT_EQ(ErrorOf("ai['x'] == 1"),
            "can only access array field with integer index: ai (line 1:0)");
  EXPECT_EQ(ErrorOf("exists i64"),
            "exists operations are only supported on json field keys, got: Int64 (line 1:0)");
  EXPECT_EQ(ErrorOf("json_contains(i64, 1)"),
            "contains operation are only supported on json or array fields now, got: Int64 (line "
            "1:0)");
  EXPECT_EQ(ErrorOf("array_contains_all(ai, 1)"),
            "array_contains_all operation element must be an array (line 1:23)");
  EXPECT_EQ(ErrorOf("array_contains(ai, 'x')"),
            "value 'x' in list cannot be casted to Int64 (line 1:0)");
  EXPECT_EQ(ErrorOf("array_length(i64) == 1"),
            "array_length operation are only supported on json or array fields now, got: Int64 "
            "(line 1:0)");
  EXPECT_EQ(ErrorOf("foo(i64)"), "function foo not found (line 1:0)");
  EXPECT_EQ(ErrorOf("i64 == {x}"),
            "the value of expression template variable name {x} is not found (line 1:7)");
  EXPECT_EQ(ErrorOf("(i64 > 1) == true"),
            "a boolean expression cannot be an operand here; use and, or, not (line 1:5)");
  EXPECT_EQ(ErrorOf("not i64 > 1"),
            "'not' binds tighter than other operators: write not (a > b) (line 1:0)");
  EXPECT_EQ(ErrorOf("not i64"),
            "'and', 'or' and 'not' can only be used on boolean expressions, got: Int64 (line 1:4)");
  EXPECT_EQ(ErrorOf("i64 > 1 and i8"),
            "'and', 'or' and 'not' can only be used on boolean expressions, got: Int8 (line 1:12)");
}

TEST(FilterParse, NotABooleanExpression) {
  EXPECT_EQ(ErrorOf("i64 + 1"),
            "failed to create query plan: predicate is not a boolean expression: i64 + 1, data "
            "type: Int64");
  EXPECT_EQ(ErrorOf("'abc'"),
            "failed to create query plan: predicate is not a boolean expression: 'abc', data "
            "type: VarChar");
}

TEST(FilterParse, UnimplementedFunctionsAreNamed) {
  for (const std::string name : {"text_match", "phrase_match", "st_within", "element_filter",
                                 "match_any", "bloom_match", "random_sample", "TEXT_MATCH"}) {
    const auto filter = Filter::Parse(name + "(s, 'x', a=1)", TestSchema(), {});
    ASSERT_TRUE(filter.status().Is(StatusKind::kUnimplemented)) << name;
    EXPECT_NE(filter.status().message().find("not supported"), std::string::npos);
  }
  EXPECT_TRUE(
      Filter::Parse("st[sub] > 1", TestSchema(), {}).status().Is(StatusKind::kUnimplemented));
  EXPECT_TRUE(
      Filter::Parse("$[sub] > 1", TestSchema(), {}).status().Is(StatusKind::kUnimplemented));
}

TEST(FilterParse, LongExpressionsAreCutInMessages) {
  const std::string text = "s == '" + std::string(195, 'x') + "\xC3\xA9' and nofield == 1";
  const auto filter = Filter::Parse(text, TestSchema(false), {});
  EXPECT_EQ(filter.status().message(),
            "failed to create query plan: cannot parse expression: s == '" + std::string(194, 'x') +
                "..., error: field nofield not exist (line 1:" +
                std::to_string(text.find("nofield")) + ")");
}

TEST(FilterParse, KeysOfPlainKeyLookups) {
  const auto keys = [](std::string_view text, const model::Templates& templates = {}) {
    const auto filter = Filter::Parse(text, TestSchema(), templates);
    EXPECT_TRUE(filter.ok()) << filter.status();
    std::string shown = "none";
    if (filter.ok() && (*filter)->keys()) {
      const model::Column& column = *(*filter)->keys();
      shown.clear();
      for (size_t i = 0; i < column.rows; ++i) {
        shown += std::to_string(column.Values<int64_t>()[i]) + " ";
      }
    }
    return shown;
  };
  EXPECT_EQ(keys("pk in [3, 1, 3, 2.0, 2.5]"), "3 1 3 2 ");
  EXPECT_EQ(keys("pk == -7"), "-7 ");
  EXPECT_EQ(keys("((7 == pk))"), "7 ");
  EXPECT_EQ(keys("pk in []"), "");
  EXPECT_EQ(keys("pk in {ids}", {{"ids", {ConstantList{{int64_t{4}}, {int64_t{5}}}}}}), "4 5 ");
  EXPECT_EQ(keys("pk not in [3]"), "none");
  EXPECT_EQ(keys("not (pk in [3])"), "none");
  EXPECT_EQ(keys("pk in [3] and i8 == 1"), "none");
  EXPECT_EQ(keys("pk != 3"), "none");
  EXPECT_EQ(keys("i64 == 3"), "none");
}

TEST(FilterParse, ValuesOfThePartitionKey) {
  model::CollectionSchema schema = TestSchema();
  for (model::FieldSchema& field : schema.fields) field.is_partition_key = field.name == "i64";
  const auto values = [&](std::string_view text) {
    const auto filter = Filter::Parse(text, schema, {});
    EXPECT_TRUE(filter.ok()) << filter.status();
    std::string shown = "any";
    if (filter.ok() && (*filter)->partition_values()) {
      const model::Column& column = *(*filter)->partition_values();
      shown.clear();
      for (size_t i = 0; i < column.rows; ++i) {
        shown += std::to_string(column.Values<int64_t>()[i]) + " ";
      }
    }
    return shown;
  };
  EXPECT_EQ(values("i64 == 3"), "3 ");
  EXPECT_EQ(values("4 == i64"), "4 ");
  EXPECT_EQ(values("i64 in [7, 5]"), "7 5 ");
  EXPECT_EQ(values("i8 > 1 and (i64 in [7, 5] and i8 < 3)"), "7 5 ");
  EXPECT_EQ(values("i64 in [7, 5, 3] and i64 == 5"), "5 ");
  EXPECT_EQ(values("i64 == 1 or i64 in [2, 3]"), "1 2 3 ");
  EXPECT_EQ(values("(i64 == 1 and i8 == 2) or (i8 == 3 and i64 == 4)"), "1 4 ");
  EXPECT_EQ(values("i64 == 1 or i8 == 2"), "any");
  EXPECT_EQ(values("not (i64 == 1)"), "any");
  EXPECT_EQ(values("not (i64 != 1)"), "any");
  EXPECT_EQ(values("not (i64 == 1 or i8 == 2)"), "any");
  EXPECT_EQ(values("i64 != 1"), "any");
  EXPECT_EQ(values("i64 not in [1]"), "any");
  EXPECT_EQ(values("i64 > 1"), "any");
  EXPECT_EQ(values("i8 == 1"), "any");
  EXPECT_EQ(values(""), "any");
}

TEST(FilterParse, TextKeys) {
  model::CollectionSchema schema = TestSchema();
  schema.fields[0].is_primary_key = false;
  schema.fields[8].is_primary_key = true;
  const auto filter = Filter::Parse("s in ['b', '', 'aa']", schema, {});
  ASSERT_TRUE(filter.ok() && (*filter)->keys());
  const model::Column& column = *(*filter)->keys();
  ASSERT_EQ(column.rows, 3U);
  EXPECT_EQ(column.type, model::DataType::kVarChar);
  EXPECT_EQ(column.Bytes(0), "b");
  EXPECT_EQ(column.Bytes(1), "");
  EXPECT_EQ(column.Bytes(2), "aa");
}

TEST(FilterParse, FieldsThatAreRead) {
  const auto schema = TestSchema();
  const auto filter =
      Filter::Parse("i64 > 1 and (s == 'x' or i64 < 0) and undeclared == 1", schema, {});
  ASSERT_TRUE(filter.ok());
  const std::vector<model::FieldId> expected = {schema.Find("i64")->id, schema.Find("s")->id,
                                                schema.Find("$meta")->id};
  EXPECT_EQ((*filter)->fields(), expected);
  EXPECT_TRUE((*Filter::Parse("", schema, {}))->fields().empty());
}

TEST(FilterParse, IteratorFilters) {
  EXPECT_TRUE(Filter::Parse("pk < 9223372036854775807", TestSchema(), {}).ok());
  EXPECT_TRUE(Filter::Parse("s != \"\"", TestSchema(), {}).ok());
  EXPECT_TRUE(Filter::Parse("pk > -9223372036854775808", TestSchema(), {}).ok());
}

TEST(FilterParse, JsonPaths) {
  const auto schema = TestSchema();
  const auto path = ParseJsonPath("j['a'][\"b\"][2]", schema);
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->field, schema.Find("j")->id);
  EXPECT_EQ(path->steps, (std::vector<PathStep>{{"a", -1}, {"b", -1}, {"", 2}}));
  const auto dynamic = ParseJsonPath("color", schema);
  ASSERT_TRUE(dynamic.ok());
  EXPECT_EQ(dynamic->field, schema.Find("$meta")->id);
  EXPECT_EQ(dynamic->steps, (std::vector<PathStep>{{"color", -1}}));
  EXPECT_EQ(ParseJsonPath("$meta[\"color\"]", schema)->steps, dynamic->steps);
  EXPECT_FALSE(ParseJsonPath("i64", schema).ok());
  EXPECT_FALSE(ParseJsonPath("color", TestSchema(false)).ok());
  EXPECT_FALSE(ParseJsonPath("j['a'] + 1", schema).ok());
  EXPECT_FALSE(ParseJsonPath("", schema).ok());
}

}  // namespace
}  // namespace kite::query::filter
