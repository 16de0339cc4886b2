"""CPU of the server per search, on a collection so small that the engine has next to nothing to do."""

from __future__ import annotations

from common import Figure, arguments, report, server, vectors
from harness.collections import create, key_field, vector_field, wait_indexed
from pymilvus import MilvusClient

ROWS, DIM, LIMIT = 100, 128, 10


def measure(runs: int = 5, searches: int = 5000) -> list[Figure]:
    with server() as running:
        client = MilvusClient(uri=running.uri, dedicated=True)
        create(
            client,
            "c",
            [key_field(), vector_field(DIM)],
            index="HNSW",
            params={"M": 16, "efConstruction": 100},
            consistency="Bounded",
        )
        data = vectors(ROWS, DIM)
        client.insert("c", [{"id": i, "vec": v} for i, v in enumerate(data)])
        client.flush("c")
        wait_indexed(client, "c", "vec", ROWS)
        results = []
        for _ in range(runs):
            before = running.cpu_seconds()
            for i in range(searches):
                client.search("c", data=[data[i % ROWS]], limit=LIMIT, anns_field="vec")
            results.append((running.cpu_seconds() - before) / searches * 1000)
        client.close()
    return [Figure("server CPU per search outside the engine", "< 0.25 ms", "ms", results, digits=3)]


if __name__ == "__main__":
    options = arguments(__doc__, runs=5, searches=5000)
    report(measure(options.runs, options.searches), options.json)
