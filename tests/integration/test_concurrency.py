"""Many threads, mixed operations: nothing fails, nothing is lost, nothing is seen twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from harness.collections import (
    compact,
    count,
    create,
    insert,
    key_field,
    simple,
    simple_rows,
    vector_field,
    wait_indexed,
)
from harness.oracle import vectors
from harness.server import SLOWNESS
from pymilvus import DataType, MilvusException


def run_all(jobs: list[Callable[[], None]], seconds: float = 100) -> None:
    """Runs the jobs at once; the first failure is raised."""
    failures: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds * SLOWNESS)
        assert not thread.is_alive(), "a job does not end"
    if failures:
        raise failures[0]


def test_writers_readers_flushes_and_compactions(client, connection, server, name, seed):
    fields = [key_field(), ("owner", DataType.INT64, {}), ("version", DataType.INT64, {}), vector_field(16)]
    create(client, name, fields, index="HNSW", params={"M": 8, "efConstruction": 40})
    writers, keys_each, rounds = 4, 200, 12
    done = threading.Event()
    remaining = [writers]

    def write(owner: int) -> None:
        own, random = connection(server), np.random.default_rng([seed, owner])
        first = owner * keys_each
        for version in range(1, rounds + 1):
            rows = [
                {"id": first + i, "owner": owner, "version": version, "vec": v}
                for i, v in enumerate(random.standard_normal((keys_each, 16)).astype(np.float32))
            ]
            own.upsert(name, rows)
            if version < rounds:
                own.delete(name, ids=list(range(first, first + version)))
        remaining[0] -= 1
        if remaining[0] == 0:
            done.set()

    def read() -> None:
        own = connection(server)
        while not done.is_set():
            rows = own.query(name, filter="id >= 0", output_fields=["owner", "version"], consistency_level="Strong")
            keys = [row["id"] for row in rows]
            assert len(keys) == len(set(keys)), "a key came twice"
            assert all(row["owner"] == row["id"] // keys_each for row in rows)
            for owner in range(writers):  # an upsert is one record: no reader sees half of it
                versions = {row["version"] for row in rows if row["owner"] == owner}
                assert len(versions) <= 1, versions
            hits = own.search(name, data=[[0.0] * 16], limit=100, anns_field="vec", consistency_level="Strong")[0]
            assert len({hit.id for hit in hits}) == len(hits)

    def maintain() -> None:
        own = connection(server)
        while not done.is_set():
            own.flush(name)
            compact(own, name)

    run_all([*(lambda o=o: write(o) for o in range(writers)), read, read, maintain])
    assert count(client, name) == writers * keys_each
    rows = client.query(name, filter="id >= 0", output_fields=["version"])
    assert {row["version"] for row in rows} == {rounds}


def test_inserts_from_many_connections_all_arrive(client, connection, server, name):
    simple(client, name)
    data = vectors(100, 8)

    def write(owner: int) -> None:
        own = connection(server)
        for batch in range(10):
            own.insert(name, simple_rows(data, first=(owner * 10 + batch) * 100))

    run_all([lambda o=o: write(o) for o in range(10)])
    assert count(client, name) == 10_000
    assert len(client.query(name, filter="id >= 0", output_fields=["id"])) == 10_000


def test_auto_ids_never_collide(client, connection, server, name):
    create(client, name, [key_field(), vector_field(2)], auto_id=True)
    keys: list[int] = []

    def write() -> None:
        own = connection(server)
        for _ in range(20):
            keys.extend(own.insert(name, [{"vec": [0, 1]}] * 25)["ids"])

    run_all([write] * 8)
    assert len(keys) == len(set(keys)) == 4000 == count(client, name)


def test_collections_come_and_go_under_traffic(client, connection, server, names):
    """Reads and writes of a collection that is dropped meanwhile fail with a clear error or succeed, nothing else."""
    made = names()
    stop = threading.Event()

    def cycle() -> None:
        own = connection(server)
        for _ in range(15):
            simple(own, made)
            own.insert(made, simple_rows(vectors(20, 8)))
            own.drop_collection(made)
        stop.set()

    def disturb() -> None:
        own = connection(server)
        while not stop.is_set():
            for call in (
                lambda: own.insert(made, simple_rows(vectors(1, 8), first=99)),
                lambda: own.query(made, filter="id >= 0", output_fields=["id"]),
                lambda: own.search(made, data=[[0.0] * 8], limit=3),
                lambda: own.flush(made),
            ):
                try:
                    call()
                except MilvusException as error:
                    assert (
                        error.code in (100, 101, 109, 700, 1)
                        or "not found" in error.message
                        or "not loaded" in error.message
                    ), error

    run_all([cycle, disturb, disturb])
    assert not client.has_collection(made)


def test_one_of_many_creates_of_one_name_wins_and_the_rest_agree(client, connection, server, name):
    run_all([lambda: simple(connection(server), name) for _ in range(8)])
    insert(client, name, simple_rows(vectors(3, 8)))
    assert count(client, name) == 3
    assert client.list_collections().count(name) == 1


def test_load_and_release_under_searches(client, connection, server, name):
    simple(client, name, index="HNSW", params={"M": 8, "efConstruction": 40})
    data = vectors(2000, 8)
    insert(client, name, simple_rows(data))
    client.flush(name)
    wait_indexed(client, name, "vec", 2000)
    stop = threading.Event()

    def toggle() -> None:
        own = connection(server)
        for _ in range(25):
            own.release_collection(name)
            own.load_collection(name)
        stop.set()

    def search() -> None:
        own = connection(server)
        while not stop.is_set():
            try:
                hits = own.search(name, data=[data[5]], limit=3, anns_field="vec")[0]
                assert len(hits) == 3 and hits[0].id == 5
            except MilvusException as error:
                assert "not loaded" in error.message, error

    run_all([toggle, search, search, search])


def test_concurrent_searches_find_what_single_ones_find(client, connection, server, name):
    """Searches that wait for the same scan are answered together; nobody gets another's hits."""
    create(client, name, [key_field(), ("num", DataType.INT64, {}), vector_field(32)], index="FLAT")
    data = vectors(20_000, 32, 5)
    rows = [{"id": i, "num": i % 3, "vec": v} for i, v in enumerate(data)]
    insert(client, name, rows[:15_000])
    client.flush(name)
    wait_indexed(client, name, "vec", 15_000)
    insert(client, name, rows[15_000:])
    queries = vectors(120, 32, 6)
    kinds = [{"limit": 5}, {"limit": 20}, {"limit": 5, "filter": "num == 1"}]

    def search(one, query, kind) -> list[tuple[int, float]]:
        return [(h.id, h.distance) for h in one.search(name, data=[query], anns_field="vec", **kinds[kind])[0]]

    expected = [search(client, query, i % 3) for i, query in enumerate(queries)]

    def reader(first: int) -> None:
        own = connection(server)
        for i in range(len(queries)):
            at = (first + i) % len(queries)
            assert search(own, queries[at], at % 3) == expected[at]

    run_all([lambda first=first: reader(15 * first) for first in range(8)])
