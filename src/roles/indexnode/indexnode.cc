#include "roles/indexnode/indexnode.h"

#include <algorithm>

#include "segment/checksummed_file.h"
#include "segment/sealed_segment.h"

namespace kite::roles {
namespace {

std::string IndexKey(const BuildTask& task) {
  return segment::SegmentPrefix(task.collection->id, task.segment.id) + "index_" +
         std::to_string(task.index->field.value()) + "_" + std::to_string(task.index->id.value()) +
         ".idx";
}

Result<engine::BuildSpec> ResolveSpec(const BuildTask& task, const engine::VectorSource& vectors) {
  engine::BuildSpec spec;
  spec.index_type = task.index->index_type;
  KITE_ASSIGN_OR_RETURN(spec.metric, engine::ParseMetric(task.index->metric));
  spec.params.insert(task.index->params.begin(), task.index->params.end());
  return engine::ValidateBuild(spec, vectors.type, vectors.dim);
}

std::string Megabytes(size_t bytes) {
  return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20) + " MB";
}

}  // namespace

/// Gives the memory back when it goes.
class IndexNodeImpl::Reservation {
 public:
  Reservation(IndexNodeImpl& node, size_t bytes) : node_(node), bytes_(bytes) {}
  ~Reservation() { node_.GiveBack(bytes_); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

 private:
  IndexNodeImpl& node_;
  const size_t bytes_;
};

Result<segment::VectorIndexMeta> IndexNodeImpl::Build(const Context& context, const BuildTask& task,
                                                      const std::function<void(double)>& progress) {
  // A handle of its own: the build must not keep the writer's segment from going.
  KITE_ASSIGN_OR_RETURN(
      const auto sealed,
      segment::SealedSegment::Open(context, deps_.objects, task.collection->schema, task.segment));
  KITE_ASSIGN_OR_RETURN(const engine::VectorSource vectors, sealed->Vectors(task.index->field));
  KITE_ASSIGN_OR_RETURN(const engine::BuildSpec spec, ResolveSpec(task, vectors));
  // The calling thread works as well.
  const size_t bytes = engine::EstimateBuildBytes(spec, vectors, deps_.build->parallelism() + 1);
  KITE_RETURN_IF_ERROR(Reserve(context, task, bytes));
  const Reservation reservation(*this, bytes);
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Index> index,
                        engine::Build(context, spec, vectors, *deps_.build, progress));
  KITE_ASSIGN_OR_RETURN(const auto writer,
                        segment::ChecksummedWriter::Open(context, *deps_.objects, IndexKey(task)));
  KITE_RETURN_IF_ERROR(index->Save([&](std::string_view piece) { return writer->Append(piece); }));
  KITE_RETURN_IF_ERROR(context.Check());
  segment::VectorIndexMeta meta;
  meta.field = task.index->field;
  meta.index = task.index->id;
  meta.index_type = spec.index_type;
  KITE_ASSIGN_OR_RETURN(meta.file, writer->Finish());
  return meta;
}

Status IndexNodeImpl::Reserve(const Context& context, const BuildTask& task, size_t bytes) {
  const auto free_bytes = [&] {
    const size_t used = deps_.used_bytes ? deps_.used_bytes() : 0;
    return deps_.memory_bytes - std::min(deps_.memory_bytes, used + reserved_bytes_);
  };
  std::unique_lock lock(mutex_);
  if (deps_.memory_bytes != 0) {
    given_back_.wait(lock, context.stop_token(),
                     [&] { return reserved_bytes_ == 0 || bytes <= free_bytes(); });
    KITE_RETURN_IF_ERROR(context.Check());
    if (const size_t free = free_bytes(); bytes > free) {
      return Status::Exhausted(StatusSubject::kMemory,
                               "building the index " + task.index->name + " of collection " +
                                   task.collection->name() + " needs " + Megabytes(bytes) +
                                   " of memory, " + std::to_string(free >> 20) + " MB of " +
                                   Megabytes(deps_.memory_bytes) + " are free");
    }
  }
  reserved_bytes_ += bytes;
  return {};
}

void IndexNodeImpl::GiveBack(size_t bytes) {
  const std::lock_guard lock(mutex_);
  reserved_bytes_ -= bytes;
  given_back_.notify_all();
}

}  // namespace kite::roles
