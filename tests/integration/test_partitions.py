"""Partitions: making and dropping them, writing to and reading from them, partition keys."""

from __future__ import annotations

import pytest
from harness.collections import count, create, insert, key_field, keys_of, simple, simple_rows, vector_field
from harness.oracle import vectors
from pymilvus import DataType, MilvusException


@pytest.fixture
def parted(client, name) -> str:
    """Ten rows each in _default, p and q."""
    simple(client, name)
    data = vectors(30, 8)
    for i, partition in enumerate(["_default", "p", "q"]):
        if partition != "_default":
            client.create_partition(name, partition)
        insert(client, name, simple_rows(data[i * 10 : i * 10 + 10], first=i * 10), partition_name=partition)
    return name


def test_create_has_list_drop(client, name):
    simple(client, name, load=False)
    client.create_partition(name, "p")
    client.create_partition(name, "p")  # existing is fine
    assert client.has_partition(name, "p") and client.has_partition(name, "_default")
    assert not client.has_partition(name, "q")
    assert sorted(client.list_partitions(name)) == ["_default", "p"]
    assert client.describe_collection(name)["num_partitions"] == 2
    client.drop_partition(name, "p")
    assert client.list_partitions(name) == ["_default"]
    client.drop_partition(name, "p")  # unknown is fine


def test_reads_by_partition(client, parted):
    assert keys_of(client.query(parted, filter="id >= 0", partition_names=["p"])) == list(range(10, 20))
    assert count(client, parted, partition_names=["p", "q"]) == 20
    assert count(client, parted) == 30
    hits = client.search(parted, data=[vectors(30, 8)[0]], anns_field="vec", limit=30, partition_names=["q"])[0]
    assert sorted(hit.id for hit in hits) == list(range(20, 30))


def test_statistics_by_partition(client, parted):
    client.flush(parted)
    client.delete(parted, ids=[10, 11, 20])
    assert [client.get_partition_stats(parted, p)["row_count"] for p in ("_default", "p", "q")] == [10, 8, 9]


def test_dropping_takes_the_rows_along(client, parted):
    with pytest.raises(MilvusException):
        client.drop_partition(parted, "p")  # loaded
    client.release_partitions(parted, ["p"])
    client.drop_partition(parted, "p")
    assert count(client, parted) == 20
    client.create_partition(parted, "p")
    client.load_partitions(parted, ["p"])
    assert count(client, parted, partition_names=["p"]) == 0


def test_the_default_partition_stays(client, parted):
    client.release_collection(parted)
    with pytest.raises(MilvusException, match="default"):
        client.drop_partition(parted, "_default")


def test_unknown_partitions_are_named(client, parted):
    vector = vectors(1, 8)[0]
    for call in (
        lambda: client.insert(parted, simple_rows(vector[None, :]), partition_name="none_such"),
        lambda: client.search(parted, data=[vector], anns_field="vec", partition_names=["none_such"]),
        lambda: client.query(parted, filter="id > 0", partition_names=["none_such"]),
        lambda: client.load_partitions(parted, ["none_such"]),
        lambda: client.get_partition_stats(parted, "none_such"),
    ):
        with pytest.raises(MilvusException, match="none_such"):
            call()


def test_a_key_lives_in_one_partition_after_upsert(client, parted):
    """An upsert into another partition moves the row, or is kept apart as Milvus does: never twice the same key in a
    read of both."""
    client.upsert(parted, [{**simple_rows(vectors(1, 8))[0], "id": 10}], partition_name="p")
    assert keys_of(client.query(parted, filter="id == 10")) == [10]


def test_partition_keys(client, name):
    fields = [key_field(), ("city", DataType.VARCHAR, {"max_length": 20, "is_partition_key": True}), vector_field(4)]
    create(client, name, fields, num_partitions=8)
    assert client.describe_collection(name)["num_partitions"] == 8
    data = vectors(60, 4)
    insert(client, name, [{"id": i, "city": f"c{i % 6}", "vec": data[i]} for i in range(60)])
    for _ in range(2):
        assert keys_of(client.query(name, filter="city == 'c2'")) == list(range(2, 60, 6))
        hits = client.search(name, data=[data[0]], anns_field="vec", limit=60, filter="city in ['c1', 'c3']")[0]
        assert sorted(hit.id for hit in hits) == sorted([*range(1, 60, 6), *range(3, 60, 6)])
        client.flush(name)
    with pytest.raises(MilvusException):
        client.insert(name, [{"id": 99, "city": "c1", "vec": data[0]}], partition_name="_default_0")
    client.upsert(name, [{"id": 0, "city": "c5", "vec": data[0]}])
    assert 0 in keys_of(client.query(name, filter="city == 'c5'"))
    assert count(client, name) == 60
    client.delete(name, filter="city == 'c5'")
    assert count(client, name) == 49


CITY = ("city", DataType.VARCHAR, {"max_length": 20, "is_partition_key": True})


def test_partition_keys_over_shards(client, name):
    fields = [key_field(), ("num", DataType.INT64, {"is_partition_key": True}), vector_field(4)]
    create(client, name, fields, num_shards=3)
    assert client.describe_collection(name)["num_partitions"] == 16
    assert sorted(client.list_partitions(name)) == sorted(f"_default_{i}" for i in range(16))
    data = vectors(200, 4)
    insert(client, name, [{"id": i, "num": i % 20 - 10, "vec": data[i]} for i in range(200)])
    counts = [client.get_partition_stats(name, f"_default_{i}")["row_count"] for i in range(16)]
    assert sum(counts) == 200 and sum(n > 0 for n in counts) > 4 and all(n % 10 == 0 for n in counts)
    for text, chosen in [
        ("num == -3", lambda n: n == -3),
        ("num in [-3, 4, 99]", lambda n: n in (-3, 4)),
        ("num == 1 or num == 2", lambda n: n in (1, 2)),
        ("num == 1 or id < 40", None),
        ("not (num == 1)", lambda n: n != 1),
        ("num > 3", lambda n: n > 3),
        ("num in []", lambda n: False),
    ]:
        expected = [i for i in range(200) if (i < 40 or i % 20 == 11 if chosen is None else chosen(i % 20 - 10))]
        assert keys_of(client.query(name, filter=text)) == expected, text
        hits = client.search(name, data=[data[0]], anns_field="vec", limit=200, filter=text)[0]
        assert sorted(hit.id for hit in hits) == expected, text
    # An upsert moves a row to the partition of its new key, and a row is there once.
    client.upsert(name, [{"id": i, "num": 5, "vec": data[i]} for i in range(50)])
    assert count(client, name) == 200
    assert keys_of(client.query(name, filter="num == 5 and id < 50")) == list(range(50))
    client.upsert(name, [{"id": 7, "num": 6}], partial_update=True)
    assert keys_of(client.query(name, filter="num == 6 and id < 50")) == [7]
    assert client.delete(name, filter="num == 5 and id < 50")["delete_count"] == 49
    client.flush(name)
    assert count(client, name) == 151
    client.release_collection(name)
    client.load_collection(name)
    assert keys_of(client.query(name, filter="num == 6 and id < 50")) == [7]


def test_partitions_of_a_key_are_the_servers(client, name):
    create(client, name, [key_field(), CITY, vector_field(4)], num_partitions=4)
    row = {"id": 1, "city": "a", "vec": [0.0] * 4}
    part = "_default_1"
    for call in (
        lambda: client.insert(name, [row], partition_name=part),
        lambda: client.upsert(name, [row], partition_name=part),
        lambda: client.upsert(name, [row], partition_name=part, partial_update=True),
        lambda: client.delete(name, ids=[1], partition_name=part),
        lambda: client.query(name, filter="id > 0", partition_names=[part]),
        lambda: client.search(name, data=[[0.0] * 4], anns_field="vec", partition_names=[part]),
        lambda: client.create_partition(name, "p"),
        lambda: client.drop_partition(name, part),
        lambda: client.load_partitions(name, [part]),
        lambda: client.release_partitions(name, [part]),
    ):
        with pytest.raises(MilvusException, match="if partition key mode is used"):
            call()
    assert count(client, name) == 0


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ([CITY, ("other", DataType.INT64, {"is_partition_key": True})], {}, "(?i)partition key"),
        ([("city", DataType.DOUBLE, {"is_partition_key": True})], {}, "(?i)partition key"),
        ([("city", DataType.INT64, {"is_partition_key": True, "nullable": True})], {}, "null"),
        ([CITY], {"num_partitions": 1025}, "1025"),
        ([CITY], {"properties": {"partitionkey.isolation": True}}, "isolation"),
        ([], {"num_partitions": 3}, "(?i)partition key"),
    ],
    ids=["two", "double", "nullable", "too-many", "isolation", "no-key"],
)
def test_wrong_partition_keys_are_refused(client, name, fields, options, words):
    with pytest.raises(MilvusException, match=words):
        create(client, name, [key_field(), *fields, vector_field(4)], load=False, **options)
    assert not client.has_collection(name)


def test_many_partitions(client, name):
    simple(client, name, load=False)
    for i in range(100):
        client.create_partition(name, f"p{i}")
        client.insert(name, simple_rows(vectors(1, 8), first=i), partition_name=f"p{i}")
    client.load_collection(name)
    assert len(client.list_partitions(name)) == 101
    assert count(client, name) == 100
    assert count(client, name, partition_names=["p7", "p8"]) == 2
