"""Files of vectors and ids, and recall by distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np

TOLERANCE = 1e-6


def read_vectors(path: Path) -> np.ndarray:
    rows, columns = np.fromfile(path, np.uint32, 2)
    return np.fromfile(path, np.float32, offset=8).reshape(rows, columns)


def write_vectors(path: Path, vectors: np.ndarray) -> None:
    with open(path, "wb") as out:
        np.array(vectors.shape, np.uint32).tofile(out)
        vectors.tofile(out)


def read_ids(path: Path) -> np.ndarray:
    rows, columns = np.fromfile(path, np.uint32, 2)
    return np.fromfile(path, np.int32, offset=8).reshape(rows, columns)


def scores(base: np.ndarray, query: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """Exact costs (smaller is nearer) by float64."""
    candidates, query = base[rows].astype(np.float64), query.astype(np.float64)
    return -(candidates @ query) if metric == "IP" else ((candidates - query) ** 2).sum(axis=1)


def recall(base: np.ndarray, queries: np.ndarray, truth: np.ndarray, found: np.ndarray, metric: str) -> float:
    """Share of the k nearest that were found: rows whose exact distance is at most the k-th true one, each once."""
    k = found.shape[1]
    hits = 0
    for query, true, rows in zip(queries, truth[:, :k], found, strict=True):
        worst = scores(base, query, true[-1:], metric)[0]
        rows = np.unique(rows[(rows >= 0) & (rows < len(base))])
        hits += min(k, int((scores(base, query, rows, metric) <= worst + TOLERANCE * abs(worst)).sum()))
    return hits / (k * len(queries))
