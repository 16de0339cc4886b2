#include "roles/indexnode/indexnode.h"

#include "kite/engine/index.h"
#include "segment/checksummed_file.h"
#include "segment/sealed_segment.h"

namespace kite::roles {
namespace {

std::string IndexKey(const BuildTask& task) {
  return segment::SegmentPrefix(task.collection->id, task.segment.id) + "index_" +
         std::to_string(task.index->field.value()) + "_" + std::to_string(task.index->id.value()) + ".idx";
}

Result<engine::BuildSpec> ResolveSpec(const BuildTask& task, const engine::VectorSource& vectors) {
  engine::BuildSpec spec;
  spec.index_type = task.index->index_type;
  KITE_ASSIGN_OR_RETURN(spec.metric, engine::ParseMetric(task.index->metric));
  spec.params.insert(task.index->params.begin(), task.index->params.end());
  return engine::ValidateBuild(spec, vectors.type, vectors.dim);
}

}  // namespace

Result<segment::VectorIndexMeta> IndexNodeImpl::Build(const Context& context, const BuildTask& task,
                                                      const std::function<void(double)>& progress) {
  // A handle of its own: the build must not keep the writer's segment from going.
  KITE_ASSIGN_OR_RETURN(const auto sealed, segment::SealedSegment::Open(context, deps_.objects,
                                                                        task.collection->schema, task.segment));
  KITE_ASSIGN_OR_RETURN(const engine::VectorSource vectors, sealed->Vectors(task.index->field));
  KITE_ASSIGN_OR_RETURN(const engine::BuildSpec spec, ResolveSpec(task, vectors));
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Index> index,
                        engine::Build(context, spec, vectors, *deps_.build, progress));
  KITE_ASSIGN_OR_RETURN(const auto writer,
                        segment::ChecksummedWriter::Open(context, *deps_.objects, IndexKey(task)));
  KITE_RETURN_IF_ERROR(index->Save([&writer](std::string_view bytes) { return writer->Append(bytes); }));
  segment::VectorIndexMeta meta;
  meta.field = task.index->field;
  meta.index = task.index->id;
  meta.index_type = spec.index_type;
  KITE_ASSIGN_OR_RETURN(meta.file, writer->Finish());
  return meta;
}

}  // namespace kite::roles
