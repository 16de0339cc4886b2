"""Insert and flush of 768-dimensional rows in batches of 1 000: CPU of the server per GB of vectors.

A merge of the flushed segments may follow; what it costs is a figure of its own.
"""

from __future__ import annotations

import time

from common import Figure, Server, arguments, fast_insert, progress, report, server, vectors, wire
from harness.collections import create, key_field, vector_field
from pymilvus import MilvusClient

DIM, BATCH = 768, 1000


def settled_cpu(running: Server) -> float:
    """CPU seconds once nothing works in the background any more."""
    cpu = running.cpu_seconds()
    for _ in range(120):
        time.sleep(1)
        before, cpu = cpu, running.cpu_seconds()
        if cpu - before < 0.01:
            return cpu
    raise TimeoutError("the server does not come to rest")


def one_run(batches: int) -> tuple[float, float, float]:
    """CPU seconds per GB until the flush has ended and after it, and MB of vectors per second (client included)."""
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
        after = settled_cpu(running) - before - cpu
        client.close()
    gigabytes = batches * BATCH * DIM * 4 / 1e9
    return cpu / gigabytes, after / gigabytes, gigabytes * 1000 / elapsed


def measure(runs: int = 3, batches: int = 330) -> list[Figure]:
    results = []
    for number in range(runs):
        results.append(one_run(batches))
        cpu, after, rate = results[-1]
        progress(f"run {number + 1}: {cpu:.2f} s per GB, {after:.2f} s per GB afterwards, {rate:.0f} MB/s")
    cpu, after, rate = (list(column) for column in zip(*results, strict=True))
    details = {"mb_per_s": rate, "batches": batches}
    name = "insert and flush, 768-d, batches of 1 000: server CPU"
    return [
        Figure(name, "< 4 s per GB", "s per GB", cpu, details, digits=2),
        Figure("the merge of its segments that follows: server CPU", "—", "s per GB", after, digits=2),
    ]


if __name__ == "__main__":
    options = arguments(__doc__, runs=3, batches=330)
    report(measure(options.runs, options.batches), options.json)
