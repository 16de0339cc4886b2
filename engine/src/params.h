// Index and search parameters: names, ranges and defaults, as Milvus 2.6 (knowhere's configuration)
// has them.
#pragma once

#include <cstdint>
#include <string_view>

#include "kite/engine/index.h"

namespace kite::engine {

/// Persisted in index files: never renumber.
enum class IndexType : uint8_t {
  kFlat = 1,
  kIvfFlat = 2,
  kIvfSq8 = 3,
  kHnsw = 4,
  kBinFlat = 5,
  kIvfPq = 6,
  kIvfRabitq = 7,
  kScann = 8,
  kHnswSq = 9,
  kHnswPq = 10,
  kHnswPrq = 11,
  kBinIvfFlat = 12,
  kDiskann = 13,
  kSparseInvertedIndex = 14,
  kSparseWand = 15,
  kMinHashLsh = 16,
};

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

/// A parameter that is a number with its range [min, max].
struct FloatRange {
  std::string_view name;
  double default_value;
  double min;
  double max;
};

inline constexpr IntRange kHnswM{"M", 30, 2, 2048};
inline constexpr IntRange kHnswEfConstruction{"efConstruction", 360, 1, INT32_MAX};
inline constexpr IntRange kHnswEf{"ef", 0, 1, INT32_MAX};
inline constexpr IntRange kIvfNlist{"nlist", 128, 1, 65536};
inline constexpr IntRange kIvfNprobe{"nprobe", 8, 1, 65536};
/// Of k-means and codebooks. 0: as many as pay.
inline constexpr IntRange kTrainRows{"train_rows", 0, 1, INT32_MAX};
inline constexpr IntRange kPqM{"m", 0, 1, 65536};  ///< no default
inline constexpr IntRange kPqNbits{"nbits", 8, 1, 16};
inline constexpr IntRange kHnswPqM{"m", 32, 1, 65536};
inline constexpr IntRange kHnswPrqM{"m", 2, 1, 65536};
inline constexpr IntRange kHnswPrqNrq{"nrq", 2, 1, 16};
inline constexpr IntRange kScannSubDim{"sub_dim", 2, 1, 65536};
inline constexpr IntRange kScannReorderK{"reorder_k", 0, 1, INT32_MAX};
inline constexpr IntRange kRabitqBitsQuery{"rbq_bits_query", 0, 0, 8};
inline constexpr IntRange kDiskMaxDegree{"max_degree", 56, 1, 512};
inline constexpr IntRange kDiskBuildList{"search_list_size", 100, 1, INT32_MAX};
/// 0: kDiskSearchListDefault, never below k.
inline constexpr IntRange kDiskSearchList{"search_list", 0, 1, INT32_MAX};
inline constexpr IntRange kMinHashBits{"mh_element_bit_width", 8, 8, 256};
inline constexpr IntRange kMinHashBands{"mh_lsh_band", 1, 1, INT32_MAX};
/// "true": scores of MHJACCARD are similarities. As in Milvus they are not by default.
inline constexpr std::string_view kMinHashSimilarity = "mh_search_with_jaccard";
inline constexpr std::string_view kRefineK = "refine_k";

/// Shares of the values; below 1. The first is accepted and does nothing, as in Milvus.
inline constexpr FloatRange kDropRatioBuild{"drop_ratio_build", 0, 0, 0.999999};
inline constexpr FloatRange kDropRatioSearch{"drop_ratio_search", 0, 0, 0.999999};
inline constexpr FloatRange kBm25K1{"bm25_k1", 1.2, 0, 3};
inline constexpr FloatRange kBm25B{"bm25_b", 0.75, 0, 1};
/// 0: the mean length of the vectors at hand.
inline constexpr FloatRange kBm25AverageLength{"bm25_avgdl", 0, 0, 1e30};
inline constexpr std::string_view kInvertedIndexAlgo = "inverted_index_algo";

/// "true": HNSW without codes of neighbours, less memory and slower searches.
inline constexpr std::string_view kHnswLean = "lean";

/// AUTOINDEX is HNSW with these, unless the client says otherwise.
inline constexpr int64_t kAutoM = 16;
inline constexpr int64_t kAutoEfConstruction = 200;

/// Bytes of the codes of DISKANN per byte of the vectors.
inline constexpr FloatRange kDiskCodeBudget{"pq_code_budget_gb_ratio", 0.125, 1e-9, 0.25};
/// Reads that a search of DISKANN has under way.
inline constexpr FloatRange kDiskBeamWidth{"beam_width_ratio", 4, 1, 128};

/// search_list of a search that names none.
inline constexpr size_t kDiskSearchListDefault = 16;

/// ef of a search that names none; never below k.
inline constexpr size_t kHnswEfDefault = 64;

/// The parameter or its default. InvalidArgument(Parameter): not an integer, or out of its range.
[[nodiscard]] Result<int64_t> IntParam(const ParamMap& params, const IntRange& range);
[[nodiscard]] Result<double> FloatParam(const ParamMap& params, const FloatRange& range);

/// InvalidArgument: neither true nor false.
[[nodiscard]] Result<bool> BoolParam(const ParamMap& params, std::string_view name, bool fallback);

/// train_rows, 0 when it is absent.
[[nodiscard]] size_t TrainRows(const BuildSpec& spec);

/// FLAT with the parameter `compressed`: codes are scanned, the hits are the same.
[[nodiscard]] bool IsCompressedFlat(const BuildSpec& spec);

/// HNSW_SQ's codes, by the name in upper case: SQ4U, SQ6, SQ8, BF16 or FP16.
[[nodiscard]] std::string SqType(const ParamMap& params);
/// What the hits of a quantised HNSW are ranked again by, in upper case: a type of codes, FP32 or
/// FLAT; empty: by nothing.
[[nodiscard]] std::string RefineType(const ParamMap& params);

/// How many vectors may be scored exactly per hit that is wanted: refine_k, at least 1; nothing
/// when absent.
[[nodiscard]] Result<std::optional<double>> RefineK(const ParamMap& params);

}  // namespace kite::engine
