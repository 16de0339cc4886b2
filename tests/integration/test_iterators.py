"""Iterators: every row once, in order, as of the time the iterator was made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from harness.collections import compact, create, insert, key_field, keys_of, simple, simple_rows, vector_field
from harness.oracle import METRICS, assert_same_ranking, best_first, scores, vectors
from pymilvus import DataType, MilvusException
from pymilvus.milvus_client import milvus_client as client_module

ROWS, DIM = 2500, 8


def make(client, name, metric: str = "L2", kind: DataType = DataType.INT64, rows: int = ROWS, **options) -> np.ndarray:
    create(client, name, [key_field(kind), ("num", DataType.INT64, {}), vector_field(DIM)], metric=metric, **options)
    data = vectors(rows, DIM, 3)
    data_rows = [{"id": key_of(kind, i), "num": i, "vec": v} for i, v in enumerate(data)]
    insert(client, name, data_rows[: rows // 2])
    client.flush(name)
    insert(client, name, data_rows[rows // 2 :])
    return data


def key_of(kind: DataType, number: int) -> int | str:
    return number if kind == DataType.INT64 else f"key{number:05}"


def drain(iterator, between: Callable[[int], None] = lambda page: None) -> list[list]:
    """All pages; `between` runs after each."""
    pages: list[list] = []
    while page := list(iterator.next()):
        pages.append(page)
        between(len(pages))
        assert len(pages) <= ROWS, "the iterator does not end"
    iterator.close()
    return pages


def flat(pages: list[list]) -> list:
    return [row for page in pages for row in page]


def churn(client, name, kind: DataType = DataType.INT64) -> Callable[[int], None]:
    """Deletes, changes and adds rows while an iterator is under way."""

    def change(page: int) -> None:
        if page <= 3:
            client.delete(name, ids=[key_of(kind, page * 300 + i) for i in range(100)])
            client.upsert(name, [{"id": key_of(kind, 2000 + page), "num": -1, "vec": [9.0] * DIM}])
            client.insert(name, [{"id": key_of(kind, 10_000 + page), "num": 1, "vec": [0.0] * DIM}])
            if page == 2:
                client.flush(name)

    return change


@pytest.mark.parametrize("kind", [DataType.INT64, DataType.VARCHAR], ids=["int64", "varchar"])
def test_query_iterator(client, name, kind):
    make(client, name, kind=kind)
    pages = drain(client.query_iterator(name, batch_size=300, output_fields=["num"]))
    assert [len(page) for page in pages[:-1]] == [300] * 8 and len(pages[-1]) == 100
    assert [row["num"] for row in flat(pages)] == list(range(ROWS))


def test_query_iterator_with_a_filter_a_limit_and_an_offset(client, name):
    make(client, name)
    rows = flat(drain(client.query_iterator(name, batch_size=100, filter="num % 2 == 0", output_fields=["num"])))
    assert [row["num"] for row in rows] == list(range(0, ROWS, 2))
    rows = flat(drain(client.query_iterator(name, batch_size=100, limit=250, offset=30, output_fields=["num"])))
    assert [row["num"] for row in rows] == list(range(30, 280))


@pytest.mark.parametrize("kind", [DataType.INT64, DataType.VARCHAR], ids=["int64", "varchar"])
def test_query_iterator_reads_a_snapshot(client, name, kind):
    make(client, name, kind=kind)
    iterator = client.query_iterator(name, batch_size=400, output_fields=["num"])
    assert [row["num"] for row in flat(drain(iterator, churn(client, name, kind)))] == list(range(ROWS))


def test_query_iterator_continues_from_a_checkpoint_file(client, name, tmp_path):
    make(client, name)
    checkpoint = {"iterator_cp_file": str(tmp_path / "cp")}
    first = client.query_iterator(name, batch_size=500, output_fields=["num"], **checkpoint)
    rows = [*first.next(), *first.next()]
    churn(client, name)(1)
    rest = client.query_iterator(name, batch_size=500, output_fields=["num"], **checkpoint)
    assert [row["num"] for row in rows + flat(drain(rest))] == list(range(ROWS))


def expected(metric: str, data: np.ndarray, query: np.ndarray) -> list[tuple[int, float]]:
    values = scores(metric, data, query[None, :])[0]
    return [(int(i), float(values[i])) for i in best_first(metric, values, np.arange(len(data)))]


def assert_every_row_once(pages: list[list], truth: list[tuple]) -> None:
    found = [(hit.id, hit.distance) for hit in flat(pages)]
    assert len({key for key, _ in found}) == len(found), "a row came twice"
    assert_same_ranking(found, truth)


@pytest.mark.parametrize("metric", METRICS)
def test_search_iterator_v2(client, name, metric):
    data = make(client, name, metric)
    query = vectors(1, DIM, 4)[0]
    iterator = client.search_iterator(name, data=[query], batch_size=300, anns_field="vec", output_fields=["num"])
    assert type(iterator).__name__ == "SearchIteratorV2"
    pages = drain(iterator)
    assert_every_row_once(pages, expected(metric, data, query))
    assert all(hit["entity"]["num"] == hit.id for hit in flat(pages))


def test_search_iterator_v2_reads_a_snapshot(client, name):
    data = make(client, name)
    query = vectors(1, DIM, 4)[0]
    iterator = client.search_iterator(name, data=[query], batch_size=400, anns_field="vec")
    assert_every_row_once(drain(iterator, churn(client, name)), expected("L2", data, query))


def test_search_iterator_v2_with_a_filter_and_a_limit(client, name):
    data = make(client, name)
    query = vectors(1, DIM, 4)[0]
    truth = [pair for pair in expected("L2", data, query) if pair[0] % 3 == 0]
    pages = drain(client.search_iterator(name, data=[query], batch_size=100, filter="num % 3 == 0", anns_field="vec"))
    assert_every_row_once(pages, truth)
    pages = drain_with_limit(client.search_iterator(name, data=[query], batch_size=100, limit=250, anns_field="vec"))
    assert_every_row_once(pages, expected("L2", data, query)[:250])


def drain_with_limit(iterator) -> list[list]:
    """With a limit, version 2 says None after the last page."""
    pages: list[list] = []
    while (page := iterator.next()) is not None and len(page):
        pages.append(list(page))
    return pages


@pytest.mark.parametrize("index", ["HNSW", "IVF_FLAT"])
def test_search_iterator_v2_on_an_index_never_repeats(client, name, index):
    params = {"HNSW": {"M": 16, "efConstruction": 100}, "IVF_FLAT": {"nlist": 16}}[index]
    data = make(client, name, index=index, params=params)
    query = vectors(1, DIM, 4)[0]
    pages = drain(
        client.search_iterator(
            name, data=[query], batch_size=200, anns_field="vec", search_params={"params": {"ef": 200, "nprobe": 16}}
        )
    )
    found = [hit.id for hit in flat(pages)]
    assert len(found) == len(set(found)) >= 0.95 * len(data)
    distances = [hit.distance for hit in flat(pages)]
    assert distances == sorted(distances)


@pytest.fixture
def version_1(monkeypatch):
    """Makes the SDK fall back as it does with a server that has no version 2."""
    from pymilvus.exceptions import ServerVersionIncompatibleException

    class Refusing:
        def __init__(self, *_, **__):
            raise ServerVersionIncompatibleException(message="not here")

    monkeypatch.setattr(client_module, "SearchIteratorV2", Refusing)


@pytest.mark.parametrize("metric", METRICS)
def test_search_iterator_v1(client, name, metric, version_1):
    data = make(client, name, metric, rows=1200)
    query = vectors(1, DIM, 4)[0]
    iterator = client.search_iterator(
        name, data=[query], batch_size=150, anns_field="vec", search_params={"metric_type": metric, "params": {}}
    )
    assert type(iterator).__name__ == "SearchIterator"
    assert_every_row_once(drain(iterator), expected(metric, data, query))


def test_search_iterator_v1_with_equal_distances(client, name, version_1):
    """Rows at one distance are told apart by a filter on their keys."""
    create(client, name, [key_field(), vector_field(2)])
    insert(client, name, [{"id": i, "vec": [float(i // 40), 0.0]} for i in range(400)])
    iterator = client.search_iterator(
        name, data=[[0.0, 0.0]], batch_size=100, anns_field="vec", search_params={"metric_type": "L2", "params": {}}
    )
    found = [hit.id for hit in flat(drain(iterator))]
    assert sorted(found) == list(range(400))


def test_iterators_over_nothing(client, name):
    create(client, name, [key_field(), vector_field(2)])
    assert drain(client.query_iterator(name, batch_size=10)) == []
    assert drain(client.search_iterator(name, data=[[0.0, 0.0]], batch_size=10, anns_field="vec")) == []


def test_an_iterator_over_a_partition(client, name):
    create(client, name, [key_field(), vector_field(2)])
    client.create_partition(name, "p")
    insert(client, name, [{"id": i, "vec": [i, 0]} for i in range(50)])
    insert(client, name, [{"id": i, "vec": [i, 0]} for i in range(50, 80)], partition_name="p")
    rows = flat(drain(client.query_iterator(name, batch_size=20, output_fields=["id"], partition_names=["p"])))
    assert keys_of(rows) == list(range(50, 80))


def test_a_snapshot_outlives_a_restart_or_is_refused(private_server, connection):
    """An iterator's later pages name the timestamp of the first; what compactions have dropped is never left out."""
    from harness import wire

    server = private_server()
    client = connection(server)
    simple(client, "c")
    insert(client, "c", simple_rows(vectors(20, 8)))

    def now() -> int:
        """After all that was done and before all that comes: channels stamp writes by the same clock, but within a
        millisecond each by itself."""
        with wire.stub(server.address) as stub:

            def next_millisecond(after: int) -> int:
                while (at := stub.AllocTimestamp(wire.pb.AllocTimestampRequest()).timestamp) >> 18 <= after >> 18:
                    pass
                return at

            at = next_millisecond(next_millisecond(0))
            next_millisecond(at)
            return at

    def page(client, at: int) -> list:
        rows = client.query("c", filter="id >= 0", limit=100, guarantee_timestamp=at, iterator="True")
        return keys_of(rows)

    before = now()
    client.delete("c", ids=[3])
    client.flush("c")
    server.crash()
    client = connection(server)
    assert page(client, before) == list(range(20))
    later = now()
    client.delete("c", ids=list(range(10)))
    server.crash()
    client = connection(server)
    compact(client, "c")
    server.crash()
    client = connection(server)
    for at in (before, later):
        with pytest.raises(MilvusException, match="no longer kept"):
            page(client, at)
    assert page(client, now()) == list(range(10, 20))
