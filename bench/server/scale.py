"""A million rows of 128 dimensions under HNSW, searched through the server and by the engine alone.

Recall of both, and the server's CPU per search less the engine's. The data is `synth128-1m` of bench/data/make.py; the
engine's index is the one that bench/peers/run has made, or is made now.

    scale.py [--json OUT] [--queries 1000] [--rows 1000000]      fewer rows: a look at the script, recall is then low
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from common import REPOSITORY, Figure, Server, arguments, kite_binary, progress, report, server
from pymilvus import MilvusClient
from restart import BATCH, SETTINGS, fill

sys.path.insert(0, str(REPOSITORY / "bench" / "peers"))

from formats import read_ids, read_vectors, recall  # noqa: E402

CACHE = Path(os.environ.get("KITE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kite")
SET = "synth128-1m"
DATA = CACHE / "bench-data" / SET
INDEX = CACHE / "bench-peers" / "index" / SET / "kite-hnsw"
PARAMS = {"M": 16, "efConstruction": 200}
EFS = [32, 64, 128, 256]
# One flush and one segment, as the engine alone has one index: several would each be searched with all of ef.
ONE_SEGMENT = {**SETTINGS, "dataNode.segment.insertBufSize": 4 << 30}
LIMIT = 10


def engine_points() -> dict[int, dict]:
    command = [str(kite_binary()), "bench", "ann", "--base", str(DATA / "base.fbin"), "--metric", "L2"]
    command += ["--index", "HNSW", "--query", str(DATA / "query.fbin"), "--groundtruth", str(DATA / "truth.ibin")]
    command += ["--json", "-"]
    command += ["--search", "ef=" + ",".join(map(str, EFS)), "--repeat", "5"]
    if INDEX.exists():
        command += ["--from", str(INDEX)]
    else:
        progress("the engine builds its index")
        INDEX.parent.mkdir(parents=True, exist_ok=True)
        command += ["--build", ",".join(f"{name}={value}" for name, value in PARAMS.items()), "--save", str(INDEX)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    points = json.loads(done.stdout[done.stdout.index("{") :])["points"]
    return dict(zip(EFS, points, strict=True))


def search_all(running: Server, client: MilvusClient, queries: np.ndarray, ef: int) -> tuple[np.ndarray, float]:
    """Rows found, and microseconds of the server's CPU per search."""
    found = np.full((len(queries), LIMIT), -1)
    before = running.cpu_seconds()
    for i, query in enumerate(queries):
        hits = client.search("c", data=[query], limit=LIMIT, anns_field="vec", search_params={"params": {"ef": ef}})[0]
        found[i, : len(hits)] = [hit.id for hit in hits]
    return found, (running.cpu_seconds() - before) / len(queries) * 1e6


def measure(queries: int = 1000, rows: int = 1_000_000) -> list[Figure]:
    if not (DATA / "truth.ibin").exists():
        progress(f"skipped: there is no data set {SET} (bench/data/make.py {SET})")
        return []
    base = read_vectors(DATA / "base.fbin")
    asked = read_vectors(DATA / "query.fbin")[:queries]
    truth = read_ids(DATA / "truth.ibin")[:queries]
    engine = engine_points()
    figures = []
    with server(settings=ONE_SEGMENT) as running:
        fill(running, (base[at : at + BATCH] for at in range(0, rows, BATCH)), PARAMS)
        client = MilvusClient(uri=running.uri, dedicated=True)
        segments = len(client.list_loaded_segments("c"))
        search_all(running, client, asked, EFS[0])
        for ef in EFS:
            found, cpu = search_all(running, client, asked, ef)
            alone = engine[ef]["cpu_us_per_query"]
            ours, theirs = recall(base, asked, truth, found, "L2"), engine[ef]["recall"]
            details = {"segments": segments, "recall": ours, "engine_recall": theirs}
            details |= {"server_cpu_us": cpu, "engine_cpu_us": alone}
            what = f"{rows:,} x 128 through the server, ef {ef}"
            figures.append(Figure(f"{what}: recall less the engine's", ">= 0", "", [ours - theirs], details, digits=4))
            outside = [(cpu - alone) / 1000]
            figures.append(
                Figure(f"{what}: server CPU per search outside it", "< 0.25 ms", "ms", outside, details, digits=3)
            )
            progress(f"ef {ef}: recall {ours:.4f}, engine {theirs:.4f}; CPU {cpu:.0f} us, engine {alone:.0f} us")
        client.close()
    return figures


if __name__ == "__main__":
    options = arguments(__doc__, queries=1000, rows=1_000_000)
    report(measure(options.queries, options.rows), options.json)
