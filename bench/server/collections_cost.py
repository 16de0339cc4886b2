"""A thousand collections, each indexed, loaded and holding ten rows: start, and memory each."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from common import Figure, Server, arguments, progress, report, server, vectors
from harness.collections import create, key_field, vector_field
from pymilvus import MilvusClient

DIM = 128


def fill(running: Server, collections: int) -> None:
    client = MilvusClient(uri=running.uri, dedicated=True)
    rows = [{"id": i, "vec": v} for i, v in enumerate(vectors(10, DIM))]

    def make(number: int) -> None:
        create(
            client,
            f"c{number}",
            [key_field(), vector_field(DIM)],
            index="HNSW",
            params={"M": 16, "efConstruction": 100},
        )
        client.insert(f"c{number}", rows)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(collections)))
    client.flush_all()
    client.close()


def one_start(running: Server, collections: int) -> float:
    """Seconds until the list of collections and a search in the last one are answered."""
    running.kill()
    began = time.perf_counter()
    running.start(seconds=120)
    client = MilvusClient(uri=running.uri, dedicated=True)
    assert len(client.list_collections()) == collections
    hits = client.search(f"c{collections - 1}", data=[vectors(10, DIM)[3]], limit=1, anns_field="vec")[0]
    assert hits[0].id == 3
    elapsed = time.perf_counter() - began
    client.close()
    return elapsed


def measure(runs: int = 5, collections: int = 1000) -> list[Figure]:
    with server() as running:
        running.restart()
        empty = running.resident_bytes()
        fill(running, collections)
        live = running.resident_bytes()
        progress(f"{collections} collections are there")
        starts, each = [], []
        for _ in range(runs):
            starts.append(one_start(running, collections))
            each.append((running.resident_bytes() - empty) / collections / 1024)
    details = {"kb_each_before_the_restart": (live - empty) / collections / 1024}
    return [
        Figure(
            f"{collections:,} loaded collections: start to the first list and search", "< 2 s", "s", starts, digits=2
        ),
        Figure(f"{collections:,} loaded collections: memory each", "< 100 KB", "KB", each, details),
    ]


if __name__ == "__main__":
    options = arguments(__doc__, runs=5, collections=1000)
    report(measure(options.runs, options.collections), options.json)
