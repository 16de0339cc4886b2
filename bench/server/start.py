"""Start on an empty directory: from the start of the process to the first answered pymilvus call."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from common import Figure, Server, arguments, report
from pymilvus import MilvusClient


def one_start() -> float:
    """Milliseconds. The client waits for the address file, then connects and lists collections."""
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as folder:
        server = Server(Path(folder) / "data")
        began = time.perf_counter()
        server.spawn()
        server.wait_ready()
        client = MilvusClient(uri=server.uri, dedicated=True)
        assert client.list_collections() == []
        elapsed = time.perf_counter() - began
        client.close()
        server.kill()
    return elapsed * 1000


def measure(runs: int = 11) -> list[Figure]:
    one_start()  # the binary comes into the page cache
    return [
        Figure(
            "start, empty, to the first answered pymilvus call", "< 200 ms", "ms", [one_start() for _ in range(runs)]
        )
    ]


if __name__ == "__main__":
    options = arguments(__doc__, runs=11)
    report(measure(options.runs), options.json)
