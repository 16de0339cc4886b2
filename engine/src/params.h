// Index and search parameters: names, ranges and defaults, as Milvus 2.6 (knowhere's configuration)
// has them.
#pragma once

#include <cstdint>
#include <string_view>

#include "kite/engine/index.h"

namespace kite::engine {

/// Persisted in index files: never renumber.
enum class IndexType : uint8_t { kFlat = 1, kIvfFlat = 2, kIvfSq8 = 3, kHnsw = 4, kBinFlat = 5 };

/// The type of a validated spec.
[[nodiscard]] IndexType TypeOf(const BuildSpec& spec);
[[nodiscard]] std::string_view IndexTypeName(IndexType type);

/// InvalidArgument: the dimension (bits, of binary vectors) is out of the type's range.
[[nodiscard]] Status CheckDim(VectorType type, uint32_t dim);

/// InvalidArgument(Metric), which lists what would fit.
[[nodiscard]] Status CheckMetric(Metric metric, VectorType type);

/// An integer parameter with its range; the default is what an absent parameter means.
struct IntRange {
  std::string_view name;
  int64_t default_value;
  int64_t min;
  int64_t max;
};

inline constexpr IntRange kHnswM{"M", 30, 2, 2048};
inline constexpr IntRange kHnswEfConstruction{"efConstruction", 360, 1, INT32_MAX};
inline constexpr IntRange kHnswEf{"ef", 0, 1, INT32_MAX};
inline constexpr IntRange kIvfNlist{"nlist", 128, 1, 65536};
inline constexpr IntRange kIvfNprobe{"nprobe", 8, 1, 65536};

/// AUTOINDEX is HNSW with these, unless the client says otherwise.
inline constexpr int64_t kAutoM = 16;
inline constexpr int64_t kAutoEfConstruction = 200;

/// ef of a search that names none; never below k.
inline constexpr size_t kHnswEfDefault = 64;

/// The parameter or its default. InvalidArgument(Parameter): not an integer, or out of its range.
[[nodiscard]] Result<int64_t> IntParam(const ParamMap& params, const IntRange& range);

}  // namespace kite::engine
