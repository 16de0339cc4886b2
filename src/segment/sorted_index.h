// SortedIndex: a scalar index that is a permutation: the rows of a column by value.
//
// 4 bytes per row beside the column, which it shares. Comparisons are those of the column's type
// widened to int64 or double; a Value of the other kind of number is compared by its exact value.
// NaN and null are in no answer.
#pragma once

#include <memory>

#include "base/result.h"
#include "model/column.h"
#include "segment/column_source.h"

namespace kite::segment {

/// For bool, integers, floating point, TIMESTAMPTZ and VARCHAR; else InvalidArgument(Index).
Result<std::shared_ptr<const ScalarIndex>> BuildSortedIndex(const model::Column& column);

}  // namespace kite::segment
