#include "roles/indexcoord/indexcoord.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "model/meta_keys.h"

namespace kite::roles {

using model::CollectionId;
using model::CollectionMeta;
using model::FieldSchema;
using model::IndexMeta;
using model::IndexPtr;
using model::Properties;
using store::MetaOp;

namespace {

Status IndexNotFound(const CollectionName& name, const std::string& index_name) {
  return Status::NotFound(StatusSubject::kIndex,
                          "index not found[collection=" + name.collection + "]" +
                              (index_name.empty() ? "" : "[index=" + index_name + "]"));
}

Status NoSuchField(const std::string& field) {
  return Status::InvalidArgument(StatusSubject::kField,
                                 "cannot create index on non-exist field: " + field);
}

/// The field, or the dynamic field for a name that the schema does not declare.
const FieldSchema* FindIndexable(const CollectionMeta& collection, const std::string& field) {
  const FieldSchema* found = collection.schema->Find(field);
  return found != nullptr ? found : collection.schema->dynamic_field();
}

std::string JsonPathOf(const IndexMeta& index) {
  const auto path = index.params.find("json_path");
  return path == index.params.end() ? "" : path->second;
}

/// Indexes that stand in each other's way: of one field, and for JSON of one path.
bool SamePlace(const IndexMeta& index, const FieldSchema& field, const IndexSpec& spec) {
  if (index.field != field.id) return false;
  const auto path = spec.params.find("json_path");
  return JsonPathOf(index) == (path == spec.params.end() ? "" : path->second);
}

bool SameDefinition(const IndexMeta& index, const IndexSpec& spec) {
  return index.index_type == spec.index_type && index.metric == spec.metric &&
         index.params == spec.params;
}

/// What a new definition meets among the old ones: nullopt when there is room, the index when it is
/// there already.
Result<std::optional<IndexPtr>> CheckRoom(const std::vector<IndexPtr>& existing,
                                          const FieldSchema& field, const IndexSpec& spec,
                                          const std::string& name) {
  for (const IndexPtr& index : existing) {
    const bool same_place = SamePlace(*index, field, spec);
    if (same_place && SameDefinition(*index, spec) && index->name == name) {
      return std::optional<IndexPtr>(index);
    }
    if (same_place) {
      return Status::AlreadyExists(
          StatusSubject::kIndex,
          "CreateIndex failed: at most one distinct index is allowed per field; field " +
              field.name + " has the index " + index->name + " (" + index->index_type +
              (index->metric.empty() ? "" : ", " + index->metric) + ")");
    }
    if (index->name == name) {
      return Status::AlreadyExists(StatusSubject::kIndex,
                                   "CreateIndex failed: at most one distinct index is allowed per "
                                   "field; the index name " +
                                       name + " is taken by another field");
    }
  }
  return std::optional<IndexPtr>();
}

std::string DefaultName(const std::vector<IndexPtr>& existing, const FieldSchema& field,
                        const IndexSpec& spec) {
  for (const IndexPtr& index : existing) {
    if (SamePlace(*index, field, spec)) return index->name;
  }
  return field.name + spec.json_path;
}

}  // namespace

Result<std::unique_ptr<IndexCoordImpl>> IndexCoordImpl::Open(const Context& context,
                                                             IndexCoordDeps deps,
                                                             BuildQueueOptions options) {
  std::unique_ptr<IndexCoordImpl> coord(new IndexCoordImpl(std::move(deps), options));
  KITE_RETURN_IF_ERROR(coord->Load(context));
  return coord;
}

Status IndexCoordImpl::Load(const Context& context) {
  KITE_ASSIGN_OR_RETURN(const auto entries,
                        store::RangeAll(context, *deps_.meta, model::kIndexPrefix));
  Definitions definitions;
  for (const store::MetaEntry& entry : entries) {
    auto meta = model::IndexFromJson(entry.value);
    if (!meta.ok()) return meta.status().WithContext("metadata " + entry.key);
    if (entry.key != model::IndexKey(meta->collection, meta->id)) {
      return Status::Corruption(StatusSubject::kMeta,
                                "metadata " + entry.key + ": is of another index");
    }
    definitions[meta->collection].push_back(std::make_shared<const IndexMeta>(std::move(*meta)));
  }
  for (auto& [collection, indexes] : definitions) {
    std::ranges::sort(indexes, {}, [](const IndexPtr& index) { return index->id; });
  }
  const std::unique_lock lock(mutex_);
  definitions_ = std::move(definitions);
  return {};
}

void IndexCoordImpl::SetPeers(Peers peers) {
  peers_ = peers;
  builds_.SetPeers({peers.root_coord, peers.data_node, peers.index_node});
}

void IndexCoordImpl::Start() {
  const auto collections = peers_.root_coord->ListCollections(Context(), std::nullopt);
  if (!collections.ok()) return;
  // Every collection: one without indexes may have files of an index that was dropped just before a
  // crash.
  for (const CollectionPtr& collection : *collections) NotifyAll(*collection);
}

void IndexCoordImpl::NotifyAll(const CollectionMeta& collection) {
  for (uint32_t shard = 0; shard < collection.shards(); ++shard) {
    builds_.Notify({collection.id, shard});
  }
}

Status IndexCoordImpl::BeginChange() {
  if (!writer_.uncertain()) return {};
  const Status loaded = Load(MetaWriter::PatientContext());
  if (!loaded.ok()) return loaded.WithContext("the metadata cannot be read again");
  writer_.SetCertain();
  Start();
  return {};
}

std::vector<IndexPtr> IndexCoordImpl::Indexes(CollectionId collection) {
  const std::shared_lock lock(mutex_);
  const auto found = definitions_.find(collection);
  return found == definitions_.end() ? std::vector<IndexPtr>() : found->second;
}

void IndexCoordImpl::Publish(CollectionId collection, std::vector<IndexPtr> indexes) {
  const std::unique_lock lock(mutex_);
  if (indexes.empty()) {
    definitions_.erase(collection);
  } else {
    definitions_[collection] = std::move(indexes);
  }
}

Result<IndexPtr> IndexCoordImpl::NewIndex(const Context& context, const CollectionMeta& collection,
                                          const FieldSchema& field, const std::string& name,
                                          IndexSpec spec) {
  auto index = std::make_shared<IndexMeta>();
  KITE_ASSIGN_OR_RETURN(const int64_t id, peers_.root_coord->AllocIds(context, 1));
  index->id = model::IndexId(id);
  index->collection = collection.id;
  index->field = field.id;
  index->name = name;
  index->index_type = std::move(spec.index_type);
  index->metric = std::move(spec.metric);
  index->params = std::move(spec.params);
  index->created = peers_.root_coord->AllocTimestamp();
  return IndexPtr(std::move(index));
}

Status IndexCoordImpl::CreateIndex(const Context& context, const CreateIndexRequest& request) {
  if (!request.index_name.empty()) {
    KITE_RETURN_IF_ERROR(model::ValidateName("index", request.index_name, StatusSubject::kIndex));
  }
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection,
                        peers_.root_coord->GetCollection(context, request.name));
  const FieldSchema* field = FindIndexable(*collection, request.field);
  if (field == nullptr) return NoSuchField(request.field);
  Properties asked = request.params;
  if (field->is_dynamic && request.field != field->name) asked.emplace("json_path", request.field);
  auto parsed = ParseIndexSpec(*field, asked);
  // Not a key of the dynamic field either, then.
  if (!parsed.ok() && field->name != request.field) return NoSuchField(request.field);
  KITE_ASSIGN_OR_RETURN(IndexSpec spec, std::move(parsed));
  std::vector<IndexPtr> indexes = Indexes(collection->id);
  const std::string name =
      request.index_name.empty() ? DefaultName(indexes, *field, spec) : request.index_name;
  KITE_ASSIGN_OR_RETURN(const auto same, CheckRoom(indexes, *field, spec, name));
  if (!same) {
    KITE_ASSIGN_OR_RETURN(const IndexPtr index,
                          NewIndex(context, *collection, *field, name, std::move(spec)));
    KITE_RETURN_IF_ERROR(writer_.CommitFor(
        context, request.name, collection->id,
        {MetaOp::Put(model::IndexKey(collection->id, index->id), model::ToJson(*index))}));
    indexes.push_back(index);
    Publish(collection->id, std::move(indexes));
  }
  NotifyAll(*collection);
  return {};
}

Status IndexCoordImpl::DropIndex(const Context& context, const CollectionName& name,
                                 const std::string& field_name, const std::string& index_name) {
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection,
                        peers_.root_coord->GetCollection(context, name));
  std::vector<IndexPtr> kept;
  std::vector<IndexPtr> dropped;
  for (const IndexPtr& index : Indexes(collection->id)) {
    const FieldSchema* field = collection->schema->Find(index->field);
    const bool field_matches =
        field_name.empty() || (field != nullptr && field->name == field_name);
    const bool name_matches = index_name.empty() || index->name == index_name;
    // With neither, nothing is meant.
    const bool matches =
        field_matches && name_matches && !(field_name.empty() && index_name.empty());
    (matches ? dropped : kept).push_back(index);
  }
  if (dropped.empty()) return {};
  const bool has_vector =
      std::ranges::any_of(dropped, [](const IndexPtr& index) { return !index->metric.empty(); });
  if (has_vector && peers_.query_coord->Loaded(collection->id)) {
    return Status::FailedPrecondition(
        StatusSubject::kIndex,
        "index cannot be dropped, collection is loaded, please release it first[collection=" +
            name.collection + "]");
  }
  std::vector<MetaOp> ops;
  for (const IndexPtr& index : dropped) {
    ops.push_back(MetaOp::Delete(model::IndexKey(collection->id, index->id)));
  }
  KITE_RETURN_IF_ERROR(writer_.CommitFor(context, name, collection->id, std::move(ops)));
  Publish(collection->id, std::move(kept));
  for (const IndexPtr& index : dropped) builds_.Cancel(collection->id, index->id);
  // Decided. The files go in the background: the channels are looked through for what nobody
  // defines.
  if (has_vector) NotifyAll(*collection);
  return {};
}

Status IndexCoordImpl::AlterIndex(const Context& context, const CollectionName& name,
                                  const std::string& index_name, const Properties& set,
                                  const std::vector<std::string>& remove) {
  if (index_name.empty()) return Status::InvalidArgument("index name is empty");
  if (!set.empty() && !remove.empty()) {
    return Status::InvalidArgument("cannot provide both DeleteKeys and ExtraParams");
  }
  for (const auto& [key, value] : set) KITE_RETURN_IF_ERROR(CheckAlterable(key, value));
  for (const std::string& key : remove) KITE_RETURN_IF_ERROR(CheckAlterable(key, "false"));
  const std::lock_guard lock(ddl_mutex_);
  KITE_RETURN_IF_ERROR(BeginChange());
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection,
                        peers_.root_coord->GetCollection(context, name));
  std::vector<IndexPtr> indexes = Indexes(collection->id);
  const auto found = std::ranges::find_if(
      indexes, [&](const IndexPtr& index) { return index->name == index_name; });
  if (found == indexes.end()) return IndexNotFound(name, index_name);
  if (peers_.query_coord->Loaded(collection->id)) {
    return Status::FailedPrecondition(
        StatusSubject::kIndex,
        "can't alter index on loaded collection, please release the collection first[collection=" +
            name.collection + "]");
  }
  auto changed = std::make_shared<IndexMeta>(**found);
  for (const auto& [key, value] : set) changed->params[key] = value;
  for (const std::string& key : remove) changed->params.erase(key);
  KITE_RETURN_IF_ERROR(writer_.CommitFor(
      context, name, collection->id,
      {MetaOp::Put(model::IndexKey(collection->id, changed->id), model::ToJson(*changed))}));
  *found = std::move(changed);
  Publish(collection->id, std::move(indexes));
  return {};
}

Result<std::vector<IndexDescription>> IndexCoordImpl::DescribeIndex(const Context& context,
                                                                    const CollectionName& name,
                                                                    const std::string& field_name,
                                                                    const std::string& index_name) {
  KITE_ASSIGN_OR_RETURN(const CollectionPtr collection,
                        peers_.root_coord->GetCollection(context, name));
  std::vector<IndexDescription> descriptions;
  for (const IndexPtr& index : Indexes(collection->id)) {
    const FieldSchema* field = collection->schema->Find(index->field);
    if (field == nullptr || (!field_name.empty() && field->name != field_name) ||
        (!index_name.empty() && index->name != index_name)) {
      continue;
    }
    IndexDescription description;
    description.index = index;
    description.field_name = field->name;
    KITE_RETURN_IF_ERROR(Describe(*collection, description));
    descriptions.push_back(std::move(description));
  }
  if (descriptions.empty()) return IndexNotFound(name, index_name);
  return descriptions;
}

/// Rows of sealed segments only: growing ones are searched without an index and become sealed some
/// time.
Status IndexCoordImpl::Describe(const CollectionMeta& collection, IndexDescription& description) {
  const IndexMeta& index = *description.index;
  // Before the segments: a build that ends in between then counts as done, never as lost.
  const BuildQueue::Progress progress = builds_.ProgressOf(collection.id, index.id);
  int64_t pending = 0;
  int64_t growing = 0;
  for (uint32_t shard = 0; shard < collection.shards(); ++shard) {
    const model::ChannelId channel{collection.id, shard};
    KITE_ASSIGN_OR_RETURN(const auto segments, peers_.data_node->SealedSegments(channel));
    int64_t lacking = 0;
    for (const segment::SegmentMeta& segment : segments) {
      const auto rows = static_cast<int64_t>(segment.rows);
      description.total_rows += rows;
      if (index.metric.empty() || !builds_.IsWanted(segment)) continue;
      if (!BuildQueue::HasIndex(segment, index)) lacking += rows;
    }
    // Somebody waits; make sure that somebody works, should a notification have come to nothing.
    if (lacking > 0 && !progress.failed) builds_.Poke(channel);
    pending += lacking;
    // Rows that no flush has sealed yet are searched without an index, and held up by nothing.
    KITE_ASSIGN_OR_RETURN(const auto all, peers_.data_node->ListSegments(channel));
    for (const SegmentInfo& segment : all) growing += segment.sealed ? 0 : segment.rows;
  }
  const auto done = static_cast<int64_t>(std::floor(progress.rows_done));
  description.pending_rows = pending == 0 ? 0 : std::max<int64_t>(pending - done, 1);
  description.indexed_rows = description.total_rows - description.pending_rows;
  description.total_rows += growing;
  description.pending_rows += growing;
  if (pending == 0) {
    description.state = IndexState::kFinished;
  } else if (progress.failed) {
    description.state = IndexState::kFailed;
    description.fail_reason = progress.fail_reason;
  } else {
    description.state = IndexState::kInProgress;
  }
  return {};
}

void IndexCoordImpl::OnCollectionDropped(CollectionId collection) {
  const std::lock_guard lock(ddl_mutex_);
  Publish(collection, {});
  builds_.Cancel(collection, std::nullopt);
}

}  // namespace kite::roles
