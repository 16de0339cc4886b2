// Search and query requests -> the model.
#pragma once

#include <memory>

#include "api/call.h"
#include "api/wire.h"
#include "base/result.h"
#include "model/request.h"

namespace kite::api {

/// Query vectors are borrowed from the call's arena.
Result<model::SearchRequest> DecodeSearch(const Call& call, const pb::SearchRequest& request);

Result<model::QueryRequest> DecodeQuery(const Call& call, const pb::QueryRequest& request);

using WireTemplates = google::protobuf::Map<std::string, pb_schema::TemplateValue>;
/// Values bound to {names} in a filter.
Result<model::Templates> DecodeTemplates(const WireTemplates& templates);

}  // namespace kite::api
