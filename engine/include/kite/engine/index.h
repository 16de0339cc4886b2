// The index engine's API: build, load, search. Thread-safe for concurrent searches on one Index.
//
// The engine starts no threads, logs nothing, and does no I/O besides the bytes handed in and the
// file that Load is told the path of. Scores
// are float32: squared L2, inner product, cosine in [-1, 1]; the zero vector has cosine 0 to
// everything. Every index that re-ranks gives the scores that FLAT gives at the same
// instruction-set level. Ties go to the smaller row.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/executor.h"
#include "kite/engine/types.h"

namespace kite::engine {

/// Raw vectors that an index refers to but does not own: a segment's mapped file, or nothing.
/// With nullable fields fewer vectors than rows exist: `row_of[i]` is the row of vector i,
/// ascending.
struct VectorSource {
  VectorType type = VectorType::kFloat32;
  uint32_t dim = 0;
  size_t count = 0;  ///< vectors at `data`
  size_t rows = 0;   ///< rows of the segment; == count when row_of is empty
  /// count x VectorBytes(type, dim), 32-byte aligned; outlives the index.
  const std::byte* data = nullptr;
  /// Empty: vector i is row i. Outlives the index.
  std::span<const Row> row_of;
  /// For lists of vectors per row (rows + 1 entries); empty: one vector each.
  std::span<const uint32_t> element_offsets;
  /// Of sparse vectors (then dim = 0, count == rows, row_of is empty, and data points to
  /// SparseEntry): rows + 1 ascending positions; row i has entries [i] to [i + 1], a null row none.
  /// Outlives the index.
  std::span<const uint64_t> entry_offsets;
};

/// A queries x dim matrix of the index's vector type.
struct QuerySet {
  const std::byte* data = nullptr;
  size_t count = 0;
  /// Of sparse vectors: count + 1 ascending positions in the SparseEntry at `data`; every query
  /// passes CheckSparseVector().
  std::span<const uint64_t> entry_offsets;
};

/// Bounds of a range search: a hit is at least as good as `radius` allows and not better than
/// `range_filter`. Milvus's ends: L2-like: range_filter <= score < radius; IP-like: radius < score
/// <= range_filter.
struct Range {
  float radius = 0;
  std::optional<float> range_filter;
};

struct SearchParams {
  size_t k = 10;               ///< hits wanted per query, 1 or more; fewer come when fewer exist
  ParamMap params;             ///< ef, nprobe, ...; unknown names are ignored
  std::optional<Range> range;  ///< range search: at most k best hits inside the range
  /// Iterator: only hits strictly worse than this one, in Better() order. Combine with k = page
  /// size. Such a search is exact; pages that begin with BeforeAllHits() bring every row once.
  std::optional<Neighbor> after;
  /// Group-by: maps a row to its group; at most `group_size` hits per group and k groups are
  /// returned.
  std::function<int64_t(Row)> group_of;
  size_t group_size = 1;
};

/// What searches read from files by themselves.
struct ReadCounts {
  uint64_t reads = 0;
  uint64_t bytes = 0;
};

/// Reusable memory of searches: one per thread. Grows to what searches need and keeps it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  /// Of all searches so far.
  [[nodiscard]] ReadCounts read_counts() const;
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Receives the hits of query `query`, best first, at most once per query. The span is valid during
/// the call.
using Sink = std::function<void(size_t query, std::span<const Neighbor> hits)>;

class Index {
 public:
  virtual ~Index() = default;

  /// Cancel and deadline of `context` are looked at least every 100 us; then Cancelled or
  /// DeadlineExceeded. InvalidArgument(Parameter) for parameters out of range, with the range.
  virtual Status Search(const Context& context, const QuerySet& queries, const SearchParams& params,
                        const Filter& filter, Scratch& scratch, const Sink& sink) const = 0;

  [[nodiscard]] virtual std::string_view type() const = 0;  ///< "HNSW", ...
  [[nodiscard]] virtual Metric metric() const = 0;
  [[nodiscard]] virtual uint32_t dim() const = 0;
  [[nodiscard]] virtual size_t rows() const = 0;
  /// Every byte that a search may touch and that this index owns or maps (borrowed vectors not
  /// counted).
  [[nodiscard]] virtual size_t memory_bytes() const = 0;
  /// Writes the index file (docs/formats/index.md); `write` receives the bytes in order.
  virtual Status Save(const std::function<Status(std::string_view)>& write) const = 0;
};

struct BuildSpec {
  std::string index_type;  ///< Milvus's name: FLAT, IVF_FLAT, IVF_SQ8, HNSW, AUTOINDEX, ...
  Metric metric = Metric::kL2;
  ParamMap params;     ///< M, efConstruction, nlist, ...
  uint64_t seed = 42;  ///< same seed and a one-thread executor give the same bytes
};

/// Checks type, metric and parameters against the vector type with Milvus's ranges before anything
/// is built or logged. Errors: InvalidArgument(Index / Metric / Parameter) that names the parameter
/// and its range; Unimplemented that names a known but unbuilt type. On success returns the spec
/// with defaults filled in and AUTOINDEX resolved.
Result<BuildSpec> ValidateBuild(const BuildSpec& spec, VectorType type, uint32_t dim);

/// Checks search parameters for an index type (ef >= k and the like) as Milvus does.
Status ValidateSearch(std::string_view index_type, const SearchParams& params);

/// Parameters of an index that decide what its metric means. Searches of growing vectors and scans
/// have no index to know them from: they need them among their search parameters.
[[nodiscard]] std::span<const std::string_view> MetricParams(Metric metric);

/// Peak bytes during Build on an executor of `threads`, and bytes when loaded; borrowed vectors are
/// not counted. Never below the truth, at most 10 % above from some thousand vectors on. 0 for a
/// spec that does not validate.
size_t EstimateBuildBytes(const BuildSpec& spec, VectorType type, size_t count, uint32_t dim,
                          size_t threads = 8);
size_t EstimateLoadBytes(const BuildSpec& spec, VectorType type, size_t count, uint32_t dim);
/// The same of vectors at hand. Those of sparse vectors depend on their content, which is read: the
/// forms above give 0 for them.
size_t EstimateBuildBytes(const BuildSpec& spec, const VectorSource& vectors, size_t threads = 8);
size_t EstimateLoadBytes(const BuildSpec& spec, const VectorSource& vectors);

/// Searches by this type read vectors from its file and not the ones that they were built on, but
/// for iterators and small segments: those need no memory.
[[nodiscard]] bool KeepsVectorsOnDisk(std::string_view index_type);

/// Searches by this type end with reads of single vectors of the source, all over it: with the
/// vectors on huge pages they are faster.
[[nodiscard]] bool RanksByVectors(std::string_view index_type);

/// `progress` (may be empty) is told the share done, 0-1, from any thread.
Result<std::unique_ptr<Index>> Build(const Context& context, const BuildSpec& spec,
                                     const VectorSource& vectors, Executor& executor,
                                     const std::function<void(double)>& progress);

enum class LoadMode { kMap, kResident };

/// `file` is 8-byte aligned (64 for speed) and must outlive the index in kMap mode. Verifies header
/// and structure; ids read from the file are bounded before use, so a damaged file gives Corruption
/// or wrong hits, never undefined behaviour. `vectors` are the raw vectors the index was built on;
/// types that do not need them ignore them.
///
/// `path` is where the bytes of `file` lie on disk, at position 0; empty: nowhere. DISKANN reads its
/// nodes from there, around the page cache; without a path, or where the file system has no direct
/// reads, from `file`; for it, `file` must outlive the index in both modes.
Result<std::unique_ptr<Index>> Load(std::string_view file, const VectorSource& vectors,
                                    LoadMode mode, const std::string& path = {});

/// Verifies every block checksum of an index file. Corruption names the block.
Status VerifyIndexFile(std::string_view file);

/// InvalidArgument, in Milvus's words: indices do not ascend or are too large, or a value is not
/// finite or negative.
Status CheckSparseVector(std::span<const SparseEntry> vector);

/// A search of all rows without an index over dense, binary or sparse vectors: what FLAT and
/// BIN_FLAT are, and the same for sparse vectors, which have no such index type. It is not saved.
Result<std::unique_ptr<Index>> MakeScan(const Context& context, Metric metric,
                                        const VectorSource& vectors);

/// Exact scores of given rows (re-rank, "get distance"): scores[i] for rows[i]; NaN-free for finite
/// input. `params` has those of MetricParams(); scores of MHJACCARD are similarities.
Status ScoreRows(Metric metric, const VectorSource& vectors, const std::byte* query,
                 std::span<const Row> rows, std::span<float> scores, const ParamMap& params = {});
/// The same over sparse vectors; `params` has BM25's (bm25_k1, bm25_b, bm25_avgdl; the last is the
/// mean length of the source's non-empty vectors where it is absent). A score of 0 is no hit in a
/// search.
Status ScoreSparseRows(Metric metric, const VectorSource& vectors,
                       std::span<const SparseEntry> query, const ParamMap& params,
                       std::span<const Row> rows, std::span<float> scores);

}  // namespace kite::engine
