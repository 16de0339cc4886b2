"""Start: from the start of the process to the first answered pymilvus call.

On an empty directory, and after kill -9 with sixteen collections, so that all sixteen streams of the log are read again.
With KITE_STORES=etcd+kafka+s3 on servers (harness/stores.py).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from common import Figure, Server, arguments, report, server, vectors
from harness.collections import create, key_field, vector_field
from harness.stores import chosen
from pymilvus import MilvusClient

COLLECTIONS, ROWS, DIM = 16, 1000, 128


def first_answer(starting: Server, collections: int) -> float:
    """Milliseconds. The client waits for the address file, then connects and lists collections."""
    began = time.perf_counter()
    starting.spawn()
    starting.wait_ready()
    client = MilvusClient(uri=starting.uri, dedicated=True)
    assert len(client.list_collections()) == collections
    elapsed = time.perf_counter() - began
    client.close()
    return elapsed * 1000


def one_start() -> float:
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as folder:
        starting = Server(Path(folder) / "data")
        elapsed = first_answer(starting, 0)
        starting.kill()
    return elapsed


def starts_after_kill(runs: int) -> list[float]:
    """Nothing was flushed: each start reads all rows from the log."""
    with server() as running:
        client = MilvusClient(uri=running.uri, dedicated=True)
        for number in range(COLLECTIONS):
            name = create(client, f"written{number}", [key_field(), vector_field(DIM)])
            client.insert(name, [{"id": i, "vec": v} for i, v in enumerate(vectors(ROWS, DIM, number))])
        client.close()
        results = []
        for _ in range(runs):
            running.kill()
            results.append(first_answer(running, COLLECTIONS))
        client = MilvusClient(uri=running.uri, dedicated=True)
        for number in range(COLLECTIONS):
            assert client.query(f"written{number}", output_fields=["count(*)"])[0]["count(*)"] == ROWS
        client.close()
    return results


def measure(runs: int = 11) -> list[Figure]:
    one_start()  # the binary comes into the page cache
    target = "< 1000 ms" if chosen() else "< 200 ms"
    return [
        Figure("start, empty, to the first answered pymilvus call", target, "ms", [one_start() for _ in range(runs)]),
        Figure(f"start after kill -9, {COLLECTIONS} written collections", target, "ms", starts_after_kill(runs)),
    ]


if __name__ == "__main__":
    options = arguments(__doc__, runs=11)
    report(measure(options.runs), options.json)
