"""The older ORM interface: connections, Collection, Partition, Index, utility, db."""

from __future__ import annotations

import numpy as np
import pytest
from harness.oracle import top_keys, vectors
from harness.server import SLOWNESS
from pymilvus import (
    Collection,
    CollectionSchema,
    DataType,
    FieldSchema,
    MilvusException,
    Partition,
    connections,
    db,
    utility,
)

ALIAS, DIM = "orm_tests", 8


@pytest.fixture
def orm(server):
    connections.connect(ALIAS, uri=server.uri, token="root:Milvus")
    yield ALIAS
    connections.disconnect(ALIAS)


@pytest.fixture
def collection(orm, name) -> Collection:
    fields = [
        FieldSchema("id", DataType.INT64, is_primary=True),
        FieldSchema("num", DataType.INT64),
        FieldSchema("text", DataType.VARCHAR, max_length=50),
        FieldSchema("vec", DataType.FLOAT_VECTOR, dim=DIM),
    ]
    made = Collection(name, CollectionSchema(fields, description="orm"), using=orm, consistency_level="Strong")
    yield made
    utility.drop_collection(name, using=orm)


def columns(data: np.ndarray, first: int = 0) -> list:
    keys = list(range(first, first + len(data)))
    return [keys, [k * 10 for k in keys], [f"t{k % 7}" for k in keys], data]


INDEX = {"index_type": "HNSW", "metric_type": "L2", "params": {"M": 8, "efConstruction": 64}}


def filled(collection: Collection, rows: int = 200) -> np.ndarray:
    data = vectors(rows, DIM, 2)
    collection.insert(columns(data))
    collection.create_index("vec", INDEX)
    collection.load()
    return data


def test_connections(server):
    connections.connect("orm_more", host="127.0.0.1", port=str(server.port))
    assert connections.has_connection("orm_more")
    assert "orm_more" in [name for name, _ in connections.list_connections()]
    assert connections.get_connection_addr("orm_more")["address"] == server.address
    connections.disconnect("orm_more")
    connections.remove_connection("orm_more")
    assert not connections.has_connection("orm_more")


def test_schema_and_properties(collection, orm):
    again = Collection(collection.name, using=orm)
    assert again.schema == collection.schema
    assert again.description == "orm" and again.primary_field.name == "id"
    assert again.is_empty and again.num_entities == 0 and again.num_shards == 1
    collection.set_properties({"collection.ttl.seconds": 1800})
    assert collection.describe()["properties"]["collection.ttl.seconds"] == "1800"


def test_another_schema_under_the_same_name_is_refused(collection, orm):
    fields = [FieldSchema("key", DataType.INT64, is_primary=True), FieldSchema("vec", DataType.FLOAT_VECTOR, dim=2)]
    with pytest.raises(MilvusException):
        Collection(collection.name, CollectionSchema(fields), using=orm)


def test_insert_search_query_delete(collection):
    data = filled(collection)
    assert collection.num_entities == 200
    collection.flush()
    assert collection.num_entities == 200
    hits = collection.search(
        list(data[[3, 150]]), "vec", {"metric_type": "L2", "params": {"ef": 64}}, limit=5, output_fields=["num"]
    )
    assert [list(h.ids) for h in hits] == [top_keys("L2", data, np.arange(200), data[i], 5) for i in (3, 150)]
    assert hits[0][0].entity.get("num") == 30 and hits[0][0].distance == pytest.approx(0, abs=1e-6)
    rows = collection.query("id in [1, 2] or num == 500", output_fields=["text"])
    assert list(rows) == [{"id": 1, "text": "t1"}, {"id": 2, "text": "t2"}, {"id": 50, "text": "t1"}]
    assert collection.query("", output_fields=["count(*)"])[0]["count(*)"] == 200
    assert collection.delete("id in [1, 2, 3]").delete_count == 3
    result = collection.upsert(columns(data[:5], first=198))
    assert result.upsert_count == 5 and list(result.primary_keys) == [198, 199, 200, 201, 202]
    assert collection.num_entities == 200


def test_search_with_an_expression_partitions_and_rounding(collection):
    data = filled(collection)
    hits = collection.search(
        [data[0]],
        "vec",
        {"metric_type": "L2", "params": {}},
        limit=10,
        expr="num >= 1000",
        partition_names=["_default"],
        round_decimal=1,
        offset=2,
    )[0]
    chosen = np.arange(100, 200)
    assert list(hits.ids) == top_keys("L2", data[chosen], chosen, data[0], 12)[2:]


def test_indexes(collection):
    filled(collection)
    assert collection.has_index()
    index = collection.index()
    assert index.field_name == "vec" and index.params["index_type"] == "HNSW"
    assert index.params["metric_type"] == "L2"
    assert [one.index_name for one in collection.indexes] == ["vec"]
    collection.create_index("num", {"index_type": "STL_SORT"}, index_name="numbers")
    assert collection.has_index(index_name="numbers")
    collection.release()
    collection.drop_index(index_name="numbers")
    collection.drop_index(index_name="vec")
    assert not collection.has_index(index_name="vec") and collection.indexes == []


def test_partitions(collection):
    filled(collection, 20)
    part = collection.create_partition("p", description="ignored")
    assert collection.has_partition("p") and isinstance(part, Partition)
    assert sorted(one.name for one in collection.partitions) == ["_default", "p"]
    data = vectors(5, DIM, 9)
    part.insert(columns(data, first=1000))
    part.load()
    part.flush()
    assert part.num_entities == 5 and not part.is_empty
    assert [row["id"] for row in part.query("id >= 0", output_fields=["id"])] == list(range(1000, 1005))
    hits = part.search([data[2]], "vec", {"metric_type": "L2", "params": {}}, limit=1)
    assert hits[0].ids[0] == 1002
    part.delete("id in [1000]")
    assert part.num_entities == 4
    part.release()
    part.drop()
    assert not collection.has_partition("p")


def test_utility(collection, orm, names):
    filled(collection, 30)
    assert utility.has_collection(collection.name, using=orm)
    assert not utility.has_collection(names(), using=orm)
    assert collection.name in utility.list_collections(using=orm)
    assert utility.has_partition(collection.name, "_default", using=orm)
    assert utility.load_state(collection.name, using=orm).name == "Loaded"
    assert utility.loading_progress(collection.name, using=orm) == {"loading_progress": "100%"}
    utility.wait_for_loading_complete(collection.name, using=orm)
    utility.wait_for_index_building_complete(collection.name, "vec", using=orm)
    progress = utility.index_building_progress(collection.name, "vec", using=orm)
    assert progress["total_rows"] == 30 and progress["indexed_rows"] + progress["pending_index_rows"] == 30
    assert utility.list_indexes(collection.name, using=orm) == ["vec"]
    assert utility.get_server_version(using=orm).startswith("v")
    alias = names()
    utility.create_alias(collection.name, alias, using=orm)
    assert utility.list_aliases(collection.name, using=orm) == [alias]
    assert Collection(alias, using=orm).num_entities == 30
    utility.drop_alias(alias, using=orm)


def test_rename_and_truncate(orm, names):
    old, new = names(), names()
    fields = [FieldSchema("id", DataType.INT64, is_primary=True), FieldSchema("vec", DataType.FLOAT_VECTOR, dim=2)]
    Collection(old, CollectionSchema(fields), using=orm).insert([[1, 2], [[0.0, 1.0], [1.0, 0.0]]])
    utility.rename_collection(old, new, using=orm)
    assert Collection(new, using=orm).num_entities == 2
    utility.truncate_collection(new, using=orm)
    assert Collection(new, using=orm).num_entities == 0
    utility.drop_collection(new, using=orm)


def test_databases(orm, server, name):
    db.create_database(name, using=orm)
    assert name in db.list_database(using=orm)
    connections.connect("orm_db", uri=server.uri, db_name=name)
    assert utility.list_collections(using="orm_db") == []
    db.using_database("default", using="orm_db")
    assert set(utility.list_collections(using="orm_db")) == set(utility.list_collections(using=orm))
    connections.disconnect("orm_db")
    db.drop_database(name, using=orm)
    assert name not in db.list_database(using=orm)


def test_iterators(collection):
    data = filled(collection)
    iterator = collection.query_iterator(batch_size=70, expr="id < 150", output_fields=["num"])
    keys = []
    while page := iterator.next():
        keys += [row["id"] for row in page]
    iterator.close()
    assert keys == list(range(150))
    iterator = collection.search_iterator([data[0]], "vec", {"metric_type": "L2", "params": {"ef": 200}}, batch_size=50)
    found = []
    while page := iterator.next():
        found += page.ids()
    iterator.close()
    assert sorted(found) == list(range(200))


def test_compaction(collection):
    filled(collection)
    collection.flush()
    collection.delete("id < 150")
    collection.flush()
    collection.compact()
    collection.wait_for_compaction_completed(timeout=60 * SLOWNESS)
    assert collection.get_compaction_state().state_name == "Completed"
    assert collection.num_entities == 50


def test_futures(collection):
    """Calls that answer later."""
    data = vectors(10, DIM)
    inserted = collection.insert(columns(data), _async=True)
    assert inserted.result().insert_count == 10
    collection.create_index("vec", INDEX)
    collection.load()
    future = collection.search([data[1]], "vec", {"metric_type": "L2", "params": {}}, limit=1, _async=True)
    assert list(future.result()[0].ids) == [1]
