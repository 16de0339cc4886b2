// Connectivity of layer 0: pruning may take away the last link to a node, which no walk finds then.
//
// Source of the idea: NSG (Fu et al., "Fast approximate nearest neighbor search with the navigating
// spreading-out graph", 2019), which spans its graph by a tree; here the nodes that are out of reach
// are linked from the nearest that walks find.
#pragma once

#include <vector>

#include "hnsw/codes.h"
#include "hnsw/graph.h"

namespace kite::engine {

/// Links of layer 0 are added or replaced until every node is reachable from the node at the top of
/// the graph, as far as the `ef` nearest nodes of one that is not have a link to spare. `is_twin`: vectors that are not linked, by id; empty: none. One thread; the same graph
/// gives the same links.
Status ConnectBase(const Context& context, const Codes& codes, Metric metric, size_t ef,
                   const std::vector<bool>& is_twin, Graph& graph);

/// What ConnectBase needs at most beside a walk.
size_t EstimateConnectBytes(size_t count);

/// How many linked nodes of layer 0 cannot be reached from the node at the top.
size_t CountUnreachable(const Graph& graph, const std::vector<bool>& is_twin);

}  // namespace kite::engine
