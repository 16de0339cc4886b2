// hnswlib: M, ef_construction; points are ef.
#include <hnswlib/hnswlib.h>

#include <memory>

#include "driver.h"

namespace {

using Index = hnswlib::HierarchicalNSW<float>;

std::unique_ptr<hnswlib::SpaceInterface<float>> Space(const std::string& metric, size_t dim) {
  if (metric == "L2") return std::make_unique<hnswlib::L2Space>(dim);
  return std::make_unique<hnswlib::InnerProductSpace>(dim);
}

void Build(const Arguments& arguments) {
  RunBuild(arguments, [](const Arguments& arguments, const Matrix& base) {
    const auto space =
        std::shared_ptr<hnswlib::SpaceInterface<float>>(Space(arguments.metric, base.columns));
    const auto index = std::make_shared<Index>(space.get(), base.rows, arguments.Number("M"),
                                               arguments.Number("ef_construction"));
    for (size_t i = 0; i < base.rows; ++i) index->addPoint(base.row(i), i);
    return [=] { index->saveIndex(arguments.index); };
  });
}

void Search(const Arguments& arguments) {
  const auto space = Space(arguments.metric, ReadMatrix(arguments.queries).columns);
  const size_t before = PssBytes();
  Index index(space.get(), arguments.index);
  RunSearch(arguments, before, [&](size_t ef, const float* query, size_t k, uint32_t* ids) {
    index.setEf(ef);
    auto found = index.searchKnn(query, k);
    for (; !found.empty(); found.pop()) *ids++ = static_cast<uint32_t>(found.top().second);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  arguments.queries.empty() ? Build(arguments) : Search(arguments);
}
