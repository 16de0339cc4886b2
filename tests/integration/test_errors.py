"""What wrong calls get: Milvus's code, its recognisable words, and nothing of our insides.

One case per row of the table of Milvus 2.3.5's answers. Where Milvus says 65535 (unexpected) for a mistake of the
caller, 1100 (invalid parameter) and the code of the thing's own range are as good: no client branches on them. Where
Milvus accepts what it never should, the case says so and asks for a refusal.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from harness import wire
from harness.clients import connect, fresh_name
from harness.collections import count, create, create_index, insert, key_field, schema_of, vector_field
from harness.oracle import vectors
from harness.server import SLOWNESS, Server
from pymilvus import DataType, MilvusClient, MilvusException, exceptions

PARAMETER = {65535, 1100}
DIM = 8


@dataclass(frozen=True)
class World:
    """e1: HNSW/L2, loaded, 2000 rows. e2: the same schema, no index, not loaded."""

    server: Server
    client: MilvusClient
    e1: str
    e2: str
    row: dict = field(default_factory=dict)


@pytest.fixture(scope="module")
def world(server) -> World:
    client = connect(server)
    fields = [key_field(), ("num", DataType.INT64, {}), ("s", DataType.VARCHAR, {"max_length": 8}), vector_field(DIM)]
    e1 = create(client, fresh_name("e1"), fields, index="HNSW", params={"M": 8, "efConstruction": 64})
    e2 = create(client, fresh_name("e2"), fields, index=None)
    data = vectors(2000, DIM)
    insert(client, e1, [{"id": i, "num": i, "s": f"s{i % 9}", "vec": v} for i, v in enumerate(data)])
    yield World(server, client, e1, e2, {"id": 1, "num": 1, "s": "a", "vec": [0.5] * DIM})
    assert count(client, e1) == 2000, "a refused call changed something"
    for name in (e1, e2):
        client.drop_collection(name)
    client.close()


@dataclass(frozen=True)
class Case:
    """A call that must be refused with one of `codes` and a text that has all of `words` (regular expressions).

    `client_side`: the SDK refuses it itself with this exception; the server never sees it.
    """

    name: str
    call: Callable[[World], object]
    codes: frozenset[int] | set[int] = frozenset()
    words: tuple[str, ...] = ()
    client_side: type[Exception] | None = None


def with_schema(*fields) -> Callable[[World], object]:
    def call(world: World) -> None:
        name = fresh_name("enew")
        try:
            world.client.create_collection(name, schema=schema_of(fields))
        finally:
            assert not world.client.has_collection(name)

    return call


def with_index(kind: str, metric: str = "L2", column: str = "vec", **params) -> Callable[[World], object]:
    def call(world: World) -> None:
        try:
            create_index(world.client, world.e2, column, kind, metric, params)
        finally:
            assert world.client.list_indexes(world.e2) == []

    return call


def searching(**options) -> Callable[[World], object]:
    def call(world: World) -> object:
        arguments = {"data": [[0.0] * DIM], "limit": 10, "anns_field": "vec", **options}
        return world.client.search(arguments.pop("collection_name", world.e1), **arguments)

    return call


def inserting(change: dict, without: str = "", **options) -> Callable[[World], object]:
    """Inserts a row with `change`, without one field."""

    def call(world: World) -> object:
        row = {k: v for k, v in {**world.row, **change}.items() if k != without}
        return world.client.insert(
            options.get("collection", world.e1), [row], partition_name=options.get("partition", "")
        )

    return call


def bad_filter(text: str) -> Callable[[World], object]:
    return searching(filter=text)


def other_schema(world: World) -> None:
    world.client.create_collection(world.e1, schema=schema_of([key_field(), vector_field(4)]))


def second_index(world: World) -> None:
    create_index(world.client, world.e1, "vec", "FLAT", "L2")


def unknown_database_then_list(world: World) -> object:
    return connect(world.server, db_name="nodb").list_collections()


CASES = [
    Case("create/name-exists-with-another-schema", other_schema, PARAMETER, ("different parameters",)),
    Case("create/no-primary-key", with_schema(vector_field()), client_side=exceptions.PrimaryKeyException),
    Case("create/no-vector-field", with_schema(key_field(), ("n", DataType.INT64, {})), PARAMETER, ("vector",)),
    Case(
        "create/float-primary-key",
        with_schema(("id", DataType.FLOAT, {"is_primary": True}), vector_field()),
        client_side=exceptions.PrimaryKeyException,
    ),
    Case("create/dim-0", with_schema(key_field(), vector_field(0)), PARAMETER, ("dimension", r"\b0\b", "32768")),
    Case(
        "create/dim-100000",
        with_schema(key_field(), vector_field(100_000)),
        PARAMETER,
        ("dimension", "100000", "32768"),
    ),
    Case(
        "create/bad-name",
        lambda w: w.client.create_collection("bad-name!", schema=schema_of([key_field(), vector_field()])),
        {1100},
        ("Invalid collection name", "bad-name!"),
    ),
    Case(
        "create/varchar-without-max-length",
        with_schema(key_field(), ("t", DataType.VARCHAR, {}), vector_field()),
        PARAMETER,
        ("max_length",),
    ),
    Case(
        "create/duplicate-field-name",
        with_schema(key_field(), ("n", DataType.INT64, {}), ("n", DataType.INT64, {}), vector_field()),
        PARAMETER,
        ("duplicated field name",),
    ),
    Case(
        "describe/unknown-collection",
        lambda w: w.client.describe_collection("nope"),
        {100},
        (r"can't find collection|collection not found", r"\[?database=default", "nope"),
    ),
    Case(
        "insert/unknown-collection", lambda w: w.client.insert("nope", [w.row]), {100}, ("collection not found", "nope")
    ),
    Case("insert/wrong-dim", inserting({"vec": [0.5] * 4}), PARAMETER, (r"\b4\b", r"\b8\b", "dim")),
    Case("insert/missing-field", inserting({}, without="s"), client_side=exceptions.DataNotMatchException),
    Case("insert/extra-field", inserting({"zzz": 1}), client_side=exceptions.DataNotMatchException),
    Case("insert/string-in-int64", inserting({"num": "x"}), client_side=exceptions.DataNotMatchException),
    Case("insert/varchar-too-long", inserting({"s": "x" * 100}), {1100}, ("100", "max length", r"\b8\b")),
    Case("insert/nan", inserting({"vec": [float("nan")] + [0.0] * 7}), PARAMETER, ("(?i)nan|not a number",)),
    Case("insert/infinity", inserting({"vec": [float("inf")] + [0.0] * 7}), PARAMETER, ("(?i)inf",)),
    Case("insert/null-in-a-field-that-is-not-nullable", inserting({"num": None}), PARAMETER, ("num", "nullable")),
    Case("insert/unknown-partition", inserting({}, partition="pp"), {200}, ("partition not found", "pp")),
    Case("index/unknown-type", with_index("HNSWX"), PARAMETER, ("invalid index type", "HNSWX")),
    Case("index/unknown-metric", with_index("FLAT", "FOO"), PARAMETER | {1200}, ("metric type", "L2", "IP", "COSINE")),
    Case(
        "index/hnsw-m-too-large",
        with_index("HNSW", M=100_000, efConstruction=8),
        PARAMETER,
        (r"\bM\b", "out of range|should be in range", "2048"),
    ),
    Case("index/ivf-nlist-0", with_index("IVF_FLAT", nlist=0), PARAMETER, ("nlist", "65536")),
    Case("index/ivf-pq-without-m", with_index("IVF_PQ", nlist=8), PARAMETER, ("IVF_PQ", "m")),
    Case("index/ivf-pq-nbits-17", with_index("IVF_PQ", m=1, nbits=17), PARAMETER, ("nbits", "[1, 16]")),
    Case("index/scann-sub-dim", with_index("SCANN", sub_dim=1000), PARAMETER, ("sub_dim", "multiple")),
    Case("index/rabitq-refine-type", with_index("IVF_RABITQ", refine_type="SQ9"), PARAMETER, ("refine_type", "SQ8")),
    Case("index/unknown-field", with_index("FLAT", column="nofield"), PARAMETER | {1700}, ("nofield",)),
    Case(
        "index/second-different", second_index, PARAMETER | {702}, ("at most one distinct index is allowed per field",)
    ),
    Case("load/no-index", lambda w: w.client.load_collection(w.e2), {700}, ("index not found",)),
    Case(
        "search/not-loaded",
        lambda w: w.client.search(w.e2, data=[[0.0] * DIM], anns_field="vec"),
        {101},
        ("collection not loaded",),
    ),
    Case("search/unknown-collection", searching(collection_name="nope"), {100}, ("collection not found", "nope")),
    Case("search/wrong-dim", searching(data=[[0.0] * 4]), PARAMETER, ("(?i)dimension|dim", r"\b4\b", r"\b8\b")),
    Case("search/other-metric", searching(search_params={"metric_type": "IP"}), PARAMETER, ("metric type", "vec", "L2", "IP")),
    Case("search/ef-below-limit", searching(search_params={"params": {"ef": 2}}), PARAMETER, (r"ef\b.*\b2\b.*\b10\b",)),
    Case("search/limit-0", searching(limit=0), client_side=exceptions.ParamError),
    Case("search/limit-100000", searching(limit=100_000), PARAMETER, ("100000", "16384")),
    Case("search/unknown-anns-field", searching(anns_field="nofield"), PARAMETER | {1700}, ("nofield",)),
    Case(
        "search/unknown-output-field",
        searching(output_fields=["nofield"]),
        PARAMETER | {1700},
        ("nofield", "not exist|not found"),
    ),
    Case(
        "search/filter-syntax",
        bad_filter("num >"),
        PARAMETER,
        ("cannot parse expression: num >", "(?i)line|column|position|at"),
    ),
    Case(
        "search/filter-unknown-field",
        bad_filter("nofield > 3"),
        PARAMETER | {1700},
        ("cannot parse expression: nofield > 3", "nofield not exist"),
    ),
    Case(
        "search/filter-type-mismatch",
        bad_filter("num == 'a'"),
        PARAMETER,
        ("cannot parse expression: num == 'a'", "(?i)int64", "(?i)varchar"),
    ),
    Case("search/filter-not-boolean", bad_filter("num + 1"), PARAMETER, ("not a boolean expression", r"num \+ 1")),
    Case("search/filter-text-without-quotes", bad_filter("s == abc"), PARAMETER, ("abc not exist", "quotes")),
    Case("search/filter-equals-null", bad_filter("s == None"), PARAMETER, ("None not exist", "'is null'")),
    Case("search/filter-one-equals-sign", bad_filter("num = 1"), PARAMETER, ("line 1:4", "written ==")),
    Case(
        "search/unknown-partition",
        searching(partition_names=["pp"]),
        PARAMETER | {200},
        ("partition", "pp", "not found"),
    ),
    Case(
        "query/empty-filter-without-limit",
        lambda w: w.client.query(w.e1),
        PARAMETER,
        ("empty expression should be used with limit",),
    ),
    Case("query/negative-limit", lambda w: w.client.query(w.e1, limit=-5), PARAMETER, (r"limit \[-5\]", "greater than 0")),
    Case(
        "query/negative-offset", lambda w: w.client.query(w.e1, limit=5, offset=-1), PARAMETER, (r"offset \[-1\]",)
    ),
    Case(
        "query/offset-plus-limit-over-64-bits",
        lambda w: w.client.query(w.e1, limit=5, offset=2**63 - 1),
        PARAMETER,
        ("offset", str(2**63 - 1), "16384"),
    ),
    Case("query/not-loaded", lambda w: w.client.query(w.e2, filter="id > 0"), {101}, ("collection not loaded",)),
    Case("delete/bad-expression", lambda w: w.client.delete(w.e1, filter="num >"), PARAMETER, ("num >",)),
    Case(
        "index/drop-while-loaded",
        lambda w: w.client.drop_index(w.e1, "vec"),
        PARAMETER,
        ("index cannot be dropped", "release", "e1"),
    ),
    Case("database/unknown", unknown_database_then_list, {800}, ("database not found", "nodb")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_call_is_refused_clearly(world, case):
    with pytest.raises(case.client_side or MilvusException) as error:
        case.call(world)
    if case.client_side is None:
        assert_clear(error.value.code, error.value.message, case)


def assert_clear(code: int, message: str, case: Case) -> None:
    assert code in case.codes, f"{code}: {message}"
    for word in case.words:
        assert re.search(word, message), f"{word!r} is not in {message!r}"
    for inside in ("/", ".cpp", ".cc", ".go", ".h:", "Assert", "by-dev"):
        assert inside not in message, f"{inside!r} tells of our insides: {message!r}"
    for number in re.findall(r"\d{15,}", message):
        assert number in case.words, f"a number that the user did not give: {message!r}"


def test_a_collection_that_is_not_loaded_is_called_by_its_name(world):
    for call in (
        lambda: world.client.query(world.e2, filter="id > 0"),
        lambda: world.client.search(world.e2, data=[[0.0] * DIM], anns_field="vec"),
        lambda: world.client.load_collection(world.e2),
    ):
        with pytest.raises(MilvusException, match=world.e2):
            call()


@pytest.mark.parametrize(("text", "code"), [("num >", 1100), ("nofield > 3", 1100)])
def test_input_errors_are_marked_as_such(server, world, text, code):
    """Newer clients read extra_info; a marked error is not retriable."""
    with wire.stub(server.address) as stub:
        status = stub.Query(wire.pb.QueryRequest(collection_name=world.e1, expr=text)).status
    assert status.extra_info["is_input_error"] == "true" and not status.retriable
    assert status.reason == status.detail and status.error_code != 0 and status.code in {code, 65535, 1700}


# -- what Milvus accepts, and so do we --------------------------------------------------------------------------------


def test_dropping_what_does_not_exist_is_accepted(world):
    world.client.drop_collection("nope")
    world.client.drop_partition(world.e1, "nope")
    with contextlib.suppress(MilvusException):  # Milvus itself says 200 while the collection is loaded
        world.client.release_partitions(world.e1, ["nope"])


def test_inserting_nothing_is_accepted(world):
    assert world.client.insert(world.e1, []) == {"insert_count": 0, "ids": []}


def test_deleting_by_another_field_is_accepted(world):
    assert world.client.delete(world.e1, filter="num == 1999 and id == 1999")["delete_count"] == 1
    world.client.insert(world.e1, [{**world.row, "id": 1999, "num": 1999}])


def test_describing_an_unknown_index_gives_none(world):
    assert world.client.describe_index(world.e1, "nope") is None
    assert world.client.list_indexes(world.e2) == []


def test_hnsw_without_parameters_is_refused_or_has_defaults(world):
    """Milvus 2.3 complains of efConstruction; newer ones have defaults. A complaint names the parameter."""
    name = create(world.client, fresh_name("defaults"), [key_field(), vector_field()], index=None)
    try:
        create_index(world.client, name, "vec", "HNSW", "L2")
    except MilvusException as error:
        assert error.code in PARAMETER and re.search(r"\bM\b|efConstruction", error.message)
    finally:
        world.client.drop_collection(name)


# -- below the SDK ----------------------------------------------------------------------------------------------------


def columns(**change) -> list:
    """The columns of one good row, with some replaced, added, or left out (None)."""
    good = {
        "id": wire.int64_column("id", [1]),
        "num": wire.int64_column("num", [1]),
        "s": wire.varchar_column("s", ["a"]),
        "vec": wire.vector_column("vec", [0.5] * DIM, DIM),
    }
    return [column for column in {**good, **change}.values() if column is not None]


RAW_INSERTS = [
    Case(
        "dim-4-declared",
        lambda w: (columns(vec=wire.vector_column("vec", [0.5] * 4, 4)), 1),
        PARAMETER,
        ("dim", r"\b4\b", r"\b8\b"),
    ),
    Case(
        "dim-8-declared-4-floats-sent",
        lambda w: (columns(vec=wire.vector_column("vec", [0.5] * 4, 8)), 1),
        PARAMETER,
        (r"\b4\b", r"\b8\b"),
    ),
    Case("field-missing", lambda w: (columns(s=None), 1), PARAMETER, (r"\bs\b",)),
    Case(
        "column-lengths-differ",
        lambda w: (columns(id=wire.int64_column("id", [1, 2])), 1),
        PARAMETER,
        (r"\bid\b", r"\b2\b", r"\b1\b"),
    ),
    Case(
        "string-data-in-int64-field",
        lambda w: (columns(num=wire.varchar_column("num", ["x"])), 1),
        PARAMETER,
        ("num", "(?i)int64", "(?i)varchar|string"),
    ),
    Case(
        "int64-data-in-varchar-field",
        lambda w: (columns(s=wire.int64_column("s", [1])), 1),
        PARAMETER,
        (r"\bs\b", "(?i)varchar"),
    ),
    Case(
        "string-data-under-the-type-int64",
        lambda w: (
            columns(
                num=wire.schema.FieldData(
                    type=wire.schema.Int64,
                    field_name="num",
                    scalars=wire.schema.ScalarField(string_data=wire.schema.StringArray(data=["x"])),
                )
            ),
            1,
        ),
        PARAMETER,
        ("num",),
    ),
    Case(
        "vector-in-scalar-field",
        lambda w: (columns(num=wire.vector_column("num", [0.5] * DIM, DIM)), 1),
        PARAMETER,
        ("num",),
    ),
    Case(
        "unknown-extra-field",
        lambda w: (columns(zzz=wire.int64_column("zzz", [1])), 1),
        PARAMETER,
        ("zzz|number of fields",),
    ),
    Case("same-field-twice", lambda w: ([*columns(), wire.int64_column("num", [1])], 1), PARAMETER, ("num",)),
    Case("num-rows-0", lambda w: (columns(), 0), PARAMETER, ("num_rows", "greater than 0")),
    Case("num-rows-huge", lambda w: (columns(), 2**31), PARAMETER, ("num_rows|rows",)),
    Case("no-columns", lambda w: ([], 1), PARAMETER, ()),
]


@pytest.mark.parametrize("upsert", [False, True], ids=["insert", "upsert"])
@pytest.mark.parametrize("case", RAW_INSERTS, ids=lambda case: case.name)
def test_a_wrong_raw_write_is_refused_before_it_is_logged(world, case, upsert):
    data, rows = case.call(world)
    request = wire.insert_request(world.e1, data, rows)
    with wire.stub(world.server.address) as stub:
        if upsert:
            reply = stub.Upsert(wire.pb.UpsertRequest.FromString(request.SerializeToString()))
        else:
            reply = stub.Insert(request)
    assert_clear(reply.status.code, reply.status.reason, case)
    assert reply.insert_cnt == 0 and count(world.client, world.e1) == 2000


def test_after_string_data_in_an_int64_column_the_server_lives_and_restarts(private_server, connection):
    """In Milvus 2.3.5 this request is acknowledged, kills the process, and kills it again at every start."""
    server = private_server()
    client = connection(server)
    create(
        client,
        "c",
        [key_field(), ("num", DataType.INT64, {}), ("s", DataType.VARCHAR, {"max_length": 8}), vector_field(DIM)],
    )
    client.insert("c", [{"id": 9, "num": 1, "s": "a", "vec": [0.5] * DIM}])
    with wire.stub(server.address) as stub:
        reply = stub.Insert(wire.insert_request("c", columns(num=wire.varchar_column("num", ["x"])), 1))
    assert reply.status.code != 0
    for _ in range(2):
        assert count(connection(server), "c") == 1
        server.crash()


def raw_schema(name: str, fields: list) -> Callable[[World], object]:
    return lambda w: wire.create_request(fresh_name(name), fields)


VECTOR = wire.field_schema("vec", wire.schema.FloatVector, dim=DIM)
KEY = wire.field_schema("id", wire.schema.Int64, primary=True)

RAW_SCHEMAS = [
    Case(
        "garbage",
        lambda w: wire.pb.CreateCollectionRequest(collection_name="garbage", schema=b"\xff\xfe\xfd garbage"),
        PARAMETER,
        ("schema|parse|wire",),
    ),
    Case("empty", lambda w: wire.pb.CreateCollectionRequest(collection_name="empty"), PARAMETER, ()),
    Case("no-primary-key", raw_schema("nokey", [VECTOR]), PARAMETER, ("primary key",)),
    Case(
        "two-primary-keys",
        raw_schema("twokeys", [KEY, wire.field_schema("b", wire.schema.Int64, primary=True), VECTOR]),
        PARAMETER,
        ("primary key",),
    ),
    Case(
        "float-primary-key",
        raw_schema("floatkey", [wire.field_schema("id", wire.schema.Float, primary=True), VECTOR]),
        PARAMETER,
        ("primary key|primary",),
    ),
    Case("no-vector", raw_schema("novector", [KEY]), PARAMETER, ("vector",)),
    Case("no-dim", raw_schema("nodim", [KEY, wire.field_schema("vec", wire.schema.FloatVector)]), PARAMETER, ("dim",)),
    Case(
        "dim-not-a-number",
        raw_schema("baddim", [KEY, wire.field_schema("vec", wire.schema.FloatVector, dim="many")]),
        PARAMETER,
        ("dim", "many"),
    ),
    Case(
        "dim-negative",
        raw_schema("negdim", [KEY, wire.field_schema("vec", wire.schema.FloatVector, dim=-8)]),
        PARAMETER,
        ("dim",),
    ),
    Case(
        "unknown-type", raw_schema("type99", [KEY, wire.field_schema("x", 99), VECTOR]), PARAMETER | {10}, (r"\bx\b",)
    ),
    Case(
        "string-type",
        raw_schema("stringtype", [KEY, wire.field_schema("x", wire.schema.String), VECTOR]),
        PARAMETER | {10},
        (r"\bx\b",),
    ),
    Case(
        "array-without-capacity",
        raw_schema(
            "array",
            [
                KEY,
                VECTOR,
                wire.schema.FieldSchema(name="a", data_type=wire.schema.Array, element_type=wire.schema.Int64),
            ],
        ),
        PARAMETER,
        ("max_capacity",),
    ),
    Case(
        "array-of-vectors",
        raw_schema(
            "arrayofvec",
            [
                KEY,
                VECTOR,
                wire.schema.FieldSchema(
                    name="a",
                    data_type=wire.schema.Array,
                    element_type=wire.schema.FloatVector,
                    type_params=[wire.common.KeyValuePair(key="max_capacity", value="5")],
                ),
            ],
        ),
        PARAMETER | {10},
        (r"\ba\b",),
    ),
    Case(
        "field-name-empty",
        raw_schema("noname", [KEY, wire.field_schema("", wire.schema.Int64), VECTOR]),
        PARAMETER,
        ("name",),
    ),
    Case(
        "field-name-reserved",
        raw_schema("meta", [KEY, wire.field_schema("$meta", wire.schema.JSON), VECTOR]),
        PARAMETER,
        (r"\$meta|name",),
    ),
    Case(
        "nullable-key",
        raw_schema(
            "nullkey",
            [
                wire.schema.FieldSchema(name="id", data_type=wire.schema.Int64, is_primary_key=True, nullable=True),
                VECTOR,
            ],
        ),
        PARAMETER,
        ("(?i)null|primary",),
    ),
    Case(
        "default-of-another-type",
        raw_schema(
            "default",
            [
                KEY,
                VECTOR,
                wire.schema.FieldSchema(
                    name="n", data_type=wire.schema.Int64, default_value=wire.schema.ValueField(string_data="x")
                ),
            ],
        ),
        PARAMETER,
        (r"\bn\b", "(?i)default"),
    ),
    Case(
        "auto-id-on-another-field",
        raw_schema("auto", [KEY, VECTOR, wire.schema.FieldSchema(name="n", data_type=wire.schema.Int64, autoID=True)]),
        PARAMETER,
        ("(?i)auto",),
    ),
]


@pytest.mark.parametrize("case", RAW_SCHEMAS, ids=lambda case: case.name)
def test_a_wrong_raw_schema_is_refused(world, case):
    request = case.call(world)
    with wire.stub(world.server.address) as stub:
        status = stub.CreateCollection(request)
    assert_clear(status.code, status.reason, case)
    assert not world.client.has_collection(request.collection_name)


def group(rows: int = 1, dim: int = DIM) -> bytes:
    return wire.placeholder(np.zeros((rows, dim), np.float32))


RAW_SEARCHES = [
    Case("empty", lambda w: wire.pb.SearchRequest(collection_name=w.e1), PARAMETER, ("nq", "16384")),
    Case("nq-says-more-than-there-are", lambda w: wire.search_request(w.e1, group(1), 5), PARAMETER, ("nq",)),
    Case(
        "nq-over-the-limit",
        lambda w: wire.search_request(w.e1, group(16_385), 16_385),
        PARAMETER,
        ("nq", "16385", "16384"),
    ),
    Case("topk-negative", lambda w: wire.search_request(w.e1, group(), 1, topk=-1), PARAMETER, ("top", "16384")),
    Case("topk-not-a-number", lambda w: wire.search_request(w.e1, group(), 1, topk="ten"), PARAMETER, ("topk", "ten")),
    Case("topk-over-64-bits", lambda w: wire.search_request(w.e1, group(), 1, topk=2**70), PARAMETER, ("topk", str(2**70))),
    Case(
        "offset-plus-limit",
        lambda w: wire.search_request(w.e1, group(), 1, topk=10_000, offset=10_000),
        PARAMETER,
        ("offset|limit|top", "16384"),
    ),
    Case(
        "offset-plus-limit-over-64-bits",
        lambda w: wire.search_request(w.e1, group(), 1, offset=2**63 - 1),
        PARAMETER,
        ("offset", str(2**63 - 1), "16384"),
    ),
    Case("params-no-json", lambda w: wire.search_request(w.e1, group(), 1, params="{not json"), PARAMETER, ("params",)),
    Case("placeholder-garbage", lambda w: wire.search_request(w.e1, b"\xff\xff\xff garbage", 1), PARAMETER, ()),
    Case(
        "placeholder-of-bytes-that-do-not-divide",
        lambda w: wire.search_request(w.e1, wire.placeholder(np.zeros((1, 31), np.uint8)), 1),
        PARAMETER,
        (r"vec.*dim\(8\)", "31 bytes"),
    ),
    Case(
        "placeholder-of-another-dimension",
        lambda w: wire.search_request(w.e1, group(dim=4), 1),
        PARAMETER,
        (r"vec.*dim\(8\)", "4 dimensions"),
    ),
    Case(
        "placeholders-of-unequal-lengths",
        lambda w: wire.search_request(w.e1, wire.placeholder([np.zeros(DIM, np.float32), np.zeros(3, np.float32)]), 2),
        PARAMETER,
        (r"vec.*dim\(8\)", "3 dimensions"),
    ),
    Case(
        "placeholder-of-another-type",
        lambda w: wire.search_request(
            w.e1, wire.placeholder(np.zeros((1, 1), np.uint8), wire.common.PlaceholderType.BinaryVector), 1
        ),
        PARAMETER,
        ("(?i)type|vector",),
    ),
    Case(
        "nan-in-the-query",
        lambda w: wire.search_request(w.e1, wire.placeholder(np.full((1, DIM), np.nan, np.float32)), 1),
        PARAMETER,
        ("(?i)nan|not a number",),
    ),
    Case(
        "round-decimal-out-of-range",
        lambda w: wire.search_request(w.e1, group(), 1, round_decimal=99),
        PARAMETER,
        ("round_decimal",),
    ),
    Case(
        "unknown-group-by-field",
        lambda w: wire.search_request(w.e1, group(), 1, group_by_field="nofield"),
        PARAMETER | {1700},
        ("nofield",),
    ),
]


@pytest.mark.parametrize("case", RAW_SEARCHES, ids=lambda case: case.name)
def test_a_wrong_raw_search_is_refused(world, case):
    with wire.stub(world.server.address) as stub:
        reply = stub.Search(case.call(world), timeout=20 * SLOWNESS)
    assert_clear(reply.status.code, reply.status.reason, case)
