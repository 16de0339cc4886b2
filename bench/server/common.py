"""What the server benchmarks share: servers, fast inserts, medians, and one form of result."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from harness import wire  # noqa: E402
from harness.server import Server, kite_binary, run_kite  # noqa: E402

SEED = 20261121


@dataclass
class Figure:
    """One row of the table: the median of several runs."""

    name: str
    target: str
    unit: str
    runs: list[float]
    details: dict = field(default_factory=dict)
    digits: int = 1

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    def row(self) -> str:
        spread = f" ({min(self.runs):.{self.digits}f}–{max(self.runs):.{self.digits}f})" if len(self.runs) > 1 else ""
        return f"| {self.name} | {self.target} | {self.median:.{self.digits}f} {self.unit}{spread} |"


def arguments(description: str | None, **defaults: int | float) -> argparse.Namespace:
    """--json OUT, and a number per default."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default {value}")
    return parser.parse_args()


def report(figures: list[Figure], out: Path | None) -> None:
    for figure in figures:
        print(figure.row(), flush=True)
    if out:
        out.write_text(json.dumps({"machine": machine(), "figures": [as_json(f) for f in figures]}, indent=2) + "\n")


def as_json(figure: Figure) -> dict:
    return {**asdict(figure), "median": figure.median}


def machine() -> dict:
    """What a figure cannot be read without."""
    import pymilvus

    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "kite": run_kite("version").stdout.strip(),
        "build": kite_binary().parent.name,
        "pymilvus": pymilvus.__version__,
        "seed": SEED,
    }


@contextlib.contextmanager
def server(**options) -> Iterator[Server]:
    """A server on an empty directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as folder:
        made = Server(Path(folder) / "data", **options)
        try:
            yield made.start()
        finally:
            made.kill()


def vectors(rows: int, dim: int, part: int = 0) -> np.ndarray:
    return np.random.default_rng([SEED, dim, part]).standard_normal((rows, dim), dtype=np.float32)


def fast_insert(
    stub: wire.milvus_pb2_grpc.MilvusServiceStub, collection: str, keys: list[int], data: np.ndarray
) -> None:
    """The bytes that pymilvus sends, made without a Python object per number."""
    columns = [wire.int64_column("id", keys), wire.packed_vectors("vec", data)]
    reply = stub.Insert(wire.insert_request(collection, columns, len(keys)))
    assert reply.status.code == 0 and reply.insert_cnt == len(keys), reply.status


def progress(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
