"""Collections: both ways of creating, describing, listing, renaming, dropping, emptying, properties."""

from __future__ import annotations

import pytest
from harness import wire
from harness.collections import count, create, insert, key_field, schema_of, simple, simple_rows, vector_field
from harness.oracle import vectors
from pymilvus import DataType, MilvusException


def test_the_quick_form_creates_indexes_and_loads(client, name):
    client.create_collection(name, dimension=4)
    described = client.describe_collection(name)
    assert [(f["name"], f["type"]) for f in described["fields"]] == [
        ("id", DataType.INT64),
        ("vector", DataType.FLOAT_VECTOR),
    ]
    assert described["enable_dynamic_field"] is True
    assert described["auto_id"] is False
    assert client.list_indexes(name) == ["vector"]
    assert client.describe_index(name, "vector")["metric_type"] == "COSINE"
    assert client.get_load_state(name)["state"].name == "Loaded"
    client.insert(name, [{"id": i, "vector": [i, 1, 2, 3], "colour": "red"} for i in range(5)])
    found = client.search(name, data=[[4, 1, 2, 3]], limit=1, output_fields=["colour"], consistency_level="Strong")
    assert found[0][0].id == 4 and found[0][0]["entity"] == {"colour": "red"}


def test_the_quick_form_with_text_keys_and_other_names(client, name):
    client.create_collection(
        name,
        dimension=3,
        primary_field_name="key",
        id_type="string",
        max_length=20,
        vector_field_name="embedding",
        metric_type="IP",
        enable_dynamic_field=False,
    )
    fields = {f["name"]: f for f in client.describe_collection(name)["fields"]}
    assert fields["key"]["type"] == DataType.VARCHAR and fields["key"]["params"]["max_length"] == 20
    assert fields["embedding"]["params"]["dim"] == 3
    assert client.insert(name, [{"key": "a", "embedding": [1, 2, 3]}])["ids"] == ["a"]
    assert client.get(name, "a", consistency_level="Strong")[0]["key"] == "a"


def test_the_quick_form_with_auto_id(client, name):
    client.create_collection(name, dimension=3, auto_id=True)
    assert client.describe_collection(name)["auto_id"] is True
    keys = client.insert(name, [{"vector": [1, 2, 3]}, {"vector": [3, 2, 1]}])["ids"]
    assert len(set(keys)) == 2
    assert count(client, name) == 2


def test_describe_gives_back_what_was_declared(client, name):
    fields = [
        ("id", DataType.INT64, {"is_primary": True, "description": "the key"}),
        ("flag", DataType.BOOL, {"nullable": True}),
        ("price", DataType.DOUBLE, {"default_value": 2.5}),
        ("text", DataType.VARCHAR, {"max_length": 100, "description": "a text"}),
        ("tags", DataType.ARRAY, {"element_type": DataType.VARCHAR, "max_capacity": 5, "max_length": 10}),
        ("doc", DataType.JSON, {}),
        ("vec", DataType.FLOAT_VECTOR, {"dim": 7}),
        ("vec2", DataType.FLOAT_VECTOR, {"dim": 2}),
    ]
    schema = schema_of(fields, dynamic=True, description="what it is for")
    client.create_collection(name, schema=schema, consistency_level="Session", num_shards=2)
    got = client.describe_collection(name)
    assert got["collection_name"] == name
    assert got["description"] == "what it is for"
    assert got["num_shards"] == 2
    assert got["consistency_level"] == 1
    assert got["enable_dynamic_field"] is True
    assert got["aliases"] == [] and got["num_partitions"] == 1
    assert got["collection_id"] > 0 and got["created_timestamp"] > 0 and got["update_timestamp"] > 0
    described = {f["name"]: f for f in got["fields"]}
    assert list(described) == [f[0] for f in fields]
    assert [f["field_id"] for f in got["fields"]] == list(range(100, 108))
    assert described["id"]["is_primary"] and described["id"]["description"] == "the key"
    assert described["flag"]["nullable"] is True
    assert described["price"]["default_value"].double_data == 2.5
    assert described["text"]["params"]["max_length"] == 100 and described["text"]["description"] == "a text"
    assert described["tags"]["element_type"] == DataType.VARCHAR
    assert described["tags"]["params"] == {"max_capacity": 5, "max_length": 10}
    assert described["doc"]["type"] == DataType.JSON
    assert (described["vec"]["params"]["dim"], described["vec2"]["params"]["dim"]) == (7, 2)


def test_describe_does_not_list_the_dynamic_field_and_names_the_database(server, client, name):
    simple(client, name, index=None, dynamic=True)
    with wire.stub(server.address) as stub:
        reply = stub.DescribeCollection(wire.pb.DescribeCollectionRequest(collection_name=name))
    assert [f.name for f in reply.schema.fields] == ["id", "num", "text", "vec"]
    assert reply.schema.enable_dynamic_field
    assert reply.db_name == "default" and reply.schema.name == name
    assert len(reply.virtual_channel_names) == len(reply.physical_channel_names) == reply.shards_num == 1
    assert str(reply.collectionID) in reply.virtual_channel_names[0]


def test_has_and_list(client, names):
    made = [simple(client, names(), index=None) for _ in range(3)]
    assert all(client.has_collection(one) for one in made)
    assert not client.has_collection(names())
    assert set(made) <= set(client.list_collections())


def test_show_collections_gives_parallel_arrays(server, client, name):
    simple(client, name)
    with wire.stub(server.address) as stub:
        everything = stub.ShowCollections(wire.pb.ShowCollectionsRequest())
        loaded = stub.ShowCollections(
            wire.pb.ShowCollectionsRequest(type=wire.pb.ShowType.InMemory, collection_names=[name])
        )
    size = len(everything.collection_names)
    assert size == len(everything.collection_ids) == len(everything.created_timestamps)
    assert size == len(everything.created_utc_timestamps)
    assert list(loaded.collection_names) == [name] and list(loaded.inMemory_percentages) == [100]


def test_creating_the_same_again_is_no_error_but_another_schema_is(client, name):
    simple(client, name, index=None)
    simple(client, name, index=None)
    with pytest.raises(MilvusException, match="different parameters"):
        create(client, name, [key_field(), vector_field(4)], index=None)


def test_drop_forgets_everything(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(20, 8)))
    client.drop_collection(name)
    assert not client.has_collection(name)
    assert name not in client.list_collections()
    simple(client, name)
    assert count(client, name) == 0
    client.drop_collection(name)
    client.drop_collection(name)  # a missing collection is not an error


def test_rename_keeps_rows_and_frees_the_old_name(client, names):
    old, new = names(), names()
    simple(client, old)
    insert(client, old, simple_rows(vectors(10, 8)))
    client.rename_collection(old, new)
    assert client.has_collection(new) and not client.has_collection(old)
    assert count(client, new) == 10
    assert client.describe_collection(new)["collection_name"] == new
    simple(client, old)
    with pytest.raises(MilvusException):
        client.rename_collection(old, new)
    with pytest.raises(MilvusException):
        client.rename_collection(names(), names())


def test_rename_into_another_database(client, connection, server, name):
    client.create_database(name)
    simple(client, name)
    insert(client, name, simple_rows(vectors(3, 8)))
    client.rename_collection(name, name, target_db=name)
    assert not client.has_collection(name)
    there = connection(server, db_name=name)
    assert count(there, name) == 3
    there.drop_collection(name)
    client.drop_database(name)


def test_truncate_keeps_the_schema_and_the_indexes(client, name):
    simple(client, name)
    rows = simple_rows(vectors(50, 8))
    insert(client, name, rows)
    client.flush(name)
    insert(client, name, simple_rows(vectors(10, 8), first=100))
    client.truncate_collection(name)
    assert count(client, name) == 0
    assert client.get_collection_stats(name)["row_count"] == 0
    assert client.list_indexes(name) == ["vec"]
    insert(client, name, rows[:5])
    assert count(client, name) == 5
    assert client.search(name, data=[rows[2]["vec"]], limit=1, anns_field="vec")[0][0].id == 2


def test_properties_are_set_kept_and_dropped(client, name):
    simple(client, name, index=None, properties={"collection.ttl.seconds": 3600})
    assert client.describe_collection(name)["properties"]["collection.ttl.seconds"] == "3600"
    client.alter_collection_properties(name, {"mmap.enabled": True, "collection.ttl.seconds": 7200})
    properties = client.describe_collection(name)["properties"]
    assert properties["collection.ttl.seconds"] == "7200"
    assert properties["mmap.enabled"].lower() == "true"
    client.drop_collection_properties(name, ["collection.ttl.seconds"])
    assert "collection.ttl.seconds" not in client.describe_collection(name)["properties"]


def test_field_parameters_can_be_altered(client, name):
    simple(client, name)
    row = simple_rows(vectors(1, 8))[0]
    with pytest.raises(MilvusException):
        client.insert(name, [{**row, "text": "x" * 100}])
    client.alter_collection_field(name, "text", {"max_length": 200})
    fields = {f["name"]: f for f in client.describe_collection(name)["fields"]}
    assert fields["text"]["params"]["max_length"] == 200
    client.insert(name, [{**row, "text": "x" * 100}])
    assert count(client, name) == 1


def test_a_client_with_an_old_schema_is_told_so(server, client, name):
    """A wrong schema timestamp gives code 109 and old code 62: the SDK drops its cache and tries again."""
    simple(client, name)
    request = wire.insert_request(
        name,
        [
            wire.int64_column("id", [1]),
            wire.int64_column("num", [1]),
            wire.varchar_column("text", ["a"]),
            wire.vector_column("vec", [0.0] * 8, 8),
        ],
        1,
    )
    current = client.describe_collection(name)["update_timestamp"]
    with wire.stub(server.address) as stub:
        request.schema_timestamp = current - 1
        refused = stub.Insert(request).status
        request.schema_timestamp = current
        accepted = stub.Insert(request)
    assert (refused.code, refused.error_code) == (109, 62)
    assert accepted.status.code == 0 and accepted.insert_cnt == 1


def test_inserting_through_a_stale_cache_works_after_the_collection_was_made_anew(client, connection, server, name):
    other = connection(server)
    simple(client, name)
    insert(client, name, simple_rows(vectors(2, 8)))
    other.drop_collection(name)
    create(other, name, [key_field(), ("extra", DataType.INT64, {"nullable": True}), vector_field(8)])
    assert client.insert(name, [{"id": 7, "vec": [1.0] * 8}])["insert_count"] == 1
    assert count(client, name) == 1


@pytest.mark.parametrize("length", [1, 255])
def test_names_up_to_255_bytes(client, length):
    name = "n" * length
    simple(client, name, index=None)
    assert client.has_collection(name)
    client.drop_collection(name)


def test_a_refused_creation_leaves_nothing(client, name):
    with pytest.raises(MilvusException):
        create(client, name, [key_field(), vector_field(100_000)], index=None)
    assert not client.has_collection(name)


def test_collection_statistics_are_exact(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(100, 8)))
    assert client.get_collection_stats(name)["row_count"] == 100
    client.delete(name, ids=list(range(40)))
    client.upsert(name, simple_rows(vectors(5, 8), first=50))
    assert client.get_collection_stats(name)["row_count"] == 60
    client.flush(name)
    assert client.get_collection_stats(name)["row_count"] == 60
