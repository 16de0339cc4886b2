"""An idle server with ten loaded collections: resident memory besides the data, and CPU.

With KITE_STORES=etcd+kafka+s3 also how many requests each store gets in a minute, by kind. Each collection has rows that
were not flushed, so ten streams of the log have a writer.
"""

from __future__ import annotations

import time

from common import Figure, arguments, progress, report, server, vectors
from harness.collections import create, key_field, vector_field, wait_indexed
from harness.stores import chosen, stores
from pymilvus import MilvusClient

COLLECTIONS, ROWS, DIM = 10, 2000, 128
# What the start and the writes have opened is closed by then, and Kafka's clients have nothing left to learn.
SETTLE_SECONDS = 90.0 if chosen() else 2.0


def per_minute(before: dict[str, int], after: dict[str, int], seconds: float) -> list[Figure]:
    """A figure for each store, with the kinds of its requests."""
    figures = []
    for store in chosen():
        kinds = {
            kind.split(" ", 1)[1]: round((count - before.get(kind, 0)) / seconds * 60, 2)
            for kind, count in after.items()
            if kind.startswith(f"{store} ") and count > before.get(kind, 0)
        }
        progress(f"{store}, a minute: {kinds}")
        figures.append(Figure(f"idle, requests to {store}", "stated", "a minute", [sum(kinds.values())], kinds))
    return figures


def measure(seconds: float = 300, settle: float = SETTLE_SECONDS) -> list[Figure]:
    stores(log_requests=True)
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
            if chosen():
                client.insert(name, [{"id": ROWS, "vec": [0.0] * DIM}])
        client.close()
        time.sleep(settle)  # what the load has started comes to its end
        progress(f"idle for {seconds:.0f} s")
        asked = stores().requests()
        before, began = running.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        share = (running.cpu_seconds() - before) / elapsed
        requests = per_minute(asked, stores().requests(), elapsed)
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
        Figure(
            "idle, 10 loaded collections: CPU",
            "< 0.5 %" if chosen() else "< 0.1 %",
            "% of a core",
            [share * 100],
            details,
            digits=3,
        ),
        *requests,
    ]


if __name__ == "__main__":
    options = arguments(__doc__, seconds=300.0, settle=SETTLE_SECONDS)
    report(measure(options.seconds, options.settle), options.json)
