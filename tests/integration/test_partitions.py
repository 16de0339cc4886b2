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


def test_many_partitions(client, name):
    simple(client, name, load=False)
    for i in range(100):
        client.create_partition(name, f"p{i}")
        client.insert(name, simple_rows(vectors(1, 8), first=i), partition_name=f"p{i}")
    client.load_collection(name)
    assert len(client.list_partitions(name)) == 101
    assert count(client, name) == 100
    assert count(client, name, partition_names=["p7", "p8"]) == 2
