"""Restart after kill -9 with 1 M x 128 rows under HNSW: from the start of the process to the first correct search.

With the objects on S3 (KITE_STORES=etcd+kafka+s3) also without the local cache, so that everything is fetched again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable

import numpy as np
from common import Figure, Server, arguments, fast_insert, progress, report, server, vectors, wire
from harness.collections import create, key_field, vector_field, wait_indexed
from pymilvus import MilvusClient, MilvusException

DIM, BATCH = 128, 10_000
SEARCH = {"params": {"ef": 128}}
# Vectors and index have room in the local cache of objects on S3.
SETTINGS = {"kite.cache.maxBytes": 8 << 30}


def fill(running: Server, parts: Iterable[np.ndarray], params: dict) -> None:
    """Collection c with an HNSW index over all rows of the parts, numbered from 0."""
    client = MilvusClient(uri=running.uri, dedicated=True)
    create(client, "c", [key_field(), vector_field(DIM)], index="HNSW", params=params)
    rows = 0
    with wire.stub(running.address) as stub:
        for part in parts:
            fast_insert(stub, "c", list(range(rows, rows + len(part))), part)
            rows += len(part)
    client.flush("c")
    progress(f"{rows} rows inserted and flushed; waiting for the index")
    began = time.monotonic()
    while (description := client.describe_index("c", "vec"))["pending_index_rows"] or description[
        "state"
    ] != "Finished":
        assert time.monotonic() - began < 7200, "the index does not finish"
        time.sleep(1)
    wait_indexed(client, "c", "vec", rows)
    progress(f"indexed after {time.monotonic() - began:.0f} s")
    client.close()


def found_row(running: Server, rows: int) -> tuple[int, np.ndarray]:
    """A stored row of the last batch, and its vector, that a search finds: among vectors that spread evenly in all
    directions half of them lie where a graph does not lead."""
    client = MilvusClient(uri=running.uri, dedicated=True)
    last = vectors(BATCH, DIM, rows // BATCH - 1)
    place = next(i for i in range(BATCH) if right(client, last[i], rows - BATCH + i))
    client.close()
    return rows - BATCH + place, last[place]


def one_restart(running: Server, key: int, vector: np.ndarray, cold: bool = False) -> float:
    """Seconds. Any answer that is not the stored row itself does not count."""
    running.kill()
    if cold:
        shutil.rmtree(running.data / "cache")
    began = time.perf_counter()
    running.start(seconds=120)
    client = MilvusClient(uri=running.uri, dedicated=True)
    while not right(client, vector, key):
        assert time.perf_counter() - began < 300, "no correct search in five minutes"
    elapsed = time.perf_counter() - began
    client.close()
    return elapsed


def right(client: MilvusClient, query, key: int) -> bool:
    try:
        hits = client.search("c", data=[query], limit=1, anns_field="vec", search_params=SEARCH)[0]
    except MilvusException:
        return False
    return len(hits) == 1 and hits[0].id == key


def measure(runs: int = 5, rows: int = 1_000_000) -> list[Figure]:
    with server(settings=SETTINGS) as running:
        parts = (vectors(BATCH, DIM, part) for part in range(rows // BATCH))
        fill(running, parts, {"M": 16, "efConstruction": 100})
        row = found_row(running, rows)
        results = [one_restart(running, *row) for _ in range(runs)]
        resident = running.resident_bytes()
        remote = (running.data / "cache").is_dir()
        cold = [one_restart(running, *row, cold=True) for _ in range(runs)] if remote else []
    what = f"restart after kill -9 with {rows:,} x 128 HNSW rows, to the first correct search"
    figures = [Figure(what, "< 2 s", "s", results, {"resident_mb": resident / 2**20}, digits=2)]
    if cold:
        figures.append(Figure(f"{what}, objects on S3, cold cache", "< 15 s", "s", cold, digits=2))
    return figures


if __name__ == "__main__":
    options = arguments(__doc__, runs=5, rows=1_000_000)
    report(measure(options.runs, options.rows), options.json)
