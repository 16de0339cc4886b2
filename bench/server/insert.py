"""Insert and flush of 768-dimensional rows in batches of 1 000: CPU of the server per GB of vectors."""

from __future__ import annotations

import time

from common import Figure, arguments, fast_insert, progress, report, server, vectors, wire
from harness.collections import create, key_field, vector_field
from pymilvus import MilvusClient

DIM, BATCH = 768, 1000


def one_run(batches: int) -> tuple[float, float]:
    """CPU seconds per GB, and MB of vectors per second of the clock (client included)."""
    with server() as running, wire.stub(running.address) as stub:
        client = MilvusClient(uri=running.uri, dedicated=True)
        create(client, "c", [key_field(), vector_field(DIM)], index=None)
        data = vectors(BATCH, DIM)
        before, began = running.cpu_seconds(), time.perf_counter()
        for number in range(batches):
            fast_insert(stub, "c", list(range(number * BATCH, (number + 1) * BATCH)), data)
        client.flush("c")
        cpu, elapsed = running.cpu_seconds() - before, time.perf_counter() - began
        assert client.get_collection_stats("c")["row_count"] == batches * BATCH
        client.close()
    gigabytes = batches * BATCH * DIM * 4 / 1e9
    return cpu / gigabytes, gigabytes * 1000 / elapsed


def measure(runs: int = 3, batches: int = 330) -> list[Figure]:
    results = []
    for number in range(runs):
        results.append(one_run(batches))
        progress(f"run {number + 1}: {results[-1][0]:.2f} s per GB, {results[-1][1]:.0f} MB/s")
    return [
        Figure(
            "insert and flush, 768-d, batches of 1 000: server CPU",
            "< 4 s per GB",
            "s per GB",
            [cpu for cpu, _ in results],
            {"mb_per_s": [rate for _, rate in results], "batches": batches},
            digits=2,
        )
    ]


if __name__ == "__main__":
    options = arguments(__doc__, runs=3, batches=330)
    report(measure(options.runs, options.batches), options.json)
