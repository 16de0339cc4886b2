#include "roles/load_indexes.h"

namespace kite::roles {
namespace {

engine::LoadMode LoadModeOf(const model::IndexMeta& index) {
  const auto mmap = index.params.find("mmap.enabled");
  return mmap != index.params.end() && (mmap->second == "true" || mmap->second == "True")
             ? engine::LoadMode::kMap
             : engine::LoadMode::kResident;
}

}  // namespace

Status LoadIndexes(const Context& context, const model::CollectionSchema& schema, segment::SealedSegment& sealed,
                   std::span<const segment::VectorIndexMeta> built, const std::vector<model::IndexPtr>& indexes) {
  for (const model::IndexPtr& index : indexes) {
    const model::FieldSchema* field = schema.Find(index->field);
    // Indexes on arrays and JSON are accepted; filters on them scan.
    if (field == nullptr || field->type == model::DataType::kArray || field->type == model::DataType::kJson) continue;
    if (!model::IsVector(field->type)) {
      KITE_RETURN_IF_ERROR(sealed.BuildScalarIndex(index->field));
      continue;
    }
    for (const segment::VectorIndexMeta& file : built) {
      if (file.index == index->id) KITE_RETURN_IF_ERROR(sealed.LoadIndex(context, file, LoadModeOf(*index)));
    }
  }
  return {};
}

}  // namespace kite::roles
