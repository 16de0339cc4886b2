"""Consistency: what was acknowledged is found at once, from every connection."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import pytest
from harness import wire
from harness.collections import count, insert, simple, simple_rows
from harness.oracle import vectors
from harness.server import SLOWNESS, wait_until
from pymilvus import MilvusException

LEVELS = ["Strong", "Bounded", "Session", "Eventually"]


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_of_the_collection_is_kept(client, name, level):
    simple(client, name, consistency=level, index=None)
    described = client.describe_collection(name)
    assert described["consistency_level_name"] == level


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_answers(client, name, level):
    simple(client, name, consistency=level)
    rows = simple_rows(vectors(10, 8))
    insert(client, name, rows)
    for options in ({}, {"consistency_level": level}):
        wait_until(lambda o=options: len(client.query(name, filter="id >= 0", **o)) == 10, "the rows", 10)
        hits = client.search(name, data=[rows[4]["vec"]], limit=1, anns_field="vec", **options)[0]
        assert hits[0].id == 4


def test_a_strong_read_finds_what_was_just_written_by_another_connection(client, connection, server, name):
    simple(client, name, consistency="Eventually")
    writer, reader = connection(server), connection(server)
    data = vectors(200, 8)
    for i, vector in enumerate(data):
        writer.insert(name, [{"id": i, "num": i, "text": "", "vec": vector}])
        hits = reader.search(name, data=[vector], limit=1, anns_field="vec", consistency_level="Strong")[0]
        assert [hit.id for hit in hits] == [i]
        assert count(reader, name) == i + 1
        if i % 50 == 49:
            writer.flush(name)


def test_strong_reads_follow_deletes_and_upserts(client, connection, server, name):
    simple(client, name, consistency="Bounded")
    writer, reader = connection(server), connection(server)
    data = vectors(60, 8)
    insert(writer, name, simple_rows(data))
    writer.flush(name)
    for i in range(60):
        if i % 2:
            writer.delete(name, ids=[i])
            assert reader.get(name, i, consistency_level="Strong") == []
        else:
            writer.upsert(name, [{"id": i, "num": -i, "text": "u", "vec": -data[i]}])
            row = reader.get(name, i, output_fields=["num", "vec"], consistency_level="Strong")[0]
            assert row["num"] == -i and np.asarray(row["vec"], np.float32).tobytes() == (-data[i]).tobytes()
            hits = reader.search(name, data=[-data[i]], limit=1, anns_field="vec", consistency_level="Strong")[0]
            assert hits[0].id == i


@pytest.mark.parametrize("level", ["Session", "Strong"])
def test_a_client_sees_its_own_writes(client, name, level):
    simple(client, name, consistency=level)
    data = vectors(50, 8)
    for i, vector in enumerate(data):
        client.insert(name, [{"id": i, "num": i, "text": "", "vec": vector}])
        assert client.search(name, data=[vector], limit=1, anns_field="vec")[0][0].id == i
        client.delete(name, ids=[i])
        assert client.query(name, filter=f"id == {i}") == []


def test_strong_reads_never_go_backwards_under_concurrent_writes(client, connection, server, name):
    """A counter that is written before it is announced: a reader never sees less than was announced."""
    simple(client, name)
    announced, stop, failures = [0], threading.Event(), []

    def write() -> None:
        own = connection(server)
        for i in range(1, 400):
            own.upsert(name, [{"id": 1, "num": i, "text": "", "vec": [float(i)] * 8}])
            announced[0] = i
        stop.set()

    def read() -> None:
        own = connection(server)
        while not stop.is_set():
            least = announced[0]
            rows = own.query(name, filter="id == 1", output_fields=["num"], consistency_level="Strong")
            if least and (len(rows) != 1 or rows[0]["num"] < least):
                failures.append((least, rows))

    threads = [threading.Thread(target=write), *(threading.Thread(target=read) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 * SLOWNESS)
    assert not failures and announced[0] == 399


def test_an_explicit_strong_with_a_guarantee_is_refused(server, client, name):
    simple(client, name)
    request = wire.pb.QueryRequest(
        collection_name=name,
        expr="id >= 0",
        guarantee_timestamp=123_456_789,
        consistency_level=wire.common.ConsistencyLevel.Strong,
    )
    with wire.stub(server.address) as stub:
        assert stub.Query(request).status.code != 0


def test_a_session_timestamp_far_in_the_future_does_not_hang(client, name):
    """A client with a wrong clock gets an answer or a refusal, and no one else is disturbed."""
    simple(client, name)
    insert(client, name, simple_rows(vectors(3, 8)))
    with contextlib.suppress(MilvusException):
        client.query(name, filter="id >= 0", guarantee_timestamp=2**62, consistency_level="Customized", timeout=5)
    assert count(client, name) == 3
