"""Every data type: what was inserted comes back, from growing rows and from sealed segments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from harness.collections import count, create, insert, key_field, vector_field
from harness.oracle import vectors
from pymilvus import DataType, MilvusException

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

SCALARS = [
    ("bool", DataType.BOOL, {}, [True, False]),
    ("int8", DataType.INT8, {}, [-128, 127, 0]),
    ("int16", DataType.INT16, {}, [-32768, 32767, 0]),
    ("int32", DataType.INT32, {}, [-(2**31), 2**31 - 1, 0]),
    ("int64", DataType.INT64, {}, [INT64_MIN, INT64_MAX, 0, 2**53 + 1]),
    ("float", DataType.FLOAT, {}, [0.0, -1.5, 3.4028234663852886e38, 1e-38]),
    ("double", DataType.DOUBLE, {}, [0.0, 0.1, -1.7976931348623157e308, 5e-324]),
    (
        "varchar",
        DataType.VARCHAR,
        {"max_length": 200},
        ["", "plain", "quote ' and \" and \\", "zero\0byte", "ünïcödé 漢字 🦜", "new\nline\ttab", "%_"],
    ),
    (
        "array_int",
        DataType.ARRAY,
        {"element_type": DataType.INT64, "max_capacity": 10},
        [[], [1], [INT64_MIN, 0, INT64_MAX]],
    ),
    ("array_small", DataType.ARRAY, {"element_type": DataType.INT8, "max_capacity": 10}, [[], [-128, 127]]),
    ("array_bool", DataType.ARRAY, {"element_type": DataType.BOOL, "max_capacity": 10}, [[], [True, False]]),
    ("array_double", DataType.ARRAY, {"element_type": DataType.DOUBLE, "max_capacity": 10}, [[], [0.1, -2.5]]),
    ("array_float", DataType.ARRAY, {"element_type": DataType.FLOAT, "max_capacity": 10}, [[], [0.5, -2.5]]),
    (
        "array_text",
        DataType.ARRAY,
        {"element_type": DataType.VARCHAR, "max_capacity": 10, "max_length": 40},
        [[], ["", "a", "ü🦜"]],
    ),
    (
        "json",
        DataType.JSON,
        {},
        [
            {},
            {"a": 1, "b": [1, "x", None, {"c": True}]},
            {"ü": "🦜", "n": None, "f": 0.5, "big": INT64_MAX},
            [1, 2, 3],
            5,
            True,
        ],
    ),
]


def spread(values: list, rows: int) -> list:
    return [values[i % len(values)] for i in range(rows)]


def all_types_rows(rows: int, seed: int) -> tuple[list, list[dict]]:
    fields = [
        key_field(),
        *((n, kind, extra) for n, kind, extra, _ in SCALARS),
        vector_field(4),
        vector_field(3, "vec2"),
    ]
    first, second = vectors(rows, 4, seed), vectors(rows, 3, seed + 1)
    columns = {n: spread(values, rows) for n, _, _, values in SCALARS}
    data = [{"id": i, "vec": first[i], "vec2": second[i], **{n: c[i] for n, c in columns.items()}} for i in range(rows)]
    return fields, data


def same(a: object, b: object) -> bool:
    """Equality that asks vectors for the same bits and takes arrays for lists."""
    if isinstance(b, np.ndarray):
        return np.asarray(a, np.float32).tobytes() == b.tobytes()
    if isinstance(b, float):
        return isinstance(a, float) and (a == b or (math.isnan(a) and math.isnan(b)))
    if isinstance(b, list) and not isinstance(a, str | dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


def assert_rows(got: list[dict], expected: list[dict]) -> None:
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert set(a) == set(b)
        wrong = {key: (a[key], b[key]) for key in b if not same(a[key], b[key])}
        assert not wrong, f"row {b['id']}: {wrong}"


@pytest.mark.parametrize("flushed", [False, True], ids=["growing", "sealed"])
def test_every_type_comes_back_as_it_was(client, name, seed, flushed):
    fields, data = all_types_rows(60, seed)
    create(client, name, fields)
    insert(client, name, data)
    if flushed:
        client.flush(name)
    got = client.query(name, filter="id >= 0", output_fields=["*"])
    assert_rows(got, expected=with_float32(data))
    hits = client.search(name, data=[data[7]["vec"]], anns_field="vec", limit=60, output_fields=["*"])[0]
    by_key = sorted(({**hit["entity"], "id": hit.id} for hit in hits), key=lambda row: row["id"])
    assert_rows(by_key, expected=with_float32(data))


def with_float32(rows: list[dict]) -> list[dict]:
    """FLOAT columns hold 32 bits."""

    def narrow(row: dict) -> dict:
        return {
            **row,
            "float": float(np.float32(row["float"])),
            "array_float": [float(np.float32(x)) for x in row["array_float"]],
        }

    return [narrow(row) for row in rows]


def test_vectors_are_bit_equal_even_when_odd(client, name):
    """Subnormals, negative zero and the largest finite values are data like any other."""
    create(client, name, [key_field(), vector_field(4)], metric="COSINE")
    bits = np.array(
        [[0x00000001, 0x80000000, 0x7F7FFFFF, 0xFF7FFFFF], [0x3F800000, 0xBF800000, 0x00800000, 0x80000001]], np.uint32
    ).view(np.float32)
    insert(client, name, [{"id": i, "vec": bits[i]} for i in range(2)])
    for flushed in (False, True):
        if flushed:
            client.flush(name)
        got = client.query(name, filter="id >= 0", output_fields=["vec"])
        assert [np.asarray(row["vec"], np.float32).tobytes() for row in got] == [row.tobytes() for row in bits]


@pytest.mark.parametrize("flushed", [False, True], ids=["growing", "sealed"])
def test_nullable_columns_and_defaults(client, name, flushed):
    fields = [
        key_field(),
        ("n", DataType.INT64, {"nullable": True}),
        ("t", DataType.VARCHAR, {"max_length": 9, "nullable": True}),
        ("f", DataType.DOUBLE, {"nullable": True}),
        ("b", DataType.BOOL, {"nullable": True}),
        ("j", DataType.JSON, {"nullable": True}),
        ("a", DataType.ARRAY, {"element_type": DataType.INT64, "max_capacity": 4, "nullable": True}),
        ("d", DataType.INT64, {"default_value": 42}),
        ("dt", DataType.VARCHAR, {"max_length": 9, "default_value": "x"}),
        ("dn", DataType.INT32, {"nullable": True, "default_value": 7}),
        vector_field(2),
    ]
    create(client, name, fields)
    full = {"n": 1, "t": "a", "f": 0.5, "b": True, "j": {"k": 1}, "a": [1, 2], "d": 1, "dt": "y", "dn": 3}
    absent = {"n": None, "t": None, "f": None, "b": None, "j": None, "a": None, "d": 42, "dt": "x", "dn": 7}
    client.insert(name, [{"id": 0, "vec": [0, 1], **full}, {"id": 1, "vec": [1, 1], **full, "n": None, "t": None}])
    client.insert(name, [{"id": 2, "vec": [2, 1]}])
    client.insert(name, [{"id": 3, "vec": [3, 1], **dict.fromkeys(full)}, {"id": 4, "vec": [4, 1], **full}])
    if flushed:
        client.flush(name)
    got = client.query(name, filter="id >= 0", output_fields=list(full))
    assert [{key: row[key] for key in full} for row in got] == [
        full,
        {**full, "n": None, "t": None},
        absent,
        absent,
        full,
    ]
    assert [row["id"] for row in client.query(name, filter="n is null")] == [1, 2, 3]
    assert [row["id"] for row in client.query(name, filter="n is not null")] == [0, 4]
    assert [row["id"] for row in client.query(name, filter="not (n == 1)")] == []
    assert [row["id"] for row in client.query(name, filter="d == 42 and dt == 'x'")] == [2, 3]


def test_text_keys(client, name):
    create(client, name, [key_field(DataType.VARCHAR), ("n", DataType.INT64, {}), vector_field(2)])
    keys = ["b", "a", "", "ü", "a b", "a'b", 'a"b', "a\\b", "🦜"]
    assert client.insert(name, [{"id": k, "n": i, "vec": [i, 1]} for i, k in enumerate(keys)])["ids"] == keys
    for flushed in (False, True):
        if flushed:
            client.flush(name)
        got = client.query(name, filter="n >= 0", output_fields=["n"])
        assert [row["id"] for row in got] == sorted(keys, key=lambda key: key.encode())
        assert {row["id"]: row["n"] for row in got} == {k: i for i, k in enumerate(keys)}
        assert [row["n"] for row in client.get(name, ["a b"], output_fields=["n"])] == [4]
        assert client.search(name, data=[[8, 1]], limit=1, anns_field="vec")[0][0].id == "🦜"
    client.delete(name, ids=["a", "zzz"])
    assert count(client, name) == len(keys) - 1


@pytest.mark.parametrize("kind", [DataType.INT64, DataType.VARCHAR], ids=["int64", "varchar"])
def test_auto_ids_are_unique_and_of_the_declared_type(client, name, kind):
    create(client, name, [key_field(kind), ("n", DataType.INT64, {}), vector_field(2)], auto_id=True)
    keys = [
        key
        for start in range(0, 300, 100)
        for key in client.insert(name, [{"n": start + i, "vec": [i, 0]} for i in range(100)])["ids"]
    ]
    assert len(set(keys)) == 300
    assert all(isinstance(key, str if kind == DataType.VARCHAR else int) for key in keys)
    got = {row["id"]: row["n"] for row in client.query(name, filter="n >= 0", output_fields=["n"])}
    assert got == {key: i for i, key in enumerate(keys)}


@pytest.mark.parametrize("flushed", [False, True], ids=["growing", "sealed"])
def test_dynamic_fields(client, name, flushed):
    create(client, name, [key_field(), vector_field(2)], dynamic=True)
    extras = [
        {"colour": "red", "size": 3},
        {"colour": "blue", "deep": {"a": [1, {"b": 2}]}},
        {},
        {"size": 2.5, "ok": True},
    ]
    client.insert(name, [{"id": i, "vec": [i, 1], **extra} for i, extra in enumerate(extras)])
    if flushed:
        client.flush(name)
    got = client.query(name, filter="id >= 0", output_fields=["*"])
    assert [{k: v for k, v in row.items() if k not in ("id", "vec")} for row in got] == extras
    some = client.query(name, filter="id >= 0", output_fields=["size"])
    assert list(some) == [{"id": 0, "size": 3}, {"id": 1}, {"id": 2}, {"id": 3, "size": 2.5}]
    assert [row["id"] for row in client.query(name, filter='colour == "red"')] == [0]
    assert [row["id"] for row in client.query(name, filter='$meta["size"] > 2.6')] == [0]
    assert [row["id"] for row in client.query(name, filter='deep["a"][1]["b"] == 2')] == [1]


def test_json_text_that_is_not_ascii_or_deep_comes_back(client, name):
    create(client, name, [key_field(), ("j", DataType.JSON, {}), vector_field(2)])
    deep: object = 1
    for _ in range(50):
        deep = {"d": [deep]}
    values = [deep, {"k" * 100: "v" * 1000}, {"": ""}, [[], {}, ""], 1e300, -0.5]
    client.insert(name, [{"id": i, "j": value, "vec": [i, 0]} for i, value in enumerate(values)])
    client.flush(name)
    assert [row["j"] for row in client.query(name, filter="id >= 0", output_fields=["j"])] == values


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("v", DataType.VARCHAR, {"max_length": 3}), "four"),
        (("v", DataType.VARCHAR, {"max_length": 3}), "üü"),  # bytes count, not characters
        (("v", DataType.ARRAY, {"element_type": DataType.INT64, "max_capacity": 2}), [1, 2, 3]),
        (("v", DataType.ARRAY, {"element_type": DataType.VARCHAR, "max_capacity": 2, "max_length": 3}), ["four"]),
    ],
    ids=["varchar", "varchar-bytes", "array-capacity", "array-text"],
)
def test_values_over_their_declared_size_are_refused(client, name, field, value):
    create(client, name, [key_field(), field, vector_field(2)])
    with pytest.raises(MilvusException) as error:
        client.insert(name, [{"id": 1, "v": value, "vec": [0, 1]}])
    assert "max" in error.value.message
    assert count(client, name) == 0


def test_largest_dimension(client, name):
    create(client, name, [key_field(), vector_field(32768)])
    data = vectors(3, 32768)
    insert(client, name, [{"id": i, "vec": data[i]} for i in range(3)])
    got = client.query(name, filter="id >= 0", output_fields=["vec"])
    assert [np.asarray(row["vec"], np.float32).tobytes() for row in got] == [row.tobytes() for row in data]
    assert client.search(name, data=[data[1]], limit=1, anns_field="vec")[0][0].id == 1
