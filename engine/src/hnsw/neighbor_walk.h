// NeighborWalk: the walk of one query in layer 0 by estimated keys (neighbor_codes.h).
//
// A node that is expanded gets the key of its 8-bit code, its neighbours get estimates. The walk
// expands the best estimate known until as many nodes as `ef` have better ones, always two nodes
// behind what it knows, so that the memory of the next two arrives meanwhile. Candidates lie in no
// order: finding the best of some hundred is cheaper than keeping them sorted.
#pragma once

#include "hnsw/neighbor_codes.h"
#include "hnsw/walk.h"

namespace kite::engine {

class NeighborWalk {
 public:
  NeighborWalk(const Graph& graph, const CodeScorer& scorer, const NeighborCodes& codes,
               WalkBuffers& buffers, Pacer& pacer);

  /// buffers.expanded = the nodes that the walk expanded, `ef` or more where the graph has so many,
  /// in no order. `upper` is of the same graph and finds where to begin when the codes do not.
  void Search(GraphWalk& upper, size_t ef);

 private:
  void PrepareQuery();
  /// The nodes to begin at become candidates.
  void Enter(GraphWalk& upper);
  /// Up to kEntries of the codes' entries, the best by their estimates, are appended to `ids`.
  void ChooseEntries(std::vector<uint32_t>& ids);
  void Prefetch(uint32_t node) const;
  void Expand(uint32_t node);
  /// Room for so many more candidates; equal keys cannot be cut at any number.
  void MakeRoom(size_t more);
  /// The best candidate within the bound, removed; kNoLink: none.
  uint32_t TakeBest();
  /// Lowers the bound to about the ef-th best estimate and drops what is beyond.
  void Tighten();

  const GraphLayer& layer_;
  const CodeScorer& scorer_;
  const NeighborCodes& codes_;
  const GraphKernels& kernels_;
  WalkBuffers& buffers_;
  Pacer& pacer_;
  GroupQuery query_;
  size_t ef_ = 0;
  size_t open_ = 0;  ///< candidates: buffers.beam_keys, beam_ids
  size_t seen_ = 0;  ///< estimates within the bound, of expanded nodes too: buffers.seen_keys
  float bound_ = 0;
};

}  // namespace kite::engine
