"""Loading and releasing: states, progress, what may be read when."""

from __future__ import annotations

import pytest
from harness import wire
from harness.collections import count, create, create_index, insert, key_field, simple, simple_rows, vector_field
from harness.oracle import vectors
from harness.server import SLOWNESS, sanitized, wait_until
from pymilvus import MilvusException


def state(client, name, partition: str = "") -> str:
    return client.get_load_state(name, partition)["state"].name


def test_states(client, names):
    name = simple(client, names(), load=False)
    assert state(client, name) == "NotLoad"
    client.load_collection(name)
    assert state(client, name) == "Loaded"
    client.release_collection(name)
    assert state(client, name) == "NotLoad"
    assert state(client, names()) == "NotExist"


def test_reads_need_a_load_writes_do_not(client, name):
    simple(client, name, load=False)
    rows = simple_rows(vectors(10, 8))
    insert(client, name, rows)
    for read in (
        lambda: client.query(name, filter="id >= 0"),
        lambda: client.search(name, data=[rows[0]["vec"]], anns_field="vec"),
    ):
        with pytest.raises(MilvusException) as error:
            read()
        assert error.value.code == 101 and "not loaded" in error.value.message
    client.load_collection(name)
    assert count(client, name) == 10


def test_rows_written_while_released_are_there_after_loading(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(20, 8)))
    client.flush(name)
    client.release_collection(name)
    insert(client, name, simple_rows(vectors(20, 8), first=20))
    client.delete(name, ids=[0, 20])
    client.load_collection(name)
    assert count(client, name) == 38
    assert list(client.get(name, [0, 1, 20, 21], output_fields=["id"])) == [{"id": 1}, {"id": 21}]


def test_loading_twice_and_releasing_twice_are_fine(client, name):
    simple(client, name)
    client.load_collection(name)
    client.release_collection(name)
    client.release_collection(name)
    assert state(client, name) == "NotLoad"


def test_load_needs_an_index_on_every_vector_field(client, name):
    create(client, name, [key_field(), vector_field(4, "a"), vector_field(4, "b")], index=None)
    with pytest.raises(MilvusException) as error:
        client.load_collection(name)
    assert error.value.code == 700 and name in error.value.message
    create_index(client, name, "a", "FLAT", "L2")
    with pytest.raises(MilvusException) as error:
        client.load_collection(name)
    assert error.value.code == 700
    create_index(client, name, "b", "FLAT", "L2")
    client.load_collection(name)
    assert state(client, name) == "Loaded"


def test_progress_on_the_wire(server, client, name):
    simple(client, name, load=False)
    request = wire.pb.GetLoadingProgressRequest(collection_name=name)
    with wire.stub(server.address) as stub:
        refused = stub.GetLoadingProgress(request).status
        assert refused.code == 101 and "not loaded" in refused.reason
        stub.LoadCollection(wire.pb.LoadCollectionRequest(collection_name=name))
        wait_until(lambda: stub.GetLoadingProgress(request).progress == 100, "the load")
        assert stub.GetLoadingProgress(request).refresh_progress == 100


def test_refresh(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(5, 8)))
    client.refresh_load(name)
    assert count(client, name) == 5


def test_single_partitions(client, name):
    simple(client, name, load=False)
    for partition in ("p", "q"):
        client.create_partition(name, partition)
    insert(client, name, simple_rows(vectors(4, 8)), partition_name="p")
    insert(client, name, simple_rows(vectors(4, 8), first=4), partition_name="q")
    client.load_partitions(name, ["p"])
    assert state(client, name, "p") == "Loaded" and state(client, name, "q") == "NotLoad"
    assert sorted(row["id"] for row in client.query(name, filter="id >= 0")) == [0, 1, 2, 3]
    with pytest.raises(MilvusException) as error:
        client.query(name, filter="id >= 0", partition_names=["q"])
    assert "not loaded" in error.value.message
    client.load_partitions(name, ["q"])
    assert count(client, name) == 8
    client.release_partitions(name, ["p"])
    assert sorted(row["id"] for row in client.query(name, filter="id >= 0")) == [4, 5, 6, 7]


def test_dropping_a_loaded_collection(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(5, 8)))
    client.drop_collection(name)
    assert state(client, name) == "NotExist"


@pytest.mark.skipif(sanitized(), reason="a sanitizer's own memory counts as the server's")
def test_a_load_that_cannot_fit_is_refused_with_the_figures(private_server, connection):
    server = private_server(settings={"kite.memory.limit": 96 * 2**20})
    client = connection(server)
    create(
        client, "big", [key_field(), vector_field(768)], load=False, index="HNSW", params={"M": 16, "efConstruction": 8}
    )
    for part in range(20):
        rows = [{"id": part * 2000 + i, "vec": v} for i, v in enumerate(vectors(2000, 768, part))]
        insert(client, "big", rows)
        client.flush("big")
    with pytest.raises(MilvusException) as error:
        client.load_collection("big", timeout=60 * SLOWNESS)
    assert "memory" in error.value.message.lower() and any(c.isdigit() for c in error.value.message)
    assert state(client, "big") == "NotLoad"
