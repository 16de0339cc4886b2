"""Writes: what they answer and what is visible afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from harness import wire
from harness.clients import connect
from harness.collections import (
    count,
    create,
    insert,
    key_field,
    keys_of,
    search_keys,
    simple,
    simple_rows,
    vector_field,
)
from harness.oracle import vectors
from pymilvus import DataType, MilvusException


def all_rows(client, name) -> dict:
    return {row["id"]: row for row in client.query(name, filter="id >= 0", output_fields=["*"])}


def test_insert_answers_keys_in_order(client, name):
    simple(client, name)
    rows = simple_rows(vectors(50, 8))[::-1]
    result = client.insert(name, rows)
    assert result["insert_count"] == 50
    assert list(result["ids"]) == keys_of(rows)
    assert client.insert(name, []) == {"insert_count": 0, "ids": []}


def test_the_mutation_result_on_the_wire(server, client, name):
    simple(client, name)
    columns = [
        wire.int64_column("id", [5, 6]),
        wire.int64_column("num", [1, 2]),
        wire.varchar_column("text", ["a", "b"]),
        wire.vector_column("vec", [0.5] * 16, 8),
    ]
    with wire.stub(server.address) as stub:
        first = stub.Insert(wire.insert_request(name, columns, 2))
        second = stub.Upsert(wire.pb.UpsertRequest(collection_name=name, fields_data=columns, num_rows=2))
        third = stub.Delete(wire.pb.DeleteRequest(collection_name=name, expr="id in [5, 6, 7]"))
    assert first.IDs.int_id.data == second.IDs.int_id.data == [5, 6]
    assert (first.insert_cnt, list(first.succ_index)) == (2, [0, 1])
    assert second.upsert_cnt == 2
    assert third.delete_cnt == 3
    assert 0 < first.timestamp < second.timestamp < third.timestamp
    assert first.timestamp >> 18 > 1_600_000_000_000  # 46 bits of milliseconds since 1970


def test_numpy_rows_and_a_single_dict_are_fine(client, name):
    simple(client, name)
    row = simple_rows(vectors(1, 8))[0]
    assert client.insert(name, row)["insert_count"] == 1
    assert client.insert(name, {**row, "id": np.int64(9), "vec": list(map(float, row["vec"]))})["insert_count"] == 1
    assert count(client, name) == 2


def test_inserting_a_key_twice_keeps_the_newest(client, name):
    """Reads show one row per key: the last one written."""
    simple(client, name)
    first, second = simple_rows(vectors(1, 8, 1))[0], simple_rows(vectors(1, 8, 2))[0]
    client.insert(name, [first])
    client.insert(name, [{**second, "num": 777}])
    hits = client.search(name, data=[second["vec"]], limit=10, anns_field="vec", output_fields=["num"])[0]
    assert [hit.id for hit in hits] == [0]


def test_upsert_replaces_and_adds(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(20, 8)))
    client.flush(name)
    changed = [{**row, "num": -1} for row in simple_rows(vectors(10, 8, 5), first=15)]
    result = client.upsert(name, changed)
    assert result["upsert_count"] == 10 and list(result["ids"]) == list(range(15, 25))
    rows = all_rows(client, name)
    assert sorted(rows) == list(range(25))
    assert [key for key, row in rows.items() if row["num"] == -1] == list(range(15, 25))
    assert np.asarray(rows[17]["vec"], np.float32).tobytes() == changed[2]["vec"].tobytes()
    assert search_keys(client, name, changed[2]["vec"][None, :], limit=1) == [[17]]
    assert count(client, name) == 25


def test_many_upserts_of_one_key_leave_one_row(client, name):
    simple(client, name)
    data = vectors(30, 8)
    for i, vector in enumerate(data):
        client.upsert(name, [{"id": 1, "num": i, "text": "x", "vec": vector}])
        if i % 10 == 4:
            client.flush(name)
    rows = all_rows(client, name)
    assert list(rows) == [1] and rows[1]["num"] == 29
    assert count(client, name) == client.get_collection_stats(name)["row_count"] == 1


def test_upsert_with_the_same_key_twice_in_one_call_is_refused_or_keeps_the_last(client, name):
    simple(client, name)
    rows = [{**row, "id": 3} for row in simple_rows(vectors(2, 8))]
    try:
        client.upsert(name, rows)
    except MilvusException as error:
        assert "duplicate" in error.message.lower()
        assert count(client, name) == 0
    else:
        assert all_rows(client, name)[3]["num"] == rows[1]["num"]


def test_partial_upsert_keeps_what_is_not_named(client, name):
    simple(client, name)
    rows = simple_rows(vectors(5, 8))
    insert(client, name, rows)
    client.flush(name)
    client.upsert(name, [{"id": 2, "num": 99}], partial_update=True)
    got = all_rows(client, name)
    assert got[2]["num"] == 99 and got[2]["text"] == rows[2]["text"]
    assert np.asarray(got[2]["vec"], np.float32).tobytes() == rows[2]["vec"].tobytes()
    assert got[3]["num"] == rows[3]["num"]
    assert count(client, name) == 5


WIDE = [
    key_field(),
    ("num", DataType.INT64, {"nullable": True}),
    ("kind", DataType.VARCHAR, {"max_length": 20, "default_value": "plain"}),
    ("real", DataType.DOUBLE, {}),
    vector_field(4),
    vector_field(2, "second"),
]


def wide_row(key: int, **changes) -> dict:
    values = {"num": key, "kind": f"k{key}", "real": key / 2, "extra": key}
    return {"id": key, **values, "vec": [key] * 4, "second": [-key] * 2, **changes}


@pytest.mark.parametrize("flushed", [False, True], ids=["growing", "sealed"])
@pytest.mark.parametrize("shards", [1, 3])
def test_partial_upsert_of_each_column(client, name, flushed, shards):
    create(client, name, WIDE, dynamic=True, num_shards=shards)
    insert(client, name, [wide_row(i) for i in range(10)])
    if flushed:
        client.flush(name)
    expected = {i: wide_row(i) for i in range(10)}

    def change(*rows: dict) -> None:
        assert client.upsert(name, list(rows), partial_update=True)["upsert_count"] == len(rows)
        for row in rows:
            expected[row["id"]].update(row)
        assert all_rows(client, name) == expected

    change({"id": 1, "num": None}, {"id": 7, "num": 70})
    change({"id": 2, "vec": [0.5] * 4})
    change({"id": 2, "second": [1.5] * 2}, {"id": 3, "second": [2.5] * 2})
    change({"id": 4, "kind": "x", "real": 0.25})
    change({"id": 5, "extra": {"deep": [1, 2**60]}, "more": None}, {"id": 6, "extra": "six"})
    change({"id": 8})
    client.flush(name)
    assert all_rows(client, name) == expected
    hits = client.search(name, data=[[0.5] * 4], anns_field="vec", limit=1)[0]
    assert [hit.id for hit in hits] == [2]


def test_partial_upsert_of_keys_that_are_not_there(client, name):
    """A new row needs what an insert needs; nothing is written when one of the rows lacks it."""
    create(client, name, WIDE, dynamic=True)
    insert(client, name, [wide_row(1)])
    with pytest.raises(MilvusException, match="primary key 2 .*vec"):
        client.upsert(name, [{"id": 1, "num": 9, "real": 1.0}, {"id": 2, "num": 9, "real": 1.0}], partial_update=True)
    assert all_rows(client, name) == {1: wide_row(1)}
    new = {"id": 3, "real": 1.0, "vec": [3.0] * 4, "second": [3.0] * 2}
    client.upsert(name, [new], partial_update=True)
    assert all_rows(client, name)[3] == {**new, "num": None, "kind": "plain"}
    with pytest.raises(MilvusException, match="duplicate primary keys.* 3"):
        client.upsert(name, [{"id": 3, "num": 1}, {"id": 3, "num": 2}], partial_update=True)
    with pytest.raises(MilvusException, match="(?i)primary|missed|id"):
        client.upsert(name, [{"num": 1}], partial_update=True)


def test_partial_upsert_with_text_keys_of_a_collection_that_is_not_loaded(client, name):
    create(client, name, [key_field(DataType.VARCHAR), ("num", DataType.INT64, {}), vector_field(4)], load=False)
    rows = [{"id": f"k{i}", "num": i, "vec": [float(i)] * 4} for i in range(20)]
    insert(client, name, rows)
    client.upsert(name, [{"id": f"k{i}", "num": -i} for i in (19, 3, 10)], partial_update=True)  # not loaded
    client.load_collection(name)
    got = {row["id"]: row for row in client.query(name, filter="id != ''", output_fields=["*"])}
    assert got == {row["id"]: {**row, "num": -i if i in (3, 10, 19) else i} for i, row in enumerate(rows)}


def test_partial_upsert_with_auto_id_gives_a_new_key(client, name):
    create(client, name, [key_field(), ("num", DataType.INT64, {}), vector_field(2)], auto_id=True, num_shards=2)
    keys = client.insert(name, [{"num": i, "vec": [float(i), 0]} for i in range(6)])["ids"]
    result = client.upsert(name, [{"id": keys[4], "num": 40}, {"id": keys[1], "num": 10}], partial_update=True)
    rows = client.query(name, filter="num >= 0", output_fields=["*"])
    assert sorted((row["num"], row["vec"][0]) for row in rows) == [(0, 0), (2, 2), (3, 3), (5, 5), (10, 1), (40, 4)]
    made = [row["id"] for row in rows if row["num"] >= 10]
    assert not set(made) & set(keys)
    if "primary_keys" in result or "ids" in result:
        assert set(result.get("primary_keys") or result.get("ids")) == set(made)


def test_partial_upserts_side_by_side_are_not_lost(server, client, name):
    """Each thread changes columns of its own in the same rows, others delete and insert anew."""
    fields = [key_field(), *[(f"n{i}", DataType.INT64, {}) for i in range(4)], vector_field(2)]
    create(client, name, fields, num_shards=2)
    insert(client, name, [{"id": key, **{f"n{i}": 0 for i in range(4)}, "vec": [0.0, 1.0]} for key in range(5)])
    rounds = 25

    def work(column: int) -> None:
        own = connect(server)
        for value in range(1, rounds + 1):
            own.upsert(name, [{"id": key, f"n{column}": value} for key in range(5)], partial_update=True)
        own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    for row in client.query(name, filter="id >= 0", output_fields=["*"]):
        assert [row[f"n{i}"] for i in range(4)] == [rounds] * 4
    assert count(client, name) == 5


def test_a_dynamic_key_with_the_name_of_a_field_is_refused(server, client, name):
    create(client, name, [key_field(), ("num", DataType.INT64, {"nullable": True}), vector_field(2)], dynamic=True)
    for text in (b'{"num": 5}', b'{"a": {"b": 1}, "n\\u0075m": 5}', b'{"$meta": 1}', b'{"vec": null}'):
        column = wire.schema.FieldData(
            type=wire.schema.JSON,
            field_name="$meta",
            is_dynamic=True,
            scalars=wire.schema.ScalarField(json_data=wire.schema.JSONArray(data=[b"{}", text])),
        )
        columns = [wire.int64_column("id", [1, 2]), column, wire.vector_column("vec", [0.5] * 4, 2)]
        with wire.stub(server.address) as stub:
            status = stub.Insert(wire.insert_request(name, columns, 2)).status
        assert status.code == 1100 and "static field name" in status.reason and "row 1" in status.reason, text
    client.insert(name, [{"id": 1, "vec": [0.5, 0.5], "deep": {"num": 5, "id": 6}}])
    assert client.query(name, filter="deep['num'] == 5")[0]["id"] == 1


def test_delete_by_keys_growing_and_sealed(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(20, 8)))
    client.flush(name)
    insert(client, name, simple_rows(vectors(20, 8, 2), first=20))
    assert client.delete(name, ids=[1, 3, 25, 39, 1000])["delete_count"] == 5
    assert sorted(all_rows(client, name)) == [i for i in range(40) if i not in (1, 3, 25, 39)]
    client.flush(name)
    assert count(client, name) == 36


def test_delete_by_filter_counts_what_it_matched(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(30, 8)))
    client.flush(name)
    assert client.delete(name, filter="num >= 100 and num < 200")["delete_count"] == 10
    assert client.delete(name, filter="text == 'none such'").get("delete_count", 0) == 0
    assert sorted(all_rows(client, name)) == [*range(10), *range(20, 30)]


def test_delete_by_a_filter_with_parameters(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(10, 8)))
    result = client.delete(name, filter="num in {wanted} or text == {t}", filter_params={"wanted": [10, 20], "t": "t3"})
    assert result["delete_count"] == 3
    assert sorted(all_rows(client, name)) == [0, *range(4, 10)]


def test_delete_with_an_empty_filter_is_refused(client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(3, 8)))
    with pytest.raises(MilvusException):
        client.delete(name, filter="")
    assert count(client, name) == 3


def test_a_deleted_key_can_come_back(client, name):
    simple(client, name)
    data = vectors(3, 8)
    for vector in data:
        client.insert(name, [{"id": 1, "num": 0, "text": "", "vec": vector}])
        assert count(client, name) == 1
        client.delete(name, ids=[1])
        assert count(client, name) == 0
    client.insert(name, [{"id": 1, "num": 5, "text": "", "vec": data[0]}])
    client.flush(name)
    assert all_rows(client, name)[1]["num"] == 5


def test_deleting_from_a_partition_spares_the_others(client, name):
    simple(client, name)
    client.create_partition(name, "p")
    insert(client, name, simple_rows(vectors(5, 8)))
    insert(client, name, simple_rows(vectors(5, 8), first=5), partition_name="p")
    client.delete(name, filter="id >= 0", partition_name="p")
    assert sorted(all_rows(client, name)) == list(range(5))


def test_upsert_with_auto_id_gives_a_new_key(client, name):
    create(client, name, [key_field(), ("n", DataType.INT64, {}), vector_field(2)], auto_id=True)
    old = client.insert(name, [{"n": 1, "vec": [0, 1]}])["ids"][0]
    new = client.upsert(name, [{"id": old, "n": 2, "vec": [0, 2]}])["ids"][0]
    rows = all_rows(client, name)
    assert list(rows) == [new] and rows[new]["n"] == 2
    assert new != old


def test_large_batches(client, name):
    create(client, name, [key_field(), vector_field(128)])
    data = vectors(20_000, 128)
    rows = [{"id": i, "vec": vector} for i, vector in enumerate(data)]
    assert client.insert(name, rows)["insert_count"] == 20_000
    assert count(client, name) == 20_000
    assert client.delete(name, ids=list(range(0, 20_000, 2)))["delete_count"] == 10_000
    assert count(client, name) == 10_000
    assert search_keys(client, name, data[[1, 4_001, 19_999]], limit=1) == [[1], [4_001], [19_999]]


def test_a_refused_batch_leaves_no_row(client, name):
    simple(client, name)
    rows = simple_rows(vectors(100, 8))
    rows[99] = {**rows[99], "text": "x" * 1000}
    with pytest.raises(MilvusException):
        client.insert(name, rows)
    assert count(client, name) == 0
