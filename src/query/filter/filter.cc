#include "query/filter/filter.h"

#include <algorithm>
#include <utility>

#include "query/filter/binder.h"
#include "query/filter/node.h"
#include "query/filter/syntax.h"

namespace kite::query {
namespace {

// Rows between two looks at the context.
constexpr size_t kRowsPerCheck = 65536;
static_assert(kRowsPerCheck % filter::kBatchRows == 0);

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

Filter::Filter() = default;
Filter::~Filter() = default;

Result<std::shared_ptr<const Filter>> Filter::Parse(std::string_view text,
                                                    const model::CollectionSchema& schema,
                                                    const model::Templates& templates) {
  std::shared_ptr<Filter> result(new Filter());
  if (IsBlank(text)) {
    result->root_ = filter::MakeConstantNode(true);
    result->node_count_ = 1;
    return std::shared_ptr<const Filter>(std::move(result));
  }
  KITE_ASSIGN_OR_RETURN(const filter::SyntaxTree tree, filter::ParseSyntax(text));
  filter::Binder binder(text, tree, schema, templates);
  KITE_ASSIGN_OR_RETURN(result->root_, binder.Bind());
  result->node_count_ = binder.facts().node_count;
  result->fields_ = std::move(binder.facts().fields);
  result->keys_ = std::move(binder.facts().keys);
  result->partition_values_ = std::move(binder.facts().partition_values);
  return std::shared_ptr<const Filter>(std::move(result));
}

Status Filter::Evaluate(const Context& context, const segment::ColumnSource& source,
                        uint64_t* out) const {
  const size_t rows = source.rows();
  if (rows == 0) return {};
  filter::EvalState state(source, fields_.size(), node_count_);
  KITE_RETURN_IF_ERROR(root_->Prepare(state));
  uint64_t all[filter::kBatchWords];
  std::fill(std::begin(all), std::end(all), ~uint64_t{0});
  for (size_t begin = 0; begin < rows; begin += filter::kBatchRows) {
    if (begin % kRowsPerCheck == 0) KITE_RETURN_IF_ERROR(context.Check());
    const filter::Batch batch{state, begin, std::min(filter::kBatchRows, rows - begin)};
    uint64_t* words = out + begin / 64;
    root_->Evaluate(batch, all, words);
    std::transform(words, words + batch.words(), words, std::bit_not<>());
  }
  if (rows % 64 != 0) out[rows / 64] |= ~uint64_t{0} << (rows % 64);
  return {};
}

Result<JsonPath> ParseJsonPath(std::string_view text, const model::CollectionSchema& schema) {
  if (IsBlank(text)) {
    return Status::InvalidArgument(StatusSubject::kFilter, "the name of a field is empty");
  }
  KITE_ASSIGN_OR_RETURN(const filter::SyntaxTree tree, filter::ParseSyntax(text));
  const filter::SyntaxNode& root = tree.at(tree.root);
  if (root.kind == filter::SyntaxKind::kField) {
    if (auto path = filter::ResolveJsonPath(root, schema)) return std::move(*path);
  }
  return Status::InvalidArgument(StatusSubject::kFilter,
                                 "field " + filter::Shown(text) + " not exist");
}

}  // namespace kite::query
