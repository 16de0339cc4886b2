"""Searches per second of concurrent clients on a FLAT collection, and the median time of one alone.

Each client is a thread with a channel of its own and one search under way. KITE_BIN names the server; with --against
OTHER the two take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import common
from common import Figure, report, server, vectors
from harness import wire
from harness.collections import create, key_field, vector_field, wait_indexed
from harness.server import Server, kite_binary
from pymilvus import MilvusClient

ROWS, DIM, LIMIT = 100_000, 128, 10


def fill(running: Server) -> None:
    client = MilvusClient(uri=running.uri, dedicated=True)
    create(client, "c", [key_field(), vector_field(DIM)], index="FLAT", consistency="Bounded")
    with wire.stub(running.address) as stub:
        for begin in range(0, ROWS, 10_000):
            common.fast_insert(stub, "c", list(range(begin, begin + 10_000)), vectors(10_000, DIM, begin))
    client.flush("c")
    wait_indexed(client, "c", "vec", ROWS)
    client.close()


def search(uri: str, number: int, start: threading.Barrier, seconds: float) -> list[float]:
    client = MilvusClient(uri=uri, dedicated=True)
    queries = vectors(100, DIM, 1_000_000 + number)
    client.search("c", data=[queries[0]], limit=LIMIT, anns_field="vec")
    start.wait()
    taken = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        client.search("c", data=[queries[len(taken) % 100]], limit=LIMIT, anns_field="vec")
        taken.append(time.perf_counter() - begin)
    client.close()
    return taken


def run(running: Server, clients: int, seconds: float) -> tuple[float, float, float]:
    """Searches per second over all clients, the median time of one in ms, the server's CPU for one in ms."""
    start = threading.Barrier(clients)
    before = running.cpu_seconds()
    with ThreadPoolExecutor(clients) as pool:
        results = pool.map(lambda i: search(running.uri, i, start, seconds), range(clients))
        taken = [t for one in results for t in one]
    cpu = (running.cpu_seconds() - before) / (len(taken) + clients)
    return len(taken) / seconds, statistics.median(taken) * 1000, cpu * 1000


def measure(clients: int = 16, seconds: float = 5.0, rounds: int = 3, binaries: tuple[str, ...] = ("",)) -> list[Figure]:
    """Of each server in turn, a round at a time."""
    with contextlib.ExitStack() as stack:
        servers = []
        for binary in binaries:
            if binary:
                os.environ["KITE_BIN"] = binary
            servers.append(stack.enter_context(server()))
            fill(servers[-1])
        figures = []
        for running, binary in zip(servers, binaries, strict=True):
            name = f" ({binary})" if binary else ""
            figures.append(Figure(f"searches per second of {clients} clients{name}", "", "", [], digits=0))
            figures.append(Figure(f"server CPU for one of them{name}", "", "ms", [], digits=2))
            figures.append(Figure(f"median of a client alone{name}", "", "ms", [], digits=2))
        for _ in range(rounds):
            for i, running in enumerate(servers):
                together, _, cpu = run(running, clients, seconds)
                _, alone, _ = run(running, 1, seconds)
                for figure, value in zip(figures[3 * i :], (together, cpu, alone), strict=False):
                    figure.runs.append(value)
        return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", default="", help="another server, measured in turn")
    options = parser.parse_args()
    chosen = (str(kite_binary()), options.against) if options.against else ("",)
    report(measure(options.clients, options.seconds, options.rounds, chosen), None)
