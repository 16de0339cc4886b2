"""Hundreds of collections cost little, before and after a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from harness.collections import count, create, insert, key_field, vector_field
from harness.oracle import vectors
from harness.server import sanitized

COLLECTIONS = 300


def test_hundreds_of_collections(private_server, connection):
    server = private_server()
    client = connection(server)
    create(client, "first", [key_field(), vector_field(8)])
    before = server.resident_bytes()
    data = vectors(5, 8)

    def make(number: int) -> None:
        create(client, f"c{number}", [key_field(), vector_field(8)])
        insert(client, f"c{number}", [{"id": i, "vec": v} for i, v in enumerate(data)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(COLLECTIONS)))
    assert len(client.list_collections()) == COLLECTIONS + 1
    each = (server.resident_bytes() - before) / COLLECTIONS
    assert sanitized() or each < 200_000, f"{each:.0f} bytes a collection"
    server.crash()
    client = connection(server)
    assert len(client.list_collections()) == COLLECTIONS + 1
    for number in range(0, COLLECTIONS, 20):
        assert count(client, f"c{number}") == 5
        assert client.search(f"c{number}", data=[data[3]], limit=1)[0][0].id == 3
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.drop_collection(f"c{number}"), range(COLLECTIONS)))
    assert client.list_collections() == ["first"]
