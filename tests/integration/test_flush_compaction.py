"""Flush and compaction: exact counts throughout, and disk that is given back."""

from __future__ import annotations

import numpy as np
import pytest
from harness import wire
from harness.collections import (
    compact,
    count,
    create,
    insert,
    key_field,
    search_keys,
    simple,
    simple_rows,
    vector_field,
    wait_indexed,
)
from harness.oracle import top_keys, vectors
from harness.server import disk_bytes, wait_until
from pymilvus import DataType

DIM = 128


def test_flush_on_the_wire(server, client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(10, 8)))
    with wire.stub(server.address) as stub:
        reply = stub.Flush(wire.pb.FlushRequest(collection_names=[name]))
        assert reply.status.code == 0
        segments, stamp = list(reply.coll_segIDs[name].data), reply.coll_flush_ts[name]
        assert segments and stamp > 0
        request = wire.pb.GetFlushStateRequest(segmentIDs=segments, collection_name=name, flush_ts=stamp)
        wait_until(lambda: stub.GetFlushState(request).flushed, "the flush")
        info = stub.GetPersistentSegmentInfo(wire.pb.GetPersistentSegmentInfoRequest(collectionName=name))
    assert sum(one.num_rows for one in info.infos) == 10


def test_flushing_nothing_and_flushing_often(client, name):
    """No rate limit, no harm: 100 flushes of a few rows each."""
    simple(client, name)
    client.flush(name)
    client.flush(name)
    for i in range(100):
        client.insert(name, simple_rows(vectors(3, 8, i), first=i * 3))
        client.flush(name)
    assert count(client, name) == client.get_collection_stats(name)["row_count"] == 300
    assert search_keys(client, name, vectors(3, 8, 50)[[1]], limit=1) == [[151]]


def test_flush_all(client, names):
    made = [simple(client, names()) for _ in range(3)]
    for one in made:
        insert(client, one, simple_rows(vectors(5, 8)))
    client.flush_all()
    assert [client.get_collection_stats(one)["row_count"] for one in made] == [5, 5, 5]


@pytest.mark.parametrize("index", ["FLAT", "HNSW"])
def test_counts_and_answers_stay_exact_through_flushes_and_compactions(client, name, seed, index):
    """A model in numpy goes through the same writes."""
    params = {"M": 8, "efConstruction": 40} if index == "HNSW" else {}
    simple(client, name, dim=16, index=index, params=params)
    random = np.random.default_rng(seed)
    model: dict[int, np.ndarray] = {}
    for step in range(12):
        keys = random.choice(2000, 150, replace=False)
        data = random.standard_normal((150, 16)).astype(np.float32)
        client.upsert(
            name, [{"id": int(k), "num": step, "text": "", "vec": v} for k, v in zip(keys, data, strict=True)]
        )
        model.update(zip(keys.tolist(), data, strict=True))
        gone = random.choice(2000, 60, replace=False).tolist()
        client.delete(name, ids=gone)
        for key in gone:
            model.pop(key, None)
        if step % 2:
            client.flush(name)
        if step % 4 == 3:
            compact(client, name)
        assert count(client, name) == client.get_collection_stats(name)["row_count"] == len(model)
        chosen = np.array(sorted(model))
        base = np.array([model[int(k)] for k in chosen])
        found = search_keys(client, name, base[:3], limit=5, search_params={"params": {"ef": 300}})
        assert found == [top_keys("L2", base, chosen, query, 5) for query in base[:3]]
    rows = client.query(name, filter="id >= 0", output_fields=["vec"])
    assert {row["id"]: np.asarray(row["vec"], np.float32).tobytes() for row in rows} == {
        key: vector.tobytes() for key, vector in model.items()
    }


def test_compaction_merges_small_segments_and_forgets_deleted_rows(server, client, name):
    simple(client, name, dim=DIM)
    for part in range(8):
        insert(client, name, simple_rows(vectors(200, DIM, part), first=part * 200))
        client.flush(name)
    client.delete(name, filter="id % 2 == 0")
    client.flush(name)
    compact(client, name)

    def segments() -> list:
        with wire.stub(server.address) as stub:
            return list(
                stub.GetPersistentSegmentInfo(wire.pb.GetPersistentSegmentInfoRequest(collectionName=name)).infos
            )

    wait_until(lambda: len(segments()) <= 2 and sum(one.num_rows for one in segments()) == 800, "merged segments")
    assert count(client, name) == 800
    assert search_keys(client, name, vectors(200, DIM, 3)[[1]], limit=1) == [[601]]


def test_compaction_state_on_the_wire(server, client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(10, 8)))
    client.flush(name)
    job = client.compact(name)
    wait_until(lambda: client.get_compaction_state(job) == "Completed", "the compaction")
    client.get_compaction_plans(job)


@pytest.mark.embedded("log", "objects")
def test_the_disk_is_given_back_after_a_drop(private_server, connection):
    server = private_server()
    client = connection(server)
    simple(client, "kept")
    empty = disk_bytes(server.data)
    fill(client, "big")
    full = disk_bytes(server.data)
    assert full - empty > 10_000 * DIM * 4
    client.drop_collection("big")
    wait_until(lambda: disk_bytes(server.data) - empty < (full - empty) * 0.1, "the disk of the dropped rows", 60)
    assert count(client, "kept") == 0


@pytest.mark.embedded("log", "objects")
def test_the_log_of_dropped_rows_is_given_back_beside_others(private_server, connection):
    """Rows of collections that share a stream of the log must not hold it."""
    server = private_server()
    client = connection(server)
    for i in range(16):  # as many as there are streams
        simple(client, f"kept{i}", load=False)
        insert(client, f"kept{i}", simple_rows(vectors(1, 8)))
    create(client, "big", [key_field(), vector_field(DIM)], index="FLAT")
    before = disk_bytes(server.data)
    for part in range(3):
        insert(client, "big", [{"id": part * 2000 + i, "vec": v} for i, v in enumerate(vectors(2000, DIM, part))])
    full = disk_bytes(server.data)
    assert full - before > 6000 * DIM * 4
    client.drop_collection("big")
    wait_until(lambda: disk_bytes(server.data) - before < (full - before) * 0.1, "the log of the dropped rows", 60)
    server.crash()
    client = connection(server)
    for i in range(16):
        assert client.get_collection_stats(f"kept{i}")["row_count"] == 1


def fill(client, name) -> None:
    create(client, name, [key_field(), vector_field(DIM)], index="FLAT")
    for part in range(5):
        insert(client, name, [{"id": part * 2000 + i, "vec": v} for i, v in enumerate(vectors(2000, DIM, part))])
        client.flush(name)


def test_the_disk_is_given_back_after_deletes_and_a_compaction(private_server, connection):
    server = private_server(settings={"common.retentionDuration": 0})
    client = connection(server)
    fill(client, "big")
    full = disk_bytes(server.data)
    client.delete("big", filter="id >= 1000")
    client.flush("big")
    compact(client, "big")
    wait_until(lambda: disk_bytes(server.data) < full * 0.5, "the disk of the deleted rows", 60)
    assert count(client, "big") == 1000
    server.crash()
    assert count(connection(server), "big") == 1000


def test_the_log_is_cut_after_flushes(private_server, connection):
    """It must not keep what the segments hold."""
    server = private_server()
    client = connection(server)
    create(client, "c", [key_field(), vector_field(DIM)])
    for part in range(30):
        insert(client, "c", [{"id": i, "vec": v} for i, v in enumerate(vectors(2000, DIM, part))])
        client.upsert("c", [{"id": i, "vec": v} for i, v in enumerate(vectors(100, DIM, 99))])
        client.flush("c")
    payload = 30 * 2100 * DIM * 4
    wait_until(lambda: disk_bytes(server.data / "log") < payload * 0.6, "the log to be cut", 60)
    # Inserts do not look for their keys; the last upsert left one row of each key that it named.
    assert count(client, "c") == 30 * 1900 + 100


def test_an_index_survives_compaction(client, name, seed):
    create(
        client,
        name,
        [key_field(), ("num", DataType.INT64, {}), vector_field(16)],
        index="HNSW",
        params={"M": 8, "efConstruction": 64},
    )
    data = vectors(3000, 16, seed)
    for part in range(3):
        insert(client, name, [{"id": i, "num": i, "vec": data[i]} for i in range(part * 1000, part * 1000 + 1000)])
        client.flush(name)
    client.delete(name, filter="id % 5 == 0")
    client.flush(name)
    compact(client, name)
    wait_indexed(client, name, "vec")
    chosen = np.array([i for i in range(3000) if i % 5])
    found = search_keys(client, name, data[chosen[:20]], limit=1, search_params={"params": {"ef": 100}})
    assert found == [[int(k)] for k in chosen[:20]]
