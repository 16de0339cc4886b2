// DenseIndex: what all indexes over dense and binary vectors share. It turns a Search call into one
// SearchJob per query and decides per query between the index type's own search and an exact scan
// of the surviving rows.
#pragma once

#include <memory>

#include "io/index_file.h"
#include "params.h"
#include "search/job.h"
#include "search/vectors.h"

namespace kite::engine {

class DenseIndex : public Index {
 public:
  DenseIndex(BuildSpec spec, Vectors vectors)
      : spec_(std::move(spec)), vectors_(std::move(vectors)) {}

  Status Search(const Context& context, const QuerySet& queries, const SearchParams& params,
                const Filter& filter, Scratch& scratch, const Sink& sink) const final;

  [[nodiscard]] std::string_view type() const final { return IndexTypeName(TypeOf(spec_)); }
  [[nodiscard]] Metric metric() const final { return spec_.metric; }
  [[nodiscard]] uint32_t dim() const final { return vectors_.dim(); }
  [[nodiscard]] size_t rows() const final { return vectors_.source.rows; }
  [[nodiscard]] size_t memory_bytes() const final;
  Status Save(const std::function<Status(std::string_view)>& write) const final;

 protected:
  [[nodiscard]] const BuildSpec& spec() const { return spec_; }
  [[nodiscard]] const Vectors& vectors() const { return vectors_; }

  /// How many exact distances cost as much as Approximate() with these arguments; infinity: never
  /// use it.
  [[nodiscard]] virtual double ApproximateCost(const SearchJob& job, size_t wanted) const = 0;

  /// Every search scans, so that several queries share one pass.
  [[nodiscard]] virtual bool AlwaysScans() const { return false; }

  /// scratch.hits = the best hits in the job's window that the index finds, best first: `wanted` or
  /// more. Fewer only when the window has no more. False when the index cannot say so (or has spent
  /// as much as a scan costs); the caller then scans.
  virtual Result<bool> Approximate(const SearchJob& job, size_t wanted) const = 0;

  /// Bytes of the structure beside the vectors and their norms.
  [[nodiscard]] virtual size_t StructureBytes() const = 0;
  virtual void AddSections(IndexFileWriter& writer) const = 0;

 private:
  Status SearchOne(const SearchJob& job) const;
  Status SearchGroups(const SearchJob& job) const;
  [[nodiscard]] bool Pays(const SearchJob& job, size_t wanted) const;

  BuildSpec spec_;  ///< validated
  Vectors vectors_;
};

}  // namespace kite::engine
