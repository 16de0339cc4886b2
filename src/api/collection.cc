// CreateCollection, DropCollection, RenameCollection, AlterCollection, AlterCollectionField, TruncateCollection.
#include "api/handlers.h"
#include "api/schema_codec.h"
#include "api/service.h"
#include "api/text.h"

namespace kite::api {

namespace {

Result<model::CollectionSchema> SchemaOf(Call& call, const pb::CreateCollectionRequest& request) {
  auto* wire = google::protobuf::Arena::CreateMessage<pb_schema::CollectionSchema>(call.arena.get());
  if (!wire->ParseFromString(request.schema())) {
    return Status::InvalidArgument(StatusSubject::kSchema,
                                   "the schema of collection '" + Quoted(request.collection_name()) +
                                       "' is not a valid CollectionSchema message: invalid parameter");
  }
  if (wire->name().empty()) wire->set_name(request.collection_name());
  if (wire->name() != request.collection_name()) {
    return Status::InvalidArgument(StatusSubject::kSchema,
                                   "the collection's name is '" + Quoted(request.collection_name()) +
                                       "', but its schema names '" + Quoted(wire->name()) + "': invalid parameter");
  }
  return DecodeSchema(*wire);
}

Status CreateCollection(Call& call, const pb::CreateCollectionRequest& request, pb_common::Status&) {
  roles::CreateCollectionRequest create;
  create.database = call.database;
  KITE_ASSIGN_OR_RETURN(create.schema, SchemaOf(call, request));
  KITE_ASSIGN_OR_RETURN(create.consistency, DecodeConsistencyLevel(request.consistency_level()));
  if (request.shards_num() < 0) {
    return Status::InvalidArgument(StatusSubject::kCollection, "invalid number of shards: " +
                                                                   std::to_string(request.shards_num()) +
                                                                   ", it should be positive: invalid parameter");
  }
  create.shards = static_cast<uint32_t>(request.shards_num());
  create.properties = ToProperties(request.properties());
  create.partitions = request.num_partitions();
  return call.roles.root_coord->CreateCollection(call.context, create);
}

Status DropCollection(Call& call, const pb::DropCollectionRequest& request, pb_common::Status&) {
  return call.roles.root_coord->DropCollection(call.context, call.Name(request.collection_name()));
}

Status RenameCollection(Call& call, const pb::RenameCollectionRequest& request, pb_common::Status&) {
  const std::string& database = request.newdbname().empty() ? call.database : request.newdbname();
  return call.roles.root_coord->RenameCollection(call.context, call.Name(request.oldname()),
                                                 {database, request.newname()});
}

/// By name, or by id where a request carries no name.
template <typename Request>
Result<model::CollectionName> NameOf(Call& call, const Request& request) {
  if (!request.collection_name().empty()) return call.Name(request.collection_name());
  KITE_ASSIGN_OR_RETURN(const model::CollectionPtr collection,
                        call.roles.root_coord->GetCollection(call.context, model::CollectionId{request.collectionid()}));
  return model::CollectionName{collection->database_name, collection->name()};
}

Status AlterCollection(Call& call, const pb::AlterCollectionRequest& request, pb_common::Status&) {
  KITE_ASSIGN_OR_RETURN(const model::CollectionName name, NameOf(call, request));
  return call.roles.root_coord->AlterCollection(call.context, name, ToProperties(request.properties()),
                                                ToStrings(request.delete_keys()));
}

Status AlterCollectionField(Call& call, const pb::AlterCollectionFieldRequest& request, pb_common::Status&) {
  return call.roles.root_coord->AlterField(call.context, call.Name(request.collection_name()), request.field_name(),
                                           ToProperties(request.properties()), ToStrings(request.delete_keys()));
}

Status TruncateCollection(Call& call, const pb::TruncateCollectionRequest& request, pb::TruncateCollectionResponse&) {
  return call.roles.root_coord->TruncateCollection(call.context, call.Name(request.collection_name()));
}

}  // namespace

void AddCollectionHandlers(Service& service) {
  service.Add("CreateCollection", &CreateCollection);
  service.Add("DropCollection", &DropCollection);
  service.Add("RenameCollection", &RenameCollection);
  service.Add("AlterCollection", &AlterCollection);
  service.Add("AlterCollectionField", &AlterCollectionField);
  service.Add("TruncateCollection", &TruncateCollection);
}

}  // namespace kite::api
