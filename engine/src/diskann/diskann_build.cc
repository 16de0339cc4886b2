#include <algorithm>
#include <string>

#include "diskann/diskann_index.h"
#include "hnsw/builder.h"

namespace kite::engine {
namespace {

/// A candidate neighbour is dropped when one that is kept is nearer to it by this factor than the
/// node is. DiskANN's; of inner products, which are no distances, 1.
constexpr float kAlpha = 1.2F;

/// With fewer slots there is no room for twins beside links.
constexpr int64_t kDegreeMin = 4;

uint32_t DegreeOf(const BuildSpec& spec) {
  return static_cast<uint32_t>(std::max(kDegreeMin, *IntParam(spec.params, kDiskMaxDegree)));
}

/// Links per node of the upper layers.
uint32_t UpperDegree(const BuildSpec& spec) { return DegreeOf(spec) / 2; }

ProductShape CodeShape(const BuildSpec& spec, VectorType type, uint32_t dim) {
  const double bytes =
      *FloatParam(spec.params, kDiskCodeBudget) * static_cast<double>(VectorBytes(type, dim));
  ProductShape shape = DiskCodes::ShapeOf(dim, std::max<size_t>(1, static_cast<size_t>(bytes)));
  shape.train_rows = TrainRows(spec);
  return shape;
}

/// A chain of twins becomes lists (node_store.h).
void PackTwins(const std::vector<Twin>& twins, Graph& graph) {
  const uint32_t last = graph.layer(0).degree - 1;
  for (size_t begin = 0, end = 0; begin < twins.size(); begin = end) {
    while (end < twins.size() && twins[end].of == twins[begin].of) ++end;
    uint32_t* slots = nullptr;
    uint32_t used = last;
    for (size_t i = begin; i < end; ++i) {
      if (used < last) {
        slots[used++] = twins[i].id;
        continue;
      }
      if (slots != nullptr) slots[last] = kTwinMark | twins[i].id;
      slots = graph.MutableLinks(0, twins[i].id);
      std::fill_n(slots, last + 1, kNoLink);
      used = 0;
    }
  }
}

Result<Graph> BuildGraph(const Context& context, const BuildSpec& spec, const Vectors& vectors,
                         Executor& executor, const std::function<void(double)>& progress) {
  const uint32_t m = UpperDegree(spec);
  const std::vector<Twin> twins = FindTwins(vectors, m, spec.seed);
  KITE_ASSIGN_OR_RETURN(const Codes codes, Codes::Encode(context, vectors, spec.metric, executor));
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::Create(vectors.count(), m, spec.seed, DegreeOf(spec)));
  const auto list = static_cast<size_t>(*IntParam(spec.params, kDiskBuildList));
  HnswBuilder builder(context, codes, spec.metric, m, list, spec.seed, graph);
  builder.SetTwins(twins);
  if (spec.metric != Metric::kIP) builder.SetAlpha(kAlpha);
  KITE_RETURN_IF_ERROR(builder.Run(executor, progress));
  PackTwins(twins, graph);
  return graph;
}

}  // namespace

NodeLayout DiskannIndex::LayoutOf(const BuildSpec& spec, VectorType type, uint32_t dim) {
  return {VectorBytes(type, dim), DegreeOf(spec)};
}

DiskannIndex::DiskannIndex(BuildSpec spec, Vectors vectors, DiskCodes codes, Graph graph,
                           std::optional<NodeStore> nodes)
    : DenseIndex(std::move(spec), std::move(vectors)),
      codes_(std::move(codes)),
      graph_(std::move(graph)),
      nodes_(nodes ? *std::move(nodes) : NodeStore::OfGraph(graph_, this->vectors())) {}

Result<std::unique_ptr<Index>> DiskannIndex::Build(const Context& context, const BuildSpec& spec,
                                                   Vectors vectors, Executor& executor,
                                                   const std::function<void(double)>& progress) {
  KITE_ASSIGN_OR_RETURN(Graph graph, BuildGraph(context, spec, vectors, executor, progress));
  const ProductShape shape = CodeShape(spec, vectors.source.type, vectors.dim());
  KITE_ASSIGN_OR_RETURN(
      DiskCodes codes, DiskCodes::Build(context, vectors, spec.metric, shape, spec.seed, executor));
  return std::make_unique<DiskannIndex>(spec, std::move(vectors), std::move(codes),
                                        std::move(graph), std::nullopt);
}

Result<std::unique_ptr<Index>> DiskannIndex::Load(const IndexFileReader& reader, Vectors vectors,
                                                  LoadMode mode, const std::string& path) {
  const BuildSpec& spec = reader.header().spec;
  const VectorType type = vectors.source.type;
  const auto count = static_cast<uint32_t>(vectors.count());
  KITE_ASSIGN_OR_RETURN(DiskCodes codes,
                        DiskCodes::Load(reader, CodeShape(spec, type, vectors.dim()), mode));
  KITE_ASSIGN_OR_RETURN(Graph graph, Graph::LoadUpper(reader, UpperDegree(spec), mode));
  const NodeLayout layout = LayoutOf(spec, type, vectors.dim());
  KITE_ASSIGN_OR_RETURN(
      const Array<std::byte> nodes,
      reader.Read<std::byte>(SectionId::kDiskNodes, layout.file_bytes(count), LoadMode::kMap));
  const uint64_t offset = reader.Offset(SectionId::kDiskNodes);
  std::unique_ptr<DirectFile> file;
  if (!path.empty() && offset % kSectorBytes == 0) {
    // Without direct reads the bytes are read through the page cache.
    Result<std::unique_ptr<DirectFile>> opened = DirectFile::Open(path);
    if (opened.ok()) file = *std::move(opened);
  }
  return std::make_unique<DiskannIndex>(
      spec, std::move(vectors), std::move(codes), std::move(graph),
      NodeStore::OfFile(layout, count, nodes.span(), std::move(file), offset));
}

size_t DiskannIndex::StructureBytes() const {
  return codes_.memory_bytes() + graph_.memory_bytes();
}

void DiskannIndex::AddSections(IndexFileWriter& writer) const {
  codes_.AddSections(writer);
  graph_.AddUpperSections(writer);
  nodes_.AddSections(writer);
}

size_t DiskannIndex::EstimateStructureBytes(const BuildSpec& spec, VectorType type, size_t count,
                                            uint32_t dim) {
  return DiskCodes::EstimateBytes(CodeShape(spec, type, dim), count) +
         Graph::EstimateUpperBytes(count, UpperDegree(spec));
}

size_t DiskannIndex::EstimatePeakBytes(const BuildSpec& spec, VectorType type, size_t count,
                                       uint32_t dim, size_t threads) {
  const uint32_t degree = DegreeOf(spec);
  const auto list = static_cast<size_t>(*IntParam(spec.params, kDiskBuildList));
  const size_t graph =
      count * degree * sizeof(uint32_t) + Graph::EstimateUpperBytes(count, UpperDegree(spec));
  const size_t linking =
      Codes::EstimateBytes(count, dim) + HnswBuilder::EstimateBytes(count, degree, list, threads);
  const size_t coding =
      DiskCodes::EstimatePeakBytes(CodeShape(spec, type, dim), count, dim, threads);
  return graph + std::max(linking, coding);
}

}  // namespace kite::engine
