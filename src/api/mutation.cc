#include "api/mutation.h"

#include <numeric>

#include "api/encode_column.h"

namespace kite::api {

void EncodeMutation(const model::MutationResult& result, pb::MutationResult* out) {
  if (result.keys.type != model::DataType::kNone) {
    EncodeKeys(result.keys, result.keys.type, out->mutable_ids());
    out->mutable_succ_index()->Resize(static_cast<int>(result.keys.rows), 0);
    std::iota(out->mutable_succ_index()->begin(), out->mutable_succ_index()->end(), 0U);
  }
  out->set_acknowledged(true);
  out->set_insert_cnt(result.inserted);
  out->set_delete_cnt(result.deleted);
  out->set_upsert_cnt(result.upserted);
  out->set_timestamp(result.timestamp.value());
}

}  // namespace kite::api
