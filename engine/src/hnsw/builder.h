// HnswBuilder: inserts all vectors into a Graph, in parallel, on the keys of their codes.
//
// Source: algorithms 1 and 4 of the HNSW paper (graph.h). Which layers a vector is in is drawn
// beforehand, so the entry of every walk is fixed and no insertion waits for another, except for a
// lock per node while its links change. Readers take no lock: a link is one atomic word, and
// whatever mixture of an old and a new list they see consists of nodes.
//
// At the end every node of layer 0 is made reachable (connect.h).
//
// A node becomes reachable in a layer only after its links in that layer and in all layers below
// are set.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/executor.h"
#include "hnsw/codes.h"
#include "hnsw/twins.h"
#include "hnsw/walk.h"

namespace kite::engine {

class HnswBuilder {
 public:
  HnswBuilder(const Context& context, const Codes& codes, Metric metric, uint32_t m,
              size_t ef_construction, uint64_t seed, Graph& graph);
  ~HnswBuilder();
  HnswBuilder(const HnswBuilder&) = delete;
  HnswBuilder& operator=(const HnswBuilder&) = delete;

  /// What a builder needs at most beside codes and graph.
  static size_t EstimateBytes(size_t count, uint32_t m, size_t ef_construction, size_t threads);

  /// Before Run.
  void SetTwins(const std::vector<Twin>& twins);

  /// Before Run. In layer 0, slots that remain take candidates as well that only the distance to a
  /// kept one, times `alpha` (1 or more), does not exclude. For keys that are squared distances.
  void SetAlpha(float alpha) { alpha_square_ = alpha * alpha; }

  /// With an executor of one thread the same input gives the same graph.
  Status Run(Executor& executor, const std::function<void(double)>& progress);

 private:
  struct Worker;
  Status Insert(uint32_t id, Worker& worker);
  void FindNeighbors(uint32_t id, size_t top, Worker& worker);
  void AddLink(size_t level, uint32_t position, uint32_t to, float key, Worker& worker);
  void Prune(const GraphLayer& layer, size_t most, Worker& worker);
  void Select(const GraphLayer& layer, size_t most, float factor, Worker& worker);
  [[nodiscard]] uint32_t PositionOf(size_t level, uint32_t id) const;

  std::unique_ptr<Worker> TakeWorker();
  void ReturnWorker(std::unique_ptr<Worker> worker);

  const Context& context_;
  const Codes& codes_;
  const Metric metric_;
  const uint32_t m_;
  const size_t ef_construction_;
  const uint64_t seed_;
  Graph& graph_;
  float alpha_square_ = 1;
  std::vector<bool> is_twin_;                ///< by vector id; empty when there are none
  std::vector<std::atomic<uint8_t>> locks_;  ///< by vector id
  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_workers_;  ///< guarded by mutex_
};

}  // namespace kite::engine
