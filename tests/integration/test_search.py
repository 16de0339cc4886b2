"""Search: many queries, paging, output fields, filters, ranges, partitions, grouping; compared with brute force."""

from __future__ import annotations

import numpy as np
import pytest
from harness import wire
from harness.clients import connect, fresh_name
from harness.collections import create, insert, key_field, pairs, search_keys, simple, simple_rows, vector_field
from harness.oracle import METRICS, assert_same_ranking, best_first, scores, top_keys, vectors
from pymilvus import DataType, MilvusException

ROWS, DIM = 600, 16
FIELDS = [key_field(), ("num", DataType.INT64, {}), ("text", DataType.VARCHAR, {"max_length": 64}), vector_field(DIM)]


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return vectors(ROWS, DIM, 7)


@pytest.fixture(scope="module", params=METRICS)
def metric(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def collection(server, metric, data) -> str:
    """Half of the rows sealed, half growing; extra keys in the dynamic field."""
    client = connect(server)
    name = create(client, fresh_name(f"search_{metric}"), FIELDS, index="FLAT", metric=metric, dynamic=True)
    rows = [{**row, "extra": row["id"] % 5, "note": f"n{row['id']}"} for row in simple_rows(data)]
    insert(client, name, rows[: ROWS // 2])
    client.flush(name)
    insert(client, name, rows[ROWS // 2 :])
    yield name
    client.drop_collection(name)
    client.close()


def expected_pairs(metric: str, data: np.ndarray, query: np.ndarray, chosen=None) -> list[tuple[int, float]]:
    """All (key, score) of the chosen rows, best first."""
    keys = np.arange(len(data)) if chosen is None else np.asarray(chosen)
    values = scores(metric, data[keys], query[None, :])[0]
    return [(int(keys[i]), float(values[i])) for i in best_first(metric, values, keys)]


def test_many_queries_at_once(client, collection, metric, data):
    queries = vectors(200, DIM, 8)
    result = client.search(collection, data=list(queries), limit=10)
    assert len(result) == 200
    for query, hits in zip(queries, result, strict=True):
        assert_same_ranking(pairs(hits), expected_pairs(metric, data, query)[:10])


@pytest.mark.parametrize(("offset", "limit"), [(0, 1), (5, 10), (10, 10), (590, 20), (600, 5), (0, 600), (0, 16384)])
def test_limit_and_offset(client, collection, metric, data, offset, limit):
    query = vectors(1, DIM, 9)[0]
    hits = client.search(collection, data=[query], limit=limit - offset if limit == 16384 else limit, offset=offset)[0]
    assert_same_ranking(pairs(hits), expected_pairs(metric, data, query)[offset : offset + limit])


def test_offset_in_the_search_parameters(client, collection, metric, data):
    hits = client.search(collection, data=[data[0]], limit=3, search_params={"offset": 4})[0]
    assert_same_ranking(pairs(hits), expected_pairs(metric, data, data[0])[4:7])


@pytest.mark.parametrize(
    "text, chosen",
    [
        ("num < 100", lambda i: i < 10),
        ("text == 't3'", lambda i: i % 7 == 3),
        ("num >= 3000 and text in ['t1', 't2']", lambda i: i >= 300 and i % 7 in (1, 2)),
        ("extra == 4", lambda i: i % 5 == 4),
        ("note like 'n1%'", lambda i: str(i).startswith("1")),
        ("id == 77", lambda i: i == 77),
        ("num < 0", lambda i: False),
    ],
    ids=["range", "text", "both", "dynamic", "like", "key", "none"],
)
def test_filters(client, collection, metric, data, text, chosen):
    queries = vectors(3, DIM, 10)
    keys = [i for i in range(ROWS) if chosen(i)]
    for query, hits in zip(queries, client.search(collection, data=list(queries), filter=text, limit=20), strict=True):
        assert_same_ranking(pairs(hits), expected_pairs(metric, data, query, keys)[:20] if keys else [])


def test_filter_templates(client, collection):
    hits = client.search(
        collection,
        data=[[0.0] * DIM],
        filter="id in {keys} and num > {least}",
        limit=10,
        filter_params={"keys": [5, 6, 7], "least": 50},
    )[0]
    assert sorted(hit.id for hit in hits) == [6, 7]


def test_output_fields(client, collection, data):
    hit = client.search(collection, data=[data[7]], limit=1, filter="id == 7", output_fields=["num", "vec"])[0][0]
    assert set(hit["entity"]) == {"num", "vec"} and hit["entity"]["num"] == 70
    assert np.asarray(hit["entity"]["vec"], np.float32).tobytes() == data[7].tobytes()
    hit = client.search(collection, data=[data[7]], limit=1, filter="id == 7", output_fields=["extra"])[0][0]
    assert hit["entity"] == {"extra": 2}
    hit = client.search(collection, data=[data[7]], limit=1, filter="id == 7", output_fields=["*"])[0][0]
    assert {k: v for k, v in hit["entity"].items() if k not in ("vec", "id")} == {
        "num": 70,
        "text": "t0",
        "extra": 2,
        "note": "n7",
    }
    hit = client.search(collection, data=[data[7]], limit=1, filter="id == 7", output_fields=["$meta"])[0][0]
    assert hit["entity"]["extra"] == 2 and hit["entity"]["note"] == "n7"
    hit = client.search(collection, data=[data[7]], limit=1, filter="id == 7")[0][0]
    assert hit.id == 7 and hit["entity"] == {}


def test_output_fields_of_many_hits_stay_with_their_rows(client, collection):
    for hits in client.search(collection, data=list(vectors(10, DIM, 11)), limit=100, output_fields=["num", "note"]):
        assert all(hit["entity"] == {"num": hit.id * 10, "note": f"n{hit.id}"} for hit in hits)


def bound_before(ranked: list[tuple[int, float]], position: int) -> float:
    """A score half-way between two neighbours of the ranking, so that rounding decides nothing."""
    if position == 0 or position == len(ranked):
        worse = 1.0 if ranked[0][1] < ranked[-1][1] else -1.0
        return ranked[0][1] - worse if position == 0 else ranked[-1][1] + worse
    return (ranked[position - 1][1] + ranked[position][1]) / 2


@pytest.mark.parametrize(("first", "last"), [(0, 20), (15, 60), (100, 500), (300, ROWS), (40, 41)])
def test_range_search_with_both_ends(client, collection, metric, data, first, last):
    query = vectors(1, DIM, 12)[0]
    ranked = expected_pairs(metric, data, query)
    ends = {"radius": bound_before(ranked, last), "range_filter": bound_before(ranked, first)}

    def found(limit: int, **params: float) -> list[tuple]:
        return pairs(client.search(collection, data=[query], limit=limit, search_params={"params": params})[0])

    assert_same_ranking(found(ROWS, **ends), ranked[first:last])
    assert_same_ranking(found(ROWS, radius=ends["radius"]), ranked[:last])
    assert_same_ranking(found(5, **ends), ranked[first:last][:5])


def test_contradicting_range_is_refused(client, collection, metric):
    low, high = (1.0, 2.0) if metric == "L2" else (2.0, 1.0)
    with pytest.raises(MilvusException, match="range_filter"):
        client.search(collection, data=[[0.5] * DIM], search_params={"params": {"radius": low, "range_filter": high}})


def test_the_metric_may_be_named_or_left_out(client, collection, metric, data):
    named = client.search(collection, data=[data[3]], limit=5, search_params={"metric_type": metric})[0]
    assert pairs(named) == pairs(client.search(collection, data=[data[3]], limit=5, anns_field="vec")[0])
    other = next(m for m in METRICS if m != metric)
    with pytest.raises(MilvusException, match=other):
        client.search(collection, data=[data[3]], limit=5, search_params={"metric_type": other})


def test_round_decimal(client, collection, data):
    exact = pairs(client.search(collection, data=[data[1]], limit=10)[0])
    rounded = pairs(client.search(collection, data=[data[1]], limit=10, round_decimal=2)[0])
    assert [key for key, _ in rounded] == [key for key, _ in exact]
    for (_, a), (_, b) in zip(rounded, exact, strict=True):
        assert a == pytest.approx(b, abs=0.0051) and a == pytest.approx(round(a, 2), abs=1e-5)


def test_unknown_search_parameters_are_ignored(client, collection, data):
    hits = client.search(
        collection,
        data=[data[2]],
        limit=1,
        search_params={"params": {"nprobe": 3, "ef": 64, "something_else": "x"}, "hints": ""},
    )[0]
    assert [hit.id for hit in hits] == search_keys(client, collection, data[[2]], limit=1)[0]


def test_grouping(client, collection, metric, data):
    query = vectors(1, DIM, 13)[0]
    hits = client.search(collection, data=[query], limit=7, group_by_field="text", output_fields=["text"])[0]
    best: dict[str, tuple] = {}
    for key, score in expected_pairs(metric, data, query):
        best.setdefault(f"t{key % 7}", (key, score))
    assert_same_ranking(pairs(hits), sorted(best.values(), key=lambda p: p[1], reverse=metric != "L2"))


def test_grouping_with_a_size(client, collection, metric, data):
    query = vectors(1, DIM, 14)[0]
    hits = client.search(
        collection,
        data=[query],
        limit=3,
        group_by_field="text",
        group_size=2,
        strict_group_size=True,
        output_fields=["text"],
    )[0]
    groups: dict[str, list] = {}
    for hit in hits:
        groups.setdefault(hit["entity"]["text"], []).append(hit.id)
    ranked = [key for key, _ in expected_pairs(metric, data, query)]
    assert len(groups) == 3 and all(len(keys) == 2 for keys in groups.values())
    for text, keys in groups.items():
        assert keys == [key for key in ranked if f"t{key % 7}" == text][:2]


def test_groups_and_paging(client, collection, metric, data):
    """Offset and limit count groups; a group's hits stay together, the group with the best hit first."""
    query = vectors(1, DIM, 15)[0]
    ranked = [key for key, _ in expected_pairs(metric, data, query)]
    order = list(dict.fromkeys(key % 7 for key in ranked))
    hits = client.search(
        collection,
        data=[query],
        limit=3,
        offset=2,
        group_by_field="text",
        group_size=2,
        strict_group_size=True,
        filter="num >= 0",
    )[0]
    expected = [key for group in order[2:5] for key in [k for k in ranked if k % 7 == group][:2]]
    assert [hit.id for hit in hits] == expected


def test_the_values_that_hits_are_grouped_by(server, collection, metric, data):
    grouping = {"topk": 4, "group_by_field": "text", "metric_type": metric}
    with wire.stub(server.address) as stub:
        reply = stub.Search(wire.search_request(collection, wire.placeholder(data[:2]), 2, **grouping))
    assert reply.status.code == 0, reply.status.reason
    results = reply.results
    assert list(results.topks) == [4, 4]
    texts = results.group_by_field_value.scalars.string_data.data
    assert list(texts) == [f"t{key % 7}" for key in results.ids.int_id.data]
    with wire.stub(server.address) as stub:
        reply = stub.Search(wire.search_request(collection, wire.placeholder(data[:1]), 1, iterator=True, **grouping))
    assert reply.status.code == 1100 and "groupBy" in reply.status.reason


def by_keys(server, collection: str, metric: str, keys: list, **parameters):
    if keys and isinstance(keys[0], str):
        ids = wire.schema.IDs(str_id=wire.schema.StringArray(data=keys))
    else:
        ids = wire.schema.IDs(int_id=wire.schema.LongArray(data=keys))
    request = wire.search_request(collection, b"", len(keys), metric_type=metric, **parameters)
    request.ids.CopyFrom(ids)
    with wire.stub(server.address) as stub:
        return stub.Search(request)


BY_KEYS = pytest.mark.skipif("ids" not in wire.pb.SearchRequest.DESCRIPTOR.fields_by_name, reason="a newer client's")


@BY_KEYS
def test_search_by_primary_keys(client, collection, metric, data):
    """Rows of the sealed half and the growing half, a key twice."""
    keys = [400, 3, 299, 3]
    result = client.search(collection, ids=keys, limit=5, anns_field="vec", filter="num > 100")
    assert len(result) == 4
    for key, hits in zip(keys, result, strict=True):
        assert_same_ranking(pairs(hits), expected_pairs(metric, data, data[key], range(11, ROWS))[:5])


@BY_KEYS
def test_search_by_keys_that_do_not_fit(server, collection, metric):
    reply = by_keys(server, collection, metric, [3, 9999])
    assert reply.status.code == 1100 and "9999" in reply.status.reason and "do not exist" in reply.status.reason
    reply = by_keys(server, collection, metric, ["a"])
    assert reply.status.code == 1100 and "VarChar" in reply.status.reason and "Int64" in reply.status.reason
    reply = by_keys(server, collection, metric, [])
    assert reply.status.code == 1100 and "nq" in reply.status.reason
    reply = by_keys(server, collection, metric, [1] * 16385)
    assert reply.status.code == 1100 and "16385" in reply.status.reason


# -- without the shared collection ------------------------------------------------------------------------------------


def test_grouping_by_other_types_and_null(client, name):
    """NULL is a group of its own, in growing and sealed rows."""
    fields = [
        key_field(),
        ("flag", DataType.BOOL, {}),
        ("small", DataType.INT8, {"nullable": True}),
        vector_field(4),
    ]
    create(client, name, fields, metric="L2")
    rows = [
        {"id": i, "flag": i % 2 == 0, "small": None if i % 3 == 0 else -(i % 3), "vec": [float(i), 0, 0, 0]}
        for i in range(20)
    ]
    insert(client, name, rows[:10])
    client.flush(name)
    insert(client, name, rows[10:])

    def grouped(field: str, **parameters) -> list[int]:
        hits = client.search(name, data=[[11.2, 0, 0, 0]], limit=5, group_by_field=field, **parameters)[0]
        return [hit.id for hit in hits]

    assert grouped("flag") == [11, 12]
    assert grouped("small") == [11, 12, 10]
    assert grouped("small", filter="small is not null") == [11, 10]
    assert grouped("small", group_size=2, strict_group_size=True) == [11, 14, 12, 9, 10, 13]
    assert grouped("id") == [11, 12, 10, 13, 9]


def test_a_group_under_an_index(client, name):
    """Most rows are of one group: the walk has to go on until the others are found."""
    create(client, name, FIELDS, index="HNSW", metric="L2")
    data = vectors(3000, DIM, 16)
    texts = ["rare" if i % 500 == 7 else "often" for i in range(3000)]
    insert(client, name, [{"id": i, "num": 0, "text": texts[i], "vec": data[i]} for i in range(3000)])
    client.flush(name)
    client.refresh_load(name)
    hits = client.search(name, data=[data[0]], limit=10, group_by_field="text", output_fields=["text"])[0]
    nearest_rare = min(range(7, 3000, 500), key=lambda i: float(((data[i] - data[0]) ** 2).sum()))
    assert [(hit.id, hit["entity"]["text"]) for hit in hits] == [(0, "often"), (nearest_rare, "rare")]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"group_by_field": "vec"}, "vec.*FloatVector"),
        ({"group_by_field": "extra"}, "extra.*JSON"),
        ({"group_by_field": "list"}, "list.*Array"),
        ({"group_by_field": "real"}, "real.*Double"),
        ({"group_by_field": "no_such"}, "no_such"),
        ({"group_by_field": "num", "group_size": 0}, r"group size:0.*\[1, 10\]"),
        ({"group_by_field": "num", "group_size": 11}, r"group size:11.*\[1, 10\]"),
        ({"group_by_field": "num", "group_size": "x"}, "group_size"),
        ({"group_by_field": "num", "search_params": {"params": {"radius": 9.0}}}, "range-search"),
    ],
    ids=lambda value: "-".join(str(v) for v in value.values())[:20] if isinstance(value, dict) else "",
)
def test_wrong_groupings_are_refused(client, names, parameters, words):
    name = names()
    fields = [
        key_field(),
        ("num", DataType.INT64, {}),
        ("real", DataType.DOUBLE, {}),
        ("extra", DataType.JSON, {}),
        ("list", DataType.ARRAY, {"element_type": DataType.INT64, "max_capacity": 4}),
        vector_field(4),
    ]
    create(client, name, fields, metric="L2")
    with pytest.raises(MilvusException, match=words):
        client.search(name, data=[[0.0] * 4], limit=3, **parameters)


@BY_KEYS
def test_search_by_text_keys(client, name):
    create(client, name, [key_field(DataType.VARCHAR), vector_field(4)], metric="L2")
    insert(client, name, [{"id": f"k{i}", "vec": [float(i)] * 4} for i in range(9)])
    client.delete(name, ids=["k4"])
    hits = client.search(name, ids=["k5", "k0"], limit=2, anns_field="vec")
    assert [[hit.id for hit in found] for found in hits] == [["k5", "k6"], ["k0", "k1"]]
    with pytest.raises(MilvusException, match="k4"):
        client.search(name, ids=["k4"], limit=2, anns_field="vec")


@pytest.mark.parametrize("flushed", [False, True], ids=["growing", "sealed"])
def test_which_end_of_a_range_belongs_to_it(client, names, flushed):
    """L2: range_filter <= distance < radius; IP: radius < score <= range_filter."""
    rows = [{"id": i, "num": 0, "text": "", "vec": [float(i)] + [0.0] * 7} for i in range(8)]

    def found(metric: str, query: float, **params: float) -> list[int]:
        name = simple(client, names(), metric=metric)
        insert(client, name, rows)
        if flushed:
            client.flush(name)
        hits = client.search(name, data=[[query] + [0.0] * 7], limit=8, search_params={"params": params})[0]
        return [hit.id for hit in hits]

    assert found("L2", 0.0, radius=16, range_filter=4) == [2, 3]
    assert found("IP", 1.0, radius=2, range_filter=5) == [5, 4, 3]


def test_equal_scores_come_by_key(client, name):
    simple(client, name)
    insert(client, name, [{"id": key, "num": 0, "text": "", "vec": [1.0] * 8} for key in [5, 3, 9, 1, 7]])
    client.flush(name)
    insert(client, name, [{"id": key, "num": 0, "text": "", "vec": [1.0] * 8} for key in [4, 2, 8, 6]])
    assert search_keys(client, name, np.ones((1, 8), np.float32), limit=9) == [list(range(1, 10))]
    assert search_keys(client, name, np.ones((1, 8), np.float32), limit=4) == [[1, 2, 3, 4]]


def test_an_empty_collection_gives_empty_hits(server, client, name):
    simple(client, name)
    result = client.search(name, data=[[0.0] * 8] * 3, limit=5, output_fields=["num"])
    assert [list(hits) for hits in result] == [[], [], []]
    group = wire.placeholder(np.zeros((3, 8), np.float32))
    with wire.stub(server.address) as stub:
        reply = stub.Search(wire.search_request(name, group, 3))
    assert reply.status.code == 0 and reply.results.num_queries == 3
    assert list(reply.results.topks) == [0, 0, 0]
    assert reply.results.ids.WhichOneof("id_field") == "int_id"


def test_the_result_on_the_wire(server, client, name):
    simple(client, name)
    data = vectors(5, 8)
    insert(client, name, simple_rows(data))
    request = wire.search_request(name, wire.placeholder(data[:2]), 2, topk=3)
    request.output_fields.extend(["num", "id"])
    with wire.stub(server.address) as stub:
        results = stub.Search(request).results
    assert (results.num_queries, results.top_k, list(results.topks)) == (2, 3, [3, 3])
    assert len(results.scores) == len(results.ids.int_id.data) == 6
    assert results.primary_field_name == "id"
    assert list(results.output_fields) == ["num", "id"]
    columns = {column.field_name: column for column in results.fields_data}
    assert list(columns["num"].scalars.long_data.data) == [key * 10 for key in results.ids.int_id.data]
    assert columns["id"].scalars.long_data.data == results.ids.int_id.data


def test_cosine_with_zero_vectors_does_not_fail(client, name):
    simple(client, name, metric="COSINE")
    insert(client, name, simple_rows(np.vstack([np.zeros((1, 8), np.float32), vectors(5, 8)])))
    hits = client.search(name, data=[[0.0] * 8], limit=6, anns_field="vec")[0]
    assert sorted(hit.id for hit in hits) == list(range(6))
    assert all(np.isfinite(hit.distance) for hit in hits)


def test_a_selective_filter_on_a_graph_still_fills_the_limit(client, name, seed):
    """Fewer hits than asked for although enough rows match is the complaint that graph indexes are known for."""
    create(
        client,
        name,
        [key_field(), ("num", DataType.INT64, {}), vector_field(DIM)],
        index="HNSW",
        params={"M": 8, "efConstruction": 40},
    )
    data = vectors(5000, DIM, seed)
    insert(client, name, [{"id": i, "num": i, "vec": v} for i, v in enumerate(data)])
    client.flush(name)
    for rows in (1, 10, 50, 500, 4990):
        hits = client.search(
            name,
            data=[data[0]],
            filter=f"num >= {5000 - rows}",
            limit=50,
            anns_field="vec",
            search_params={"params": {"ef": 50}},
        )[0]
        assert len(hits) == min(rows, 50)
        if rows <= 50:
            chosen = np.arange(5000 - rows, 5000)
            assert [hit.id for hit in hits] == top_keys("L2", data[chosen], chosen, data[0], 50)
