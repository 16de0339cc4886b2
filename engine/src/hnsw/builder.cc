#include "hnsw/builder.h"

#include <algorithm>
#include <thread>

#include "hnsw/connect.h"

namespace kite::engine {
namespace {

/// Insertions between two reports of progress.
constexpr size_t kProgressStep = 1024;

class NodeLock {
 public:
  explicit NodeLock(std::atomic<uint8_t>& flag) : flag_(flag) {
    while (flag_.exchange(1, std::memory_order_acquire) != 0) std::this_thread::yield();
  }
  ~NodeLock() { flag_.store(0, std::memory_order_release); }
  NodeLock(const NodeLock&) = delete;
  NodeLock& operator=(const NodeLock&) = delete;

 private:
  std::atomic<uint8_t>& flag_;
};

void WriteLink(uint32_t* slot, uint32_t link) {
  std::atomic_ref<uint32_t>(*slot).store(link, std::memory_order_release);
}

}  // namespace

/// What one insertion needs.
struct HnswBuilder::Worker {
  WalkBuffers buffers;
  std::vector<Hit> candidates;     ///< (key, position), best first; in and out of Prune
  std::vector<Hit> kept;           ///< Prune: what is kept
  std::vector<uint32_t> selected;  ///< Prune: its vector ids
  std::vector<uint32_t> entries;
  std::vector<std::vector<Hit>> neighbors;  ///< by layer
  std::vector<float> keys;
};

HnswBuilder::HnswBuilder(const Context& context, const Codes& codes, Metric metric, uint32_t m,
                         size_t ef_construction, uint64_t seed, Graph& graph)
    : context_(context),
      codes_(codes),
      metric_(metric),
      m_(m),
      ef_construction_(std::min<size_t>(ef_construction, graph.layer(0).size)),
      seed_(seed),
      graph_(graph),
      locks_(graph.layer(0).size) {}

HnswBuilder::~HnswBuilder() = default;

size_t HnswBuilder::EstimateBytes(size_t count, uint32_t m, size_t ef_construction,
                                  size_t threads) {
  const size_t ef = std::min(ef_construction, count);
  const size_t worker =
      count / 8 + count / 16 + 4 * ef * sizeof(Hit) + 32 * m * sizeof(uint32_t) + 4096;
  return count + std::max(threads * worker, worker + EstimateConnectBytes(count));
}

void HnswBuilder::SetTwins(const std::vector<Twin>& twins) {
  if (twins.empty()) return;
  is_twin_.resize(graph_.layer(0).size, false);
  for (const Twin& twin : twins) is_twin_[twin.id] = true;
  graph_.SetTwins(twins);
}

std::unique_ptr<HnswBuilder::Worker> HnswBuilder::TakeWorker() {
  const std::lock_guard lock(mutex_);
  if (idle_workers_.empty()) return std::make_unique<Worker>();
  std::unique_ptr<Worker> worker = std::move(idle_workers_.back());
  idle_workers_.pop_back();
  return worker;
}

void HnswBuilder::ReturnWorker(std::unique_ptr<Worker> worker) {
  const std::lock_guard lock(mutex_);
  idle_workers_.push_back(std::move(worker));
}

Status HnswBuilder::Run(Executor& executor, const std::function<void(double)>& progress) {
  const size_t count = graph_.layer(0).size;
  const size_t top = graph_.layers() - 1;
  // The entry is already in the graph; all others are inserted in order of ids.
  const uint32_t entry = count > 0 ? graph_.layer(top).NodeAt(0) : 0;
  std::atomic<size_t> done{0};
  const Status inserted = ParallelFor(executor, count, 1, [&](size_t i) -> Status {
    KITE_RETURN_IF_ERROR(context_.Check());
    if (i != entry && (is_twin_.empty() || !is_twin_[i])) {
      std::unique_ptr<Worker> worker = TakeWorker();
      const Status status = Insert(static_cast<uint32_t>(i), *worker);
      ReturnWorker(std::move(worker));
      KITE_RETURN_IF_ERROR(status);
    }
    const size_t finished = done.fetch_add(1, std::memory_order_relaxed) + 1;
    if (progress && (finished % kProgressStep == 0 || finished == count)) {
      progress(static_cast<double>(finished) / static_cast<double>(count));
    }
    return {};
  });
  idle_workers_.clear();
  KITE_RETURN_IF_ERROR(inserted);
  return ConnectBase(context_, codes_, metric_, ef_construction_, is_twin_, graph_);
}

uint32_t HnswBuilder::PositionOf(size_t level, uint32_t id) const {
  if (level == 0) return id;
  const GraphLayer& layer = graph_.layer(level);
  return static_cast<uint32_t>(std::lower_bound(layer.nodes, layer.nodes + layer.size, id) -
                               layer.nodes);
}

Status HnswBuilder::Insert(uint32_t id, Worker& worker) {
  const size_t top = Graph::DrawLayer(seed_, id, m_);
  worker.neighbors.resize(std::max(worker.neighbors.size(), top + 1));
  FindNeighbors(id, top, worker);
  KITE_RETURN_IF_ERROR(context_.Check());
  for (size_t level = 0; level <= top; ++level) {
    const uint32_t position = PositionOf(level, id);
    const std::vector<Hit>& neighbors = worker.neighbors[level];
    {
      const NodeLock lock(locks_[id]);
      uint32_t* const links = graph_.MutableLinks(level, position);
      for (size_t i = 0; i < neighbors.size(); ++i) WriteLink(links + i, HitRow(neighbors[i]));
    }
    for (const Hit neighbor : neighbors) {
      AddLink(level, HitRow(neighbor), position, HitKey(neighbor), worker);
    }
  }
  return {};
}

void HnswBuilder::FindNeighbors(uint32_t id, size_t top, Worker& worker) {
  const CodeScorer scorer(codes_, metric_, id);
  Pacer pacer(context_, codes_.dim());
  GraphWalk walk(graph_, scorer, worker.buffers, pacer);
  const CandidatePool& pool = worker.buffers.pool;
  worker.entries.assign(1, walk.Descend(top));
  for (size_t level = top + 1; level-- > 0;) {
    walk.Search(level, worker.entries, ef_construction_);
    const GraphLayer& layer = graph_.layer(level);
    worker.candidates.clear();
    worker.entries.clear();
    for (size_t i = 0; i < pool.size(); ++i) {
      const uint32_t position = pool.node(i);
      worker.candidates.push_back(PackHit(pool.key(i), position));
      if (level > 0) worker.entries.push_back(layer.down[position]);
    }
    Prune(layer, layer.degree - (level == 0 && graph_.FirstTwin(id) != kNoLink ? 1 : 0), worker);
    worker.neighbors[level] = worker.candidates;
  }
}

void HnswBuilder::Prune(const GraphLayer& layer, size_t most, Worker& worker) {
  worker.selected.clear();
  worker.kept.clear();
  Select(layer, most, 1, worker);
  if (alpha_square_ > 1 && layer.nodes == nullptr) Select(layer, most, alpha_square_, worker);
  worker.candidates.swap(worker.kept);
}

/// The paper's heuristic: a candidate is kept unless it is closer, by `factor`, to one that is kept
/// than to the node itself. Those that are not kept remain candidates.
void HnswBuilder::Select(const GraphLayer& layer, size_t most, float factor, Worker& worker) {
  constexpr size_t kGroup = 4;
  std::vector<uint32_t>& selected = worker.selected;
  size_t left = 0;
  for (size_t c = 0; c < worker.candidates.size() && selected.size() < most; ++c) {
    const Hit candidate = worker.candidates[c];
    const uint32_t id = layer.NodeAt(HitRow(candidate));
    const float key = HitKey(candidate);
    const CodeScorer scorer(codes_, metric_, id);
    bool keep = true;
    for (size_t i = 0; keep && i < selected.size(); i += kGroup) {
      float keys[kGroup];
      const size_t n = std::min(kGroup, selected.size() - i);
      scorer.Ids(selected.data() + i, n, keys);
      keep = std::none_of(keys, keys + n, [&](float other) { return other * factor < key; });
    }
    if (keep) {
      selected.push_back(id);
      worker.kept.push_back(candidate);
    } else {
      worker.candidates[left++] = candidate;
    }
  }
  worker.candidates.resize(left);
}

void HnswBuilder::AddLink(size_t level, uint32_t position, uint32_t to, float key, Worker& worker) {
  const GraphLayer& layer = graph_.layer(level);
  const uint32_t id = layer.NodeAt(position);
  uint32_t* const links = graph_.MutableLinks(level, position);
  const NodeLock lock(locks_[id]);
  const bool has_twins = level == 0 && graph_.FirstTwin(position) != kNoLink;
  const uint32_t degree = layer.degree - (has_twins ? 1 : 0);
  uint32_t used = 0;
  for (; used < degree && links[used] != kNoLink; ++used) {
    if (links[used] == to) return;
  }
  if (used < degree) {
    WriteLink(links + used, to);
    return;
  }
  std::vector<uint32_t>& ids = worker.buffers.ids;
  ids.resize(used);
  worker.keys.resize(used);
  for (uint32_t i = 0; i < used; ++i) ids[i] = layer.NodeAt(links[i]);
  CodeScorer(codes_, metric_, id).Ids(ids.data(), used, worker.keys.data());
  worker.candidates.assign(1, PackHit(key, to));
  for (uint32_t i = 0; i < used; ++i)
    worker.candidates.push_back(PackHit(worker.keys[i], links[i]));
  std::sort(worker.candidates.begin(), worker.candidates.end());
  Prune(layer, degree, worker);
  for (uint32_t i = 0; i < degree; ++i) {
    WriteLink(links + i, i < worker.candidates.size() ? HitRow(worker.candidates[i]) : kNoLink);
  }
}

}  // namespace kite::engine
