"""Sparse, binary, half-precision and int8 vectors: stored, read and searched as numpy says, growing and sealed, again
after a restart and a compaction."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from harness.collections import compact, count, create, create_index, insert, key_field, pairs, wait_indexed
from harness.oracle import assert_same_ranking, scores
from harness.server import Server
from pymilvus import DataType, MilvusException

ROWS, WORDS = 3000, 400


def texts(rows: int, seed: int, words: int = 14) -> list[dict[int, float]]:
    """Sparse vectors: few words, common ones more often; every tenth or so is empty."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        count_ = 0 if random.random() < 0.1 else int(random.integers(1, words))
        chosen = np.unique((WORDS ** random.random(count_)).astype(int)) * 1_000_003
        made.append({int(i): float(np.float32(random.random() + 0.01)) for i in chosen})
    return made


def dot(a: dict[int, float], b: dict[int, float]) -> float:
    return sum(value * b[index] for index, value in a.items() if index in b)


def ranked(base: dict[int, dict[int, float]], query: dict[int, float], keep: Callable[[int], bool] = lambda _: True):
    """(key, score) of the rows that share an index with the query, best first."""
    hits = [(key, dot(query, row)) for key, row in base.items() if keep(key)]
    return sorted(((k, s) for k, s in hits if s > 0), key=lambda hit: (-hit[1], hit[0]))


def sparse_collection(client, name, index: str = "SPARSE_INVERTED_INDEX", params: dict | None = None) -> dict:
    """A collection with sealed and growing rows; what it holds by key."""
    fields = [key_field(), ("num", DataType.INT64, {}), ("sparse", DataType.SPARSE_FLOAT_VECTOR, {})]
    create(client, name, fields, index=None)
    create_index(client, name, "sparse", index, "IP", params)
    client.load_collection(name)
    base = dict(enumerate(texts(ROWS, 1)))
    rows = [{"id": i, "num": i % 7, "sparse": row} for i, row in base.items()]
    insert(client, name, rows[: ROWS // 2])
    client.flush(name)
    insert(client, name, rows[ROWS // 2 :])
    return base


def check_sparse(client, name, base: dict, **options) -> None:
    queries = [query for query in texts(12, 2, 6) if query]
    found = client.search(name, data=queries, anns_field="sparse", limit=10, **options)
    for query, hits in zip(queries, found, strict=True):
        assert_same_ranking(pairs(hits), ranked(base, query)[:10])


@pytest.mark.parametrize(
    ("index", "params"),
    [
        ("SPARSE_INVERTED_INDEX", {"inverted_index_algo": "DAAT_MAXSCORE"}),
        ("SPARSE_INVERTED_INDEX", {"inverted_index_algo": "TAAT_NAIVE", "drop_ratio_build": 0.2}),
        ("SPARSE_WAND", {}),
        ("AUTOINDEX", {}),
    ],
    ids=["maxscore", "taat", "wand", "auto"],
)
def test_sparse_search_finds_what_numpy_finds(client, name, index, params):
    base = sparse_collection(client, name, index, params)
    check_sparse(client, name, base)
    client.flush(name)
    wait_indexed(client, name, "sparse", ROWS)
    check_sparse(client, name, base)
    query = next(q for q in texts(50, 3, 6) if len(ranked(base, q)) > 60)
    allowed = {key for key in base if key % 7 in (1, 4)}
    hits = client.search(name, data=[query], anns_field="sparse", limit=20, filter="num in [1, 4]")[0]
    assert_same_ranking(pairs(hits), ranked(base, query, allowed.__contains__)[:20])
    # Every row that shares a word, and no other.
    hits = client.search(name, data=[query], anns_field="sparse", limit=ROWS)[0]
    assert_same_ranking(pairs(hits), ranked(base, query))
    assert client.search(name, data=[{}], anns_field="sparse", limit=5) == [[]]
    assert client.search(name, data=[{4_000_000_000: 1.0}], anns_field="sparse", limit=5) == [[]]


def test_sparse_range_iterator_groups_and_dropped_terms(client, name):
    base = sparse_collection(client, name)
    query = next(q for q in texts(50, 3, 6) if len(ranked(base, q)) > 200)
    truth = ranked(base, query)
    low, high = (truth[150][1] + truth[151][1]) / 2, (truth[10][1] + truth[11][1]) / 2
    found = client.search(
        name,
        data=[query],
        anns_field="sparse",
        limit=1000,
        search_params={"metric_type": "IP", "params": {"radius": low, "range_filter": high}},
    )[0]
    assert_same_ranking(pairs(found), truth[11:151])

    iterator = client.search_iterator(name, data=[query], anns_field="sparse", batch_size=40, limit=190)
    paged = []
    while page := list(iterator.next() or []):  # None behind the limit
        paged += pairs(page)
    iterator.close()
    assert_same_ranking(paged, truth[:190])

    groups = client.search(name, data=[query], anns_field="sparse", limit=5, group_by_field="num")[0]
    best: dict[int, tuple] = {}
    for key, score in truth:
        best.setdefault(key % 7, (key, score))
    assert_same_ranking(pairs(groups), list(best.values())[:5])

    dropped = client.search(
        name, data=[query], anns_field="sparse", limit=10, search_params={"params": {"drop_ratio_search": 0.4}}
    )[0]
    exact = dict(truth)
    assert len(dropped) == 10
    for key, score in pairs(dropped):
        assert score == pytest.approx(exact[key], rel=1e-5)


@pytest.mark.parametrize("flushed", [False, True], ids=["growing", "sealed"])
def test_sparse_values_come_back(client, name, flushed):
    fields = [
        key_field(),
        ("sparse", DataType.SPARSE_FLOAT_VECTOR, {}),
        ("maybe", DataType.SPARSE_FLOAT_VECTOR, {"nullable": True}),
    ]
    create(client, name, fields, index=None)
    for field in ("sparse", "maybe"):
        create_index(client, name, field, "AUTOINDEX", "IP")
    client.load_collection(name)
    base = texts(100, 5)
    rows = [{"id": i, "sparse": row, "maybe": base[-i] if i % 3 else None} for i, row in enumerate(base)]
    rows[7]["sparse"] = {0: 1.5, 2**32 - 2: 0.25}
    client.insert(name, rows)
    # As lists of pairs in any order.
    client.upsert(name, [{"id": 50, "sparse": [(9, 0.5), (3, 2.0)], "maybe": None}])
    rows[50] = {"id": 50, "sparse": {3: 2.0, 9: 0.5}, "maybe": None}
    client.delete(name, ids=[51])
    if flushed:
        client.flush(name)
    got = client.query(name, filter="id >= 0", output_fields=["sparse", "maybe"])
    expected = [row for row in rows if row["id"] != 51]
    assert [dict(row) for row in got] == [
        {**row, "sparse": narrow(row["sparse"]), "maybe": narrow(row["maybe"])} for row in expected
    ]
    hits = client.search(name, data=[{9: 1.0}], anns_field="sparse", limit=3, output_fields=["sparse"])[0]
    assert [(hit.id, hit["entity"]["sparse"]) for hit in hits] == [(50, {3: 2.0, 9: 0.5})]
    some = next(i for i, row in enumerate(rows) if row["maybe"])
    hits = client.search(name, data=[rows[some]["maybe"]], anns_field="maybe", limit=100)[0]
    truth = {row["id"]: row["maybe"] for row in expected if row["maybe"]}
    assert_same_ranking(pairs(hits), ranked(truth, rows[some]["maybe"])[:100])


def narrow(row: dict[int, float] | None) -> dict[int, float] | None:
    return None if row is None else {i: float(np.float32(v)) for i, v in row.items()}


def test_sparse_survives_restart_upsert_and_compaction(private_server, connection):
    server: Server = private_server()
    client = connection(server)
    base = sparse_collection(client, "main")
    changed = texts(ROWS, 9)
    upserts = [i for i in range(0, ROWS, 9)]
    client.upsert("main", [{"id": i, "num": i % 7, "sparse": changed[i]} for i in upserts])
    base |= {i: changed[i] for i in upserts}
    client.delete("main", ids=list(range(5, ROWS, 11)))
    base = {key: row for key, row in base.items() if key not in range(5, ROWS, 11)}
    check_sparse(client, "main", base)
    server.crash()
    client = connection(server)
    check_sparse(client, "main", base)
    client.flush("main")
    compact(client, "main")
    check_sparse(client, "main", base)
    server.restart()
    client = connection(server)
    check_sparse(client, "main", base)
    assert count(client, "main") == len(base)


def test_bad_sparse_vectors_are_refused(client, name):
    sparse_collection(client, name)
    for bad, message in [
        ({1: -0.5}, "negative value"),
        ({1: float("inf")}, "not a number"),
        ({2**32 - 1: 1.0}, "2"),  # some clients refuse it themselves
    ]:
        with pytest.raises(Exception, match=message):
            client.insert(name, [{"id": 1, "num": 1, "sparse": bad}])
        with pytest.raises(Exception, match=message):
            client.search(name, data=[bad], anns_field="sparse", limit=1)
    with pytest.raises(MilvusException, match="does not fit"):
        other = name + "_l2"
        create(client, other, [key_field(), ("sparse", DataType.SPARSE_FLOAT_VECTOR, {})], index=None)
        create_index(client, other, "sparse", "SPARSE_INVERTED_INDEX", "L2")
    with pytest.raises(MilvusException, match="BM25"):
        create_index(client, other, "sparse", "SPARSE_INVERTED_INDEX", "BM25")
    with pytest.raises(MilvusException, match="algo"):
        create_index(client, other, "sparse", "SPARSE_INVERTED_INDEX", "IP", {"inverted_index_algo": "FASTEST"})
    with pytest.raises(MilvusException, match="drop_ratio_search"):
        client.search(
            name,
            data=[{1: 1.0}],
            anns_field="sparse",
            limit=1,
            search_params={"params": {"drop_ratio_search": 1.5}},
        )
    with pytest.raises(MilvusException, match="dim should not be specified"):
        create(client, name + "_dim", [key_field(), ("s", DataType.SPARSE_FLOAT_VECTOR, {"dim": 8})], index=None)


# ---- dense types -----------------------------------------------------------------------------------------------------

DIM = 32


def bfloat16(values: np.ndarray) -> np.ndarray:
    """The upper halves of float32, as uint16."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


class Kind:
    """How one type of vector is made, sent, and understood by numpy."""

    def __init__(self, type_: DataType, metric: str, indexes: list[str]) -> None:
        self.type, self.metric, self.indexes = type_, metric, indexes

    def make(self, rows: int, seed: int) -> np.ndarray:
        random = np.random.default_rng([seed, rows])
        if self.type == DataType.BINARY_VECTOR:
            return random.integers(0, 256, (rows, DIM // 8), dtype=np.uint8)
        if self.type == DataType.INT8_VECTOR:
            return random.integers(-128, 128, (rows, DIM)).astype(np.int8)
        values = random.standard_normal((rows, DIM))
        return values.astype(np.float16) if self.type == DataType.FLOAT16_VECTOR else bfloat16(values)

    def send(self, vector: np.ndarray) -> bytes | np.ndarray:
        return vector if self.type in (DataType.FLOAT16_VECTOR, DataType.INT8_VECTOR) else vector.tobytes()

    def numbers(self, vectors: np.ndarray) -> np.ndarray:
        if self.type == DataType.BINARY_VECTOR:
            return np.unpackbits(vectors, axis=1)
        if self.type == DataType.BFLOAT16_VECTOR:
            return (vectors.astype(np.uint32) << 16).view(np.float32)
        return vectors.astype(np.float32)

    def scores(self, base: np.ndarray, queries: np.ndarray) -> np.ndarray:
        left, right = self.numbers(queries), self.numbers(base)
        if self.metric == "HAMMING":
            return (left[:, None, :] != right[None, :, :]).sum(axis=2).astype(float)
        if self.metric == "JACCARD":
            both = (left[:, None, :] & right[None, :, :]).sum(axis=2)
            either = (left[:, None, :] | right[None, :, :]).sum(axis=2)
            return 1 - both / np.maximum(either, 1)
        return scores(self.metric, right, left)


KINDS = {
    "binary-hamming": Kind(DataType.BINARY_VECTOR, "HAMMING", ["BIN_FLAT", "BIN_IVF_FLAT", "AUTOINDEX"]),
    "binary-jaccard": Kind(DataType.BINARY_VECTOR, "JACCARD", ["BIN_FLAT", "BIN_IVF_FLAT"]),
    "float16": Kind(DataType.FLOAT16_VECTOR, "COSINE", ["FLAT", "HNSW", "HNSW_SQ", "HNSW_PQ", "AUTOINDEX"]),
    "bfloat16": Kind(DataType.BFLOAT16_VECTOR, "L2", ["FLAT", "HNSW", "HNSW_SQ", "HNSW_PQ", "AUTOINDEX"]),
    "int8": Kind(DataType.INT8_VECTOR, "IP", ["FLAT", "HNSW", "HNSW_SQ", "HNSW_PQ", "AUTOINDEX"]),
}


# Build and search parameters; refined by the vectors, so that scores are exact.
PARAMS = {
    "BIN_IVF_FLAT": ({"nlist": 16}, {"nprobe": 16}),
    "HNSW_SQ": ({"M": 16, "sq_type": "SQ6", "refine": True}, {"refine_k": 5}),
    "HNSW_PQ": ({"M": 16, "m": 16, "refine": True}, {"refine_k": 15}),
}


def as_bytes(value: object) -> bytes:
    """A vector as a client returns it."""
    if isinstance(value, list):
        return b"".join(v if isinstance(v, bytes) else struct.pack("b", v) for v in value)
    return value if isinstance(value, bytes) else np.asarray(value).tobytes()


def check_dense(
    client, name, kind: Kind, base: np.ndarray, keys: np.ndarray, recall: float, params: dict | None = None
) -> None:
    queries = kind.make(10, 77)
    truth = kind.scores(base[keys], queries)
    larger = kind.metric in ("IP", "COSINE")
    found = client.search(
        name,
        data=[kind.send(q) for q in queries],
        anns_field="vec",
        limit=10,
        search_params={"params": params or {}},
    )
    hits_in_truth = 0
    for row, hits in zip(truth, found, strict=True):
        assert len(hits) == 10
        score_of = dict(zip(keys.tolist(), row.tolist(), strict=True))
        for hit in hits:
            assert hit.distance == pytest.approx(score_of[hit.id], rel=2e-3, abs=2e-3)
        worst = np.sort(row)[::-1][9] if larger else np.sort(row)[9]
        found_scores = np.array([score_of[hit.id] for hit in hits])
        hits_in_truth += int((found_scores >= worst - 1e-6).sum() if larger else (found_scores <= worst + 1e-6).sum())
    assert hits_in_truth >= recall * 100


@pytest.mark.parametrize("which", KINDS)
def test_vectors_of_every_type(client, names, which):
    kind = KINDS[which]
    rows = 1500
    base = kind.make(rows, 4)
    everything = np.arange(rows)
    for index in kind.indexes:
        name = names()
        fields = [key_field(), ("num", DataType.INT64, {}), ("vec", kind.type, {"dim": DIM})]
        create(client, name, fields, index=None)
        build, search = PARAMS.get(index, ({}, {}))
        create_index(client, name, "vec", index, kind.metric, build)
        client.load_collection(name)
        data = [{"id": i, "num": i % 5, "vec": kind.send(base[i])} for i in range(rows)]
        insert(client, name, data[:1200])
        check_dense(client, name, kind, base, everything[:1200], 1.0, search)
        client.flush(name)
        wait_indexed(client, name, "vec", 1200)
        insert(client, name, data[1200:])
        exact = "FLAT" in index or kind.type == DataType.BINARY_VECTOR
        check_dense(client, name, kind, base, everything, 1.0 if exact else 0.9, search)
        got = client.query(name, filter="id in [3, 1400]", output_fields=["vec"])
        assert [as_bytes(row["vec"]) for row in got] == [base[3].tobytes(), base[1400].tobytes()]
        client.delete(name, filter="num == 2")
        client.upsert(name, [{"id": 8, "num": 8, "vec": kind.send(base[1400])}])
        hits = client.search(
            name, data=[kind.send(base[1400])], anns_field="vec", limit=5, filter="id != 1400 and num > 5"
        )[0]
        assert [hit.id for hit in hits] == [8]
        client.drop_collection(name)


@pytest.mark.parametrize("which", KINDS)
def test_vectors_of_every_type_survive_a_restart(private_server, connection, which):
    kind = KINDS[which]
    server: Server = private_server()
    client = connection(server)
    base = kind.make(300, 4)
    create(client, "main", [key_field(), ("vec", kind.type, {"dim": DIM})], index=None)
    index = "BIN_IVF_FLAT" if kind.type == DataType.BINARY_VECTOR else "AUTOINDEX"
    create_index(client, "main", "vec", index, kind.metric)
    client.load_collection("main")
    data = [{"id": i, "vec": kind.send(v)} for i, v in enumerate(base)]
    client.insert("main", data[:200])
    client.flush("main")
    client.insert("main", data[200:])
    server.crash()
    client = connection(server)
    check_dense(client, "main", kind, base, np.arange(300), 1.0)


def test_bad_vectors_of_other_types_are_refused(client, name):
    for kind, message in [
        ({"dim": 12}, "multiple of 8"),
        ({"dim": 8 * 32768 + 8}, "range"),
    ]:
        with pytest.raises(MilvusException, match=message):
            create(client, name, [key_field(), ("vec", DataType.BINARY_VECTOR, kind)], index=None)
    create(client, name, [key_field(), ("vec", DataType.FLOAT16_VECTOR, {"dim": 4})], index=None)
    create_index(client, name, "vec", "FLAT", "L2")
    client.load_collection(name)
    with pytest.raises(MilvusException, match="NaN"):
        client.insert(name, [{"id": 1, "vec": np.array([1, 2, np.nan, 0], np.float16)}])
    client.insert(name, [{"id": 1, "vec": np.array([1, 2, 3, 0], np.float16)}])
    with pytest.raises(MilvusException, match="dimension"):
        client.search(name, data=[np.zeros(5, np.float16)], anns_field="vec", limit=1)
    with pytest.raises(MilvusException, match="Float16Vector"):
        client.search(name, data=[[1.0, 2.0, 3.0, 4.0]], anns_field="vec", limit=1)
    with pytest.raises(MilvusException, match="NaN"):
        client.search(name, data=[np.array([1, 2, np.inf, 0], np.float16)], anns_field="vec", limit=1)
