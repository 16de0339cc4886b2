"""What Strong costs over Eventually on an idle server, and that a Strong search finds what was just acknowledged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from common import Figure, arguments, report, server, vectors
from harness.collections import create, key_field, vector_field
from pymilvus import MilvusClient

ROWS, DIM = 1000, 128


def median_ms(call: Callable[[str], object], repeats: int) -> dict[str, float]:
    """Both levels in turn, so that whatever drifts does so for both."""
    times: dict[str, list[float]] = {"Strong": [], "Eventually": []}
    for _ in range(repeats):
        for level, spent in times.items():
            began = time.perf_counter()
            call(level)
            spent.append((time.perf_counter() - began) * 1000)
    return {level: statistics.median(spent) for level, spent in times.items()}


def measure(runs: int = 5, repeats: int = 600) -> list[Figure]:
    with server() as running:
        client, other = (MilvusClient(uri=running.uri, dedicated=True) for _ in range(2))
        create(client, "c", [key_field(), vector_field(DIM)])
        data = vectors(ROWS, DIM)
        client.insert("c", [{"id": i, "vec": v} for i, v in enumerate(data)])
        query = [data[0]]
        calls = {
            "search": lambda level: client.search("c", data=query, limit=10, anns_field="vec", consistency_level=level),
            "count(*)": lambda level: client.query("c", output_fields=["count(*)"], consistency_level=level),
        }
        for call in calls.values():
            median_ms(call, 50)
        figures = []
        for name, call in calls.items():
            medians = [median_ms(call, repeats) for _ in range(runs)]
            figures.append(
                Figure(
                    f"{name}, idle: Strong over Eventually, medians",
                    "< 0.2 ms",
                    "ms",
                    [m["Strong"] - m["Eventually"] for m in medians],
                    {"medians_ms": medians},
                    digits=3,
                )
            )
        figures.append(freshness(client, other))
        client.close()
        other.close()
    return figures


def freshness(writer: MilvusClient, reader: MilvusClient, rows: int = 500) -> Figure:
    """Share of rows that the first Strong search of another connection finds."""
    found = 0
    for i, vector in enumerate(vectors(rows, DIM, part=1)):
        writer.insert("c", [{"id": 100_000 + i, "vec": vector}])
        hits = reader.search("c", data=[vector], limit=1, anns_field="vec", consistency_level="Strong")[0]
        found += hits[0].id == 100_000 + i
    return Figure("rows that the first Strong search after their insert finds", "100 %", "%", [100 * found / rows])


if __name__ == "__main__":
    options = arguments(__doc__, runs=5, repeats=600)
    report(measure(options.runs, options.repeats), options.json)
