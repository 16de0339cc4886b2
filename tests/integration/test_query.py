"""Query: filters, keys, paging, counting, order."""

from __future__ import annotations

import numpy as np
import pytest
from harness import wire
from harness.clients import connect, fresh_name
from harness.collections import count, create, insert, key_field, keys_of, simple, vector_field
from harness.oracle import vectors
from pymilvus import DataType, MilvusException

ROWS = 300


@pytest.fixture(scope="module")
def collection(server) -> str:
    """Keys shuffled over two sealed segments and growing rows, some deleted: even hundreds are gone."""
    client = connect(server)
    fields = [
        key_field(),
        ("num", DataType.INT64, {}),
        ("text", DataType.VARCHAR, {"max_length": 20}),
        ("doc", DataType.JSON, {}),
        vector_field(4),
    ]
    name = create(client, fresh_name("query"), fields, dynamic=True)
    keys = np.random.default_rng(1).permutation(ROWS + 3)
    data = vectors(ROWS + 3, 4)
    rows = [
        {
            "id": int(k),
            "num": int(k) % 10,
            "text": f"t{k:03}",
            "doc": {"k": int(k), "l": [int(k) % 3]},
            "vec": data[k],
            "extra": int(k) * 2,
        }
        for k in keys
    ]
    for third in range(3):
        insert(client, name, rows[third::3])
        if third < 2:
            client.flush(name)
    client.delete(name, ids=[ROWS, ROWS + 1, ROWS + 2])
    yield name
    client.drop_collection(name)
    client.close()


def test_rows_come_by_key_ascending(client, collection):
    assert keys_of(client.query(collection, filter="id >= 0", output_fields=["id"])) == list(range(ROWS))


@pytest.mark.parametrize(
    ("limit", "offset"), [(1, 0), (10, 0), (10, 5), (100, 250), (5, 300), (1000, 299), (16000, 384)]
)
def test_limit_and_offset(client, collection, limit, offset):
    got = keys_of(client.query(collection, filter="id >= 0", output_fields=["num"], limit=limit, offset=offset))
    assert got == list(range(ROWS))[offset : offset + limit]


def test_a_limit_does_for_a_filter(client, collection):
    assert keys_of(client.query(collection, limit=7, output_fields=["num"])) == list(range(7))
    with pytest.raises(MilvusException, match="limit"):
        client.query(collection, filter="")


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("num == 3", lambda k: k % 10 == 3),
        ("num in [1, 2] and id < 50", lambda k: k % 10 in (1, 2) and k < 50),
        ("text like 't00%'", lambda k: k < 10),
        ("doc['k'] >= 290", lambda k: k >= 290),
        ("json_contains(doc['l'], 2)", lambda k: k % 3 == 2),
        ("extra == 20", lambda k: k == 10),
        ("not (num < 9)", lambda k: k % 10 == 9),
        ("(id + 1) % 100 == 0", lambda k: (k + 1) % 100 == 0),
        ("id not in [0, 1, 2]", lambda k: k > 2),
        ("10 <= id < 12", lambda k: k in (10, 11)),
    ],
)
def test_filters(client, collection, text, chosen):
    wanted = [k for k in range(ROWS) if chosen(k)]
    assert keys_of(client.query(collection, filter=text, output_fields=["id"])) == wanted
    assert count(client, collection, text) == len(wanted)


def test_templates(client, collection):
    got = client.query(
        collection,
        filter="id in {keys} and text != {t}",
        output_fields=["id"],
        filter_params={"keys": [7, 8, 9, 100000], "t": "t008"},
    )
    assert keys_of(got) == [7, 9]
    with pytest.raises(MilvusException):
        client.query(collection, filter="id in {missing}", filter_params={"other": [1]})


def test_ids_and_get(client, collection):
    assert keys_of(client.query(collection, ids=[5, 3, 5, 999_999], output_fields=["num"])) == [3, 5]
    assert list(client.get(collection, [4, 2], output_fields=["num"])) == [{"id": 2, "num": 2}, {"id": 4, "num": 4}]
    assert list(client.get(collection, 9, output_fields=["text"])) == [{"id": 9, "text": "t009"}]
    assert client.get(collection, [999_999]) == []
    assert client.get(collection, []) == []


def test_output_fields(client, collection):
    row = client.query(collection, filter="id == 12", output_fields=["*"])[0]
    assert set(row) == {"id", "num", "text", "doc", "vec", "extra"}
    assert (row["doc"], row["extra"]) == ({"k": 12, "l": [0]}, 24)
    assert np.asarray(row["vec"], np.float32).tobytes() == vectors(ROWS + 3, 4)[12].tobytes()
    assert list(client.query(collection, filter="id == 12", output_fields=["extra"])) == [{"id": 12, "extra": 24}]
    assert client.query(collection, filter="id == 12", output_fields=["$meta"])[0]["extra"] == 24
    assert list(client.query(collection, filter="id == 12", output_fields=["id"])) == [{"id": 12}]


def test_unknown_output_fields_without_a_dynamic_field(client, name):
    simple(client, name)
    with pytest.raises(MilvusException, match="nofield"):
        client.query(name, filter="id > 0", output_fields=["nofield"])


def test_counting(client, collection):
    assert count(client, collection) == ROWS
    assert count(client, collection, "num == 0") == 30
    assert count(client, collection, "id < 0") == 0
    with pytest.raises(MilvusException):
        client.query(collection, output_fields=["count(*)"], limit=5)


def test_count_on_the_wire(server, collection):
    request = wire.pb.QueryRequest(collection_name=collection, output_fields=["count(*)"])
    with wire.stub(server.address) as stub:
        reply = stub.Query(request)
    assert [(c.field_name, list(c.scalars.long_data.data)) for c in reply.fields_data] == [("count(*)", [ROWS])]


def test_no_rows_still_have_columns(server, client, collection):
    """The SDK says "No fields returned" otherwise."""
    assert client.query(collection, filter="id < 0", output_fields=["*"]) == []
    request = wire.pb.QueryRequest(collection_name=collection, expr="id < 0", output_fields=["num", "text"])
    with wire.stub(server.address) as stub:
        reply = stub.Query(request)
    assert reply.status.code == 0
    assert {column.field_name for column in reply.fields_data} == {"id", "num", "text"}


def test_a_window_over_16384_is_refused(client, collection):
    with pytest.raises(MilvusException, match="16384"):
        client.query(collection, filter="id >= 0", limit=16385)
    with pytest.raises(MilvusException, match="16384"):
        client.query(collection, filter="id >= 0", limit=10, offset=16380)


def test_more_rows_than_a_window_come_without_a_limit(client, name):
    create(client, name, [key_field(), vector_field(2)])
    insert(client, name, [{"id": i, "vec": [i, 0]} for i in range(20_000)], batch=10_000)
    assert len(client.query(name, filter="id >= 0", output_fields=["id"])) == 20_000
    assert len(client.get(name, list(range(18_000)), output_fields=["id"])) == 18_000
