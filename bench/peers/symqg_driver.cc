// SymphonyQG of rabitqlib: degree, ef_construction, quantization_bits; points are ef.
#include <memory>
#include <rabitqlib/index/symqg/qg.hpp>
#include <rabitqlib/index/symqg/qg_builder.hpp>

#include "driver.h"

namespace {

using Graph = rabitqlib::symqg::QuantizedGraph<float>;

void Build(const Arguments& arguments) {
  RunBuild(arguments, [](const Arguments& arguments, const Matrix& base) {
    const auto metric = arguments.metric == "L2" ? rabitqlib::METRIC_L2 : rabitqlib::METRIC_IP;
    const auto graph = std::make_shared<Graph>(base.rows, base.columns, arguments.Number("degree"),
                                               metric, rabitqlib::RotatorType::FhtKacRotator,
                                               arguments.Number("quantization_bits"), 42);
    rabitqlib::symqg::QGBuilder builder(
        *graph, static_cast<uint32_t>(arguments.Number("ef_construction")), base.values.data(), 1,
        rabitqlib::symqg::QGInitialization::PiPNN, 42);
    builder.build();
    return [=] { graph->save(arguments.index.c_str()); };
  });
}

void Search(const Arguments& arguments) {
  const size_t before = PssBytes();
  Graph graph;
  graph.load(arguments.index.c_str());
  std::vector<float> distances(arguments.k);
  RunSearch(arguments, before, [&](size_t ef, const float* query, size_t k, uint32_t* ids) {
    graph.set_ef(ef);
    graph.search(query, static_cast<uint32_t>(k), ids, distances.data());
  });
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  arguments.queries.empty() ? Build(arguments) : Search(arguments);
}
