// Delete.
#include "api/decode_search.h"
#include "api/handlers.h"
#include "api/mutation.h"
#include "api/schema_codec.h"
#include "api/service.h"

namespace kite::api {

namespace {

Status Delete(Call& call, const pb::DeleteRequest& request, pb::MutationResult& reply) {
  if (request.has_namespace_()) return Status::Unimplemented("namespaces are not supported by this server yet");
  model::DeleteRequest decoded;
  decoded.name = call.Name(request.collection_name());
  decoded.partition = request.partition_name();
  decoded.filter = request.expr();
  KITE_ASSIGN_OR_RETURN(decoded.templates, DecodeTemplates(request.expr_template_values()));
  KITE_ASSIGN_OR_RETURN(decoded.consistency.level, DecodeConsistencyLevel(request.consistency_level()));
  KITE_ASSIGN_OR_RETURN(const model::MutationResult result, call.roles.proxy->Delete(call.context, decoded));
  EncodeMutation(result, &reply);
  return {};
}

}  // namespace

void AddDeleteHandlers(Service& service) { service.Add("Delete", &Delete); }

}  // namespace kite::api
