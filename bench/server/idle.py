"""An idle server with ten loaded collections: resident memory besides the data, and CPU."""

from __future__ import annotations

import time

from common import Figure, arguments, progress, report, server, vectors
from harness.collections import create, key_field, vector_field, wait_indexed
from pymilvus import MilvusClient

COLLECTIONS, ROWS, DIM = 10, 2000, 128


def measure(seconds: float = 300) -> list[Figure]:
    with server() as running:
        client = MilvusClient(uri=running.uri, dedicated=True)
        for number in range(COLLECTIONS):
            name = create(
                client,
                f"idle{number}",
                [key_field(), vector_field(DIM)],
                index="HNSW",
                params={"M": 16, "efConstruction": 100},
            )
            client.insert(name, [{"id": i, "vec": v} for i, v in enumerate(vectors(ROWS, DIM, number))])
            client.flush(name)
            wait_indexed(client, name, "vec", ROWS)
            client.search(name, data=[[0.0] * DIM], limit=1, anns_field="vec")
        client.close()
        time.sleep(2)  # what the load has started comes to its end
        progress(f"idle for {seconds:.0f} s")
        before, began = running.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        share = (running.cpu_seconds() - before) / (time.monotonic() - began)
        resident = running.resident_bytes()
    data = COLLECTIONS * ROWS * DIM * 4
    details = {"resident_mb": resident / 2**20, "data_mb": data / 2**20, "seconds": seconds}
    return [
        Figure(
            "idle, 10 loaded collections: resident besides the vectors",
            "< 60 MB",
            "MB",
            [(resident - data) / 2**20],
            details,
        ),
        Figure("idle, 10 loaded collections: CPU", "< 0.1 %", "% of a core", [share * 100], details, digits=3),
    ]


if __name__ == "__main__":
    options = arguments(__doc__, seconds=300.0)
    report(measure(options.seconds), options.json)
