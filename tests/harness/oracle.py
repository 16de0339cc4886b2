"""Brute force in numpy: the answers that searches are compared with."""

from __future__ import annotations

import numpy as np

METRICS = ("L2", "IP", "COSINE")


def vectors(rows: int, dim: int, seed: int = 0) -> np.ndarray:
    """Gaussian float32 vectors, the same for the same arguments."""
    return np.random.default_rng([seed, rows, dim]).standard_normal((rows, dim), dtype=np.float32)


def scores(metric: str, base: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """What the server calls distance, in float64: squared L2, inner product or cosine; queries x base."""
    left, right = queries.astype(np.float64), base.astype(np.float64)
    if metric == "L2":
        return ((left[:, None, :] - right[None, :, :]) ** 2).sum(axis=2)
    products = left @ right.T
    if metric == "IP":
        return products
    norms = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)[None, :]
    return np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)


def best_first(metric: str, values: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Positions from best to worst score; equal scores by key ascending."""
    ranked = values if metric == "L2" else -values
    return np.lexsort((keys, ranked))


def top_keys(metric: str, base: np.ndarray, keys: np.ndarray, query: np.ndarray, k: int) -> list:
    """Keys of the `k` best rows."""
    values = scores(metric, base, query[None, :])[0]
    return keys[best_first(metric, values, keys)[:k]].tolist()


def recall(found: list[list], truth: list[list]) -> float:
    """Share of the true neighbours that were found, over all queries."""
    hits = sum(len(set(a) & set(b)) for a, b in zip(found, truth, strict=True))
    return hits / sum(len(b) for b in truth)


def assert_same_ranking(hits: list[tuple], expected: list[tuple], tolerance: float = 1e-4) -> None:
    """Both lists hold (key, score), best first. Scores agree; keys may be exchanged only between scores that
    float32 arithmetic cannot tell apart."""
    assert len(hits) == len(expected), f"{len(hits)} hits, expected {len(expected)}: {hits} / {expected}"
    bound = tolerance * max([1.0, *(abs(score) for _, score in expected)])
    truth = dict(expected)
    for (key, score), (expected_key, expected_score) in zip(hits, expected, strict=True):
        assert abs(score - expected_score) <= bound, f"{key}: {score}, expected {expected_key}: {expected_score}"
        if key != expected_key and key in truth:
            assert abs(truth[key] - expected_score) <= bound, f"{key} before {expected_key}"
