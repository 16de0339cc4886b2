"""MINHASH_LSH and the metric MHJACCARD: signatures as binary vectors."""

from __future__ import annotations

import numpy as np
import pytest
from harness.collections import create, create_index, insert, key_field, wait_indexed
from pymilvus import DataType, MilvusException

ELEMENTS = 64
WIDTHS = {32: np.uint32, 64: np.uint64}


def signatures(rows: int, seed: int, dtype=np.uint32, families: int = 20) -> np.ndarray:
    """Rows that share 10 % to 100 % of their elements with one of some parents."""
    parents = np.random.default_rng(1).integers(0, 2**32, (families, ELEMENTS)).astype(dtype)
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 2**32, (rows, ELEMENTS)).astype(dtype)
    share = rng.uniform(0.1, 1.0, (rows, 1))
    inherits = rng.uniform(size=(rows, ELEMENTS)) < share
    return np.where(inherits, parents[rng.integers(0, families, rows)], own)


def similarity(base: np.ndarray, query: np.ndarray) -> np.ndarray:
    return (base == query).mean(axis=1)


def shares_band(base: np.ndarray, query: np.ndarray, bands: int) -> np.ndarray:
    equal = (base == query).reshape(len(base), bands, -1)
    return equal.all(axis=2).any(axis=1)


def search(client, name, queries, limit=10, jaccard=True, **more):
    params = {"mh_search_with_jaccard": jaccard} | more.pop("params", {})
    return client.search(
        name,
        data=[q.tobytes() for q in queries],
        anns_field="vec",
        limit=limit,
        search_params={"metric_type": "MHJACCARD", "params": params},
        **more,
    )


def make(client, name, bits=32, bands=16, index="MINHASH_LSH"):
    fields = [key_field(), ("num", DataType.INT64, {}), ("vec", DataType.BINARY_VECTOR, {"dim": ELEMENTS * bits})]
    create(client, name, fields, index=None)
    params = {"mh_element_bit_width": bits, "mh_lsh_band": bands, "with_raw_data": True}
    create_index(client, name, "vec", index, "MHJACCARD", params)
    client.load_collection(name)


def rows_of(base, begin=0):
    return [{"id": begin + i, "num": (begin + i) % 5, "vec": row.tobytes()} for i, row in enumerate(base)]


def check(client, name, base, bands, exact=False):
    """`exact`: rows that share no band are found as well."""
    for query in signatures(5, 99, base.dtype.type):
        scores = similarity(base, query)
        band = shares_band(base, query, bands)
        possible = scores > 0 if exact else band
        found = search(client, name, [query], limit=20)[0]
        for hit in found:
            assert hit.distance == pytest.approx(scores[hit.id])
        best = np.sort(scores[possible])[::-1][:20]
        least = np.sort(scores[band])[::-1][:20]
        assert len(found) >= len(least)
        assert all(hit.distance >= score - 1e-6 for hit, score in zip(found, least, strict=False))
        if exact:
            assert [hit.distance for hit in found] == pytest.approx(best.tolist())
        flags = search(client, name, [query], limit=len(base), jaccard=False)[0]
        assert {hit.id for hit in flags} == set(np.flatnonzero(band).tolist())
        assert all(hit.distance == 1 for hit in flags)


@pytest.mark.parametrize("bits", WIDTHS)
def test_growing_and_sealed(client, name, bits):
    base = signatures(1000, 3, WIDTHS[bits])
    make(client, name, bits)
    insert(client, name, rows_of(base[:600]))
    check(client, name, base[:600], 16, exact=True)
    client.flush(name)
    wait_indexed(client, name, "vec", 600)
    check(client, name, base[:600], 16)
    insert(client, name, rows_of(base[600:], 600))
    check(client, name, base, 16)
    client.delete(name, filter="num == 2")
    query = base[7]  # deleted
    scores = similarity(base, query)
    hits = search(client, name, [query], filter="num > 2", limit=5)[0]
    assert all(hit.id % 5 > 2 and hit.distance == pytest.approx(scores[hit.id]) for hit in hits)
    assert 7 not in {hit.id for hit in search(client, name, [query], limit=50)[0]}


def test_range_and_refine_k(client, name):
    base = signatures(1500, 3)
    make(client, name, bands=64)
    insert(client, name, rows_of(base))
    client.flush(name)
    wait_indexed(client, name, "vec", 1500)
    query = base[11]
    scores = similarity(base, query)
    found = search(client, name, [query], limit=100, params={"radius": 0.3, "range_filter": 0.8})[0]
    inside = np.sort(scores[(scores > 0.3) & (scores <= 0.8)])[::-1][:100]
    assert [hit.distance for hit in found] == pytest.approx(inside.tolist())
    assert search(client, name, [query], limit=3, params={"refine_k": 3})[0][0].id == 11


def test_the_index_decides_what_an_element_is(client, name):
    """A search that says something else about the width changes nothing."""
    base = signatures(300, 3)
    make(client, name)
    insert(client, name, rows_of(base))
    plain = search(client, name, base[:3])
    other = search(client, name, base[:3], params={"mh_element_bit_width": 8, "mh_lsh_band": 1})
    assert [[(h.id, h.distance) for h in hits] for hits in plain] == [
        [(h.id, h.distance) for h in hits] for hits in other
    ]


def test_bin_flat_scans(client, name):
    base = signatures(800, 3)
    make(client, name, index="BIN_FLAT")
    insert(client, name, rows_of(base))
    client.flush(name)
    wait_indexed(client, name, "vec", 800)
    check(client, name, base, 16, exact=True)


def test_survives_a_restart(private_server, connection):
    server = private_server()
    client = connection(server)
    base = signatures(900, 3)
    make(client, "main")
    client.insert("main", rows_of(base[:600]))
    client.flush("main")
    wait_indexed(client, "main", "vec", 600)
    client.insert("main", rows_of(base[600:], 600))
    server.crash()
    client = connection(server)
    check(client, "main", base, 16)


@pytest.mark.parametrize(
    ("metric", "dim", "params", "message"),
    [
        ("JACCARD", 2048, {}, "does not fit index type MINHASH_LSH"),
        ("L2", 2048, {}, "MHJACCARD"),
        ("MHJACCARD", 2056, {"mh_element_bit_width": 32}, "multiple of mh_element_bit_width"),
        ("MHJACCARD", 2048, {"mh_element_bit_width": 48}, "one of 8, 16, 32, 64"),
        ("MHJACCARD", 2048, {"mh_element_bit_width": 32, "mh_lsh_band": 65}, "at most the number of elements"),
        ("MHJACCARD", 2048, {"mh_lsh_band": 0}, "out of range"),
    ],
)
def test_what_does_not_fit_is_refused(client, name, metric, dim, params, message):
    create(client, name, [key_field(), ("vec", DataType.BINARY_VECTOR, {"dim": dim})], index=None)
    with pytest.raises(MilvusException, match=message):
        create_index(client, name, "vec", "MINHASH_LSH", metric, params)


def test_bad_searches_are_refused(client, name):
    make(client, name)
    query = signatures(1, 5)
    with pytest.raises(MilvusException, match="refine_k"):
        search(client, name, query, params={"refine_k": 0})
    with pytest.raises(MilvusException, match="metric type not match"):
        client.search(
            name, data=[query[0].tobytes()], anns_field="vec", limit=1, search_params={"metric_type": "JACCARD"}
        )
