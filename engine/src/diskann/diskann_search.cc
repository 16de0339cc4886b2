#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "diskann/diskann_index.h"
#include "search/scan.h"
#include "search/top_k.h"

namespace kite::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Reading nodes at random pays up to this share of all nodes; then a scan of the vectors does.
constexpr size_t kNodesPerRead = 4;

/// What a read costs in bytes of codes, each a look into a table (measured).
constexpr double kReadCost = 24000;
constexpr double kCodeOverhead = 24;

/// A walk under a filter has to find at least this part of the survivors that the filter's
/// selectivity promises. If not, the filter takes away what lies near the query.
constexpr double kSurvivorsNearMin = 0.5;

/// When codes are ranked, so many more than wanted are read, and at most so many times that many.
constexpr size_t kMoreCandidates = 16;
constexpr size_t kCandidatesPerRead = 8;
/// All of them are known at once.
constexpr size_t kScanWidth = 32;

/// Tags of reads: 0, or that the node is a twin, and the key of all.
constexpr uint64_t kTwinTag = uint64_t{1} << 32;

}  // namespace

/// One query.
class DiskannIndex::Walk {
 public:
  Walk(const DiskannIndex& index, const SearchJob& job, size_t wanted)
      : index_(index),
        job_(job),
        table_(job.scratch.code_table),
        buffers_(job.scratch.walk),
        best_(wanted, job.window, job.scratch.hits) {
    job.scratch.query.resize(index.dim());
    job.scorer.CopyQuery(job.scratch.query.data());
    index.codes_.MakeTable(index.metric(), job.scratch.query, table_, job.scratch.keys);
    if (job.window.last != kWorstHit) limits_.last = Around(job.window.last).last;
    if (job.window.first != 0) limits_.first = Around(job.window.first).first;
  }

  /// Through the graph: reads the `list` best nodes, in a range up to `most` as long as they may lie
  /// in it.
  Status Search(size_t list, size_t most) {
    CandidatePool& pool = buffers_.pool;
    buffers_.visited.Reset(index_.nodes_.count());
    pool.Reset(most);
    Visit(Entry());
    const auto width = static_cast<size_t>(*FloatParam(job_.params.params, kDiskBeamWidth));
    NodeReader reader(index_.nodes_, job_.scratch.nodes, width);
    const auto next = [&] {
      const size_t i = pool.Next();
      if (i == CandidatePool::kNone) return false;
      // The way to a hit may lead through nodes outside of the range.
      if (i >= list + 2 * job_.scratch.hits.size() && pool.key(i) > limits_.last) return false;
      pool.MarkExpanded(i);
      reader.Start(pool.node(i), 0);
      return true;
    };
    KITE_RETURN_IF_ERROR(Run(reader, next));
    range_is_whole_ = !pool.full() || pool.worst_key() > limits_.last;
    return {};
  }

  /// Ranks the codes of all survivors and reads the `list` best, and others as long as their codes
  /// say that they belong to the hits. False when there may be more in the window.
  Result<bool> ScanCodes(size_t list) {
    std::vector<Hit>& candidates = buffers_.heap;
    // What is too near for the window cannot be told from what is in it by codes.
    const size_t most = job_.window.first != 0
                            ? std::max(index_.vectors().count() / kNodesPerRead, list)
                            : kCandidatesPerRead * list;
    KITE_RETURN_IF_ERROR(RankSurvivors(most, candidates));
    // The hits of a walk before are among them.
    job_.scratch.hits.clear();
    NodeReader reader(index_.nodes_, job_.scratch.nodes, kScanWidth);
    size_t i = 0;
    const auto next = [&] {
      if (i == candidates.size() || (i >= list && HitKey(candidates[i]) > Limit())) return false;
      reader.Start(HitRow(candidates[i++]), kSingleTag);
      return true;
    };
    KITE_RETURN_IF_ERROR(Run(reader, next));
    return best_.full() || candidates.size() < most || !job_.window.bounded();
  }

  void Finish() { best_.Finish(); }

  /// Nodes that were read, and those that passed the filter.
  [[nodiscard]] size_t read() const { return read_; }
  [[nodiscard]] size_t passed() const { return passed_; }
  [[nodiscard]] bool range_is_whole() const { return range_is_whole_; }

 private:
  /// A node whose twins and links do not count.
  static constexpr uint64_t kSingleTag = uint64_t{1} << 33;

  /// Codes with a greater key are not worth a read: mostly, and in a window almost surely.
  [[nodiscard]] float Limit() const {
    const Hit bound = best_.bound();
    if (!best_.full() && job_.window.last == kWorstHit) return kInfinity;
    if (job_.window.bounded()) return Around(bound).last;
    return index_.codes_.Above(index_.metric(), table_, HitKey(bound));
  }

  [[nodiscard]] DiskCodes::Span Around(Hit hit) const {
    return index_.codes_.Around(index_.metric(), table_, HitKey(hit));
  }

  [[nodiscard]] float KeyOf(uint32_t id) const { return CleanKey(index_.codes_.Key(table_, id)); }

  /// From the top of the upper layers down: a node of layer 0.
  uint32_t Entry() {
    const Graph& graph = index_.graph_;
    size_t level = graph.layers() - 1;
    uint32_t best = 0;
    for (; level > 0; --level) {
      const GraphLayer& layer = graph.layer(level);
      float best_key = KeyOf(layer.NodeAt(best));
      for (bool closer = true; closer;) {
        closer = false;
        const uint32_t* const links = layer.LinksOf(best);
        for (uint32_t i = 0; i < layer.degree && links[i] < layer.size; ++i) {
          const float key = KeyOf(layer.NodeAt(links[i]));
          if (key >= best_key) continue;
          best_key = key;
          best = links[i];
          closer = true;
        }
        if (!job_.pacer.Spend(layer.degree)) return 0;
      }
      best = layer.down[best];
    }
    return best;
  }

  void Visit(uint32_t id) {
    if (buffers_.visited.Insert(id)) buffers_.pool.Insert(KeyOf(id), id);
  }

  /// Until next(), which starts reads, has no more.
  template <typename Next>
  Status Run(NodeReader& reader, const Next& next) {
    twins_.clear();
    for (;;) {
      while (!reader.full() && !twins_.empty()) {
        reader.Start(HitRow(twins_.back()),
                     kTwinTag | std::bit_cast<uint32_t>(HitKey(twins_.back())));
        twins_.pop_back();
      }
      while (!reader.full() && next()) {
      }
      if (reader.empty()) return job_.pacer.status();
      KITE_ASSIGN_OR_RETURN(const Node node, reader.Take(job_.pacer.context()));
      if ((node.tag & kTwinTag) != 0) {
        TakeTwins(node);
      } else {
        TakeNode(node);
      }
      KITE_RETURN_IF_ERROR(job_.pacer.status());
    }
  }

  void TakeNode(const Node& node) {
    const float key = ExactKey(node);
    ++read_;
    Offer(key, node.id);
    if (node.tag == kSingleTag) return;
    FollowTwins(key, node);
    VisitLinks(node);
    job_.pacer.Spend(1);
  }

  /// The twin itself, and those that its links are.
  void TakeTwins(const Node& node) {
    const auto key = std::bit_cast<float>(static_cast<uint32_t>(node.tag));
    Offer(key, node.id);
    const uint32_t degree = index_.nodes_.layout().degree;
    for (uint32_t i = 0; i < degree && node.links[i] < index_.nodes_.count(); ++i) {
      Offer(key, node.links[i]);
    }
    job_.pacer.Spend(1);
    FollowTwins(key, node);
  }

  /// Twins ascend, so that a damaged file cannot make a circle.
  void FollowTwins(float key, const Node& node) {
    const uint32_t last = node.links[index_.nodes_.layout().degree - 1];
    const uint32_t twin = last & ~kTwinMark;
    const bool onward = node.tag == 0 || twin > node.id;
    if (last == kNoLink || (last & kTwinMark) == 0 || twin >= index_.nodes_.count() || !onward) {
      return;
    }
    if (PackHit(key, 0) < best_.bound()) twins_.push_back(PackHit(key, twin));
  }

  void VisitLinks(const Node& node) {
    std::vector<uint32_t>& ids = buffers_.ids;
    ids.clear();
    const uint32_t degree = index_.nodes_.layout().degree;
    for (uint32_t i = 0; i < degree && node.links[i] < index_.nodes_.count(); ++i) {
      if (!buffers_.visited.Insert(node.links[i])) continue;
      index_.codes_.Prefetch(node.links[i]);
      ids.push_back(node.links[i]);
    }
    for (const uint32_t id : ids) buffers_.pool.Insert(KeyOf(id), id);
    job_.pacer.Spend(ids.size());
  }

  float ExactKey(const Node& node) const {
    const Array<float>& norms = index_.vectors().inverse_norms;
    const VectorMatrix matrix(index_.vectors().source.type, index_.dim(), node.vector,
                              norms.empty() ? nullptr : &norms[node.id]);
    job_.scorer.SetMatrix(matrix);
    return job_.scorer.One(0);
  }

  void Offer(float key, uint32_t id) {
    const Row row = index_.vectors().RowOf(id);
    if (job_.filter.IsOut(row)) return;
    ++passed_;
    best_.Add(PackHit(key, row));
  }

  Status RankSurvivors(size_t list, std::vector<Hit>& candidates) {
    HitWindow window;
    if (limits_.first > -kInfinity) window.first = PackHit(limits_.first, 0);
    if (limits_.last < kInfinity) window.last = PackHit(limits_.last, kNoLink);
    TopK top(list, window, candidates);
    const VectorBlock block = index_.vectors().block();
    std::vector<uint32_t>& ids = job_.scratch.ids;
    const size_t batch = job_.pacer.batch();
    if (ids.size() < kGatherRoom) ids.resize(kGatherRoom);
    for (size_t begin = 0; begin < block.count; begin += kRowsPerGather) {
      const size_t n =
          GatherSurvivors(job_.filter, block, begin, std::min(begin + kRowsPerGather, block.count),
                          ids.data());
      for (size_t i = 0; i < n; i += batch) {
        const size_t end = std::min(i + batch, n);
        for (size_t j = i; j < end; ++j) top.Add(PackHit(KeyOf(ids[j]), ids[j]));
        if (!job_.pacer.Spend(end - i)) return job_.pacer.status();
      }
      if (!job_.pacer.Spend(1)) return job_.pacer.status();
    }
    top.Finish();
    return {};
  }

  const DiskannIndex& index_;
  const SearchJob& job_;
  CodeTable& table_;
  WalkBuffers& buffers_;
  BestK best_;
  DiskCodes::Span limits_{-kInfinity, kInfinity};  ///< of keys of codes in the window
  std::vector<Hit> twins_;                         ///< twins to be read, by the key of all
  size_t read_ = 0;
  size_t passed_ = 0;
  bool range_is_whole_ = false;
};

size_t DiskannIndex::ListOf(const SearchJob& job, size_t wanted) const {
  const auto list = static_cast<size_t>(*IntParam(job.params.params, kDiskSearchList));
  return std::max(list > 0 ? list : kDiskSearchListDefault, wanted);
}

double DiskannIndex::ApproximateCost(const SearchJob& job, size_t wanted) const {
  const bool few = ListOf(job, wanted) * kNodesPerRead <= vectors().count();
  return few ? 0 : std::numeric_limits<double>::infinity();
}

bool DiskannIndex::WalkPays(const SearchJob& job, double list) const {
  const double code = static_cast<double>(codes_.parts()) + kCodeOverhead;
  const double walk = list * (kReadCost + nodes_.layout().degree * code);
  return walk < static_cast<double>(job.survivors.expected) * code;
}

Result<bool> DiskannIndex::Approximate(const SearchJob& job, size_t wanted) const {
  const size_t list = ListOf(job, wanted);
  const double share = static_cast<double>(std::max<size_t>(job.survivors.expected, 1)) /
                       static_cast<double>(vectors().count());
  const double longer = std::ceil(static_cast<double>(list) / share);
  const bool window = job.window.bounded();
  Walk walk(*this, job, wanted);
  // By inner products some vectors have no way that stays near the range; codes know all of them.
  const bool walks = !(window && metric() == Metric::kIP);
  if (walks && (job.filter.empty() || WalkPays(job, longer))) {
    const auto reads = static_cast<size_t>(longer);
    const size_t least = window ? static_cast<size_t>(std::ceil(
                                      static_cast<double>(ListOf(job, 1)) / share))
                                : reads;
    KITE_RETURN_IF_ERROR(walk.Search(least, reads));
    const bool enough = job.scratch.hits.size() >= std::min(wanted, job.survivors.max) ||
                        (window && walk.range_is_whole());
    const bool near = job.filter.empty() || static_cast<double>(walk.passed()) >=
                                                kSurvivorsNearMin * share *
                                                    static_cast<double>(walk.read());
    if (enough && near) {
      walk.Finish();
      return true;
    }
  }
  KITE_ASSIGN_OR_RETURN(
      const bool whole, walk.ScanCodes(std::max(list, wanted + wanted / 2 + kMoreCandidates)));
  walk.Finish();
  return whole;
}

}  // namespace kite::engine
