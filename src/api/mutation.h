// MutationResult, the reply that insert, upsert and delete share.
#pragma once

#include "api/wire.h"
#include "model/request.h"

namespace kite::api {

void EncodeMutation(const model::MutationResult& result, pb::MutationResult* out);

}  // namespace kite::api
