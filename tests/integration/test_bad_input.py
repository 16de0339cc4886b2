"""Input that no SDK would send: an answer or a refusal, and another collection that stays as it was."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time

import grpc
import numpy as np
import pytest
from harness import wire
from harness.collections import count, create, insert, key_field, simple, simple_rows, vector_field
from harness.oracle import vectors
from harness.server import SLOWNESS
from pymilvus import DataType, MilvusException

LONG = 2 * 2**20


@pytest.fixture
def untouched(server, client, name):
    """A collection that nothing here may change."""
    kept = f"{name}_kept"
    simple(client, kept)
    data = vectors(50, 8)
    insert(client, kept, simple_rows(data))
    yield kept
    assert server.alive(), server.log_tail()
    assert count(client, kept) == 50
    assert client.search(kept, data=[data[9]], limit=1, anns_field="vec")[0][0].id == 9
    client.drop_collection(kept)


# -- bytes ------------------------------------------------------------------------------------------------------------


def sample_messages(collection: str) -> list[bytes]:
    """Serialized requests whose pieces make good starting points."""
    columns = [
        wire.int64_column("id", [1]),
        wire.int64_column("num", [1]),
        wire.varchar_column("text", ["a"]),
        wire.vector_column("vec", [0.5] * 8, 8),
    ]
    search = wire.search_request("elsewhere", wire.placeholder(np.zeros((1, 8), np.float32)), 1)
    return [
        wire.insert_request("elsewhere", columns, 1).SerializeToString(),
        search.SerializeToString(),
        wire.pb.QueryRequest(collection_name="elsewhere", expr="id > 0").SerializeToString(),
        wire.create_request("elsewhere", [wire.field_schema("id", 5, primary=True)]).SerializeToString(),
        wire.pb.DescribeCollectionRequest(collection_name=collection).SerializeToString(),
    ]


def mutations(message: bytes, source: random.Random) -> list[bytes]:
    """Truncated, with flipped bits, with a huge length, repeated."""
    position = source.randrange(len(message))
    flipped = bytearray(message)
    for _ in range(1 + len(message) // 20):
        flipped[source.randrange(len(message))] ^= 1 << source.randrange(8)
    return [
        message[:position],
        bytes(flipped),
        message[:position] + b"\xff\xff\xff\xff\x7f" + message[position:],
        message[position:] + message,
    ]


@pytest.mark.parametrize(
    "method", [m for m in wire.method_names() if not m.startswith(("Drop", "CreateReplicateStream"))]
)
def test_random_and_truncated_messages(server, untouched, seed, method):
    source = random.Random(f"{seed}/{method}")
    payloads = [b"", b"\x00", b"\xff" * 64, source.randbytes(200)]
    for message in sample_messages(untouched):
        payloads += mutations(message, source)
    with wire.channel(server.address) as channel:
        for payload in payloads:
            answer = wire.raw_call(channel, method, payload)
            assert answer not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), payload.hex()


def test_unknown_methods_and_services(server, untouched):
    with wire.channel(server.address) as channel:
        assert wire.raw_call(channel, "NoSuchMethod", b"") == grpc.StatusCode.UNIMPLEMENTED
        call = channel.unary_unary("/no.such.Service/At", request_serializer=None, response_deserializer=None)
        with pytest.raises(grpc.RpcError) as error:
            call(b"", timeout=10 * SLOWNESS)
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_bytes_that_are_no_http2(server, untouched, seed):
    source = random.Random(seed)
    starts = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + source.randbytes(500),
        source.randbytes(5000),
        b"",
    ]
    for data in starts:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as opened:
            opened.sendall(data)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST at close


# -- FieldData --------------------------------------------------------------------------------------------------------


def scalar(kind: int, **arrays) -> wire.schema.FieldData:
    return wire.schema.FieldData(type=kind, field_name="num", scalars=wire.schema.ScalarField(**arrays))


WRONG_COLUMNS = {
    "nothing": wire.schema.FieldData(type=wire.schema.Int64, field_name="num"),
    "empty-scalars": scalar(wire.schema.Int64),
    "no-values": wire.int64_column("num", []),
    "too-many-values": wire.int64_column("num", list(range(1000))),
    "valid-data-shorter": wire.schema.FieldData(
        type=wire.schema.Int64,
        field_name="num",
        valid_data=[True],
        scalars=wire.schema.ScalarField(long_data=wire.schema.LongArray(data=[1])),
    ),
    "valid-data-longer": wire.schema.FieldData(
        type=wire.schema.Int64,
        field_name="num",
        valid_data=[True] * 9,
        scalars=wire.schema.ScalarField(long_data=wire.schema.LongArray(data=[1])),
    ),
    "int-array-for-int64": scalar(wire.schema.Int64, int_data=wire.schema.IntArray(data=[1, 2])),
    "json-for-int64": scalar(wire.schema.JSON, json_data=wire.schema.JSONArray(data=[b"{}", b"{}"])),
    "no-name": wire.int64_column("", [1, 2]),
}


@pytest.mark.parametrize("kind", WRONG_COLUMNS)
def test_columns_of_wrong_lengths_and_types(server, client, name, untouched, kind):
    simple(client, name)
    columns = [
        wire.int64_column("id", [1, 2]),
        WRONG_COLUMNS[kind],
        wire.varchar_column("text", ["a", "b"]),
        wire.vector_column("vec", [0.5] * 16, 8),
    ]
    with wire.stub(server.address) as stub:
        assert stub.Insert(wire.insert_request(name, columns, 2)).status.code != 0
    assert count(client, name) == 0


@pytest.mark.parametrize(
    ("floats", "dim"), [(0, 8), (15, 8), (17, 8), (16, 0), (16, -8), (16, 16), (16, 2**40), (16, 4)]
)
def test_vector_columns_of_wrong_lengths(server, client, name, untouched, floats, dim):
    simple(client, name)
    columns = [
        wire.int64_column("id", [1, 2]),
        wire.int64_column("num", [1, 2]),
        wire.varchar_column("text", ["a", "b"]),
        wire.vector_column("vec", [0.5] * floats, dim),
    ]
    with wire.stub(server.address) as stub:
        assert stub.Insert(wire.insert_request(name, columns, 2)).status.code != 0
    assert count(client, name) == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none(client, name, untouched, value):
    create(client, name, [key_field(), ("d", DataType.DOUBLE, {}), ("f", DataType.FLOAT, {}), vector_field(2)])
    good = {"id": 1, "d": 0.5, "f": 0.5, "vec": [0.0, 1.0]}
    for change in ({"vec": [value, 0.0]}, {"d": value}, {"f": value}):
        with pytest.raises(MilvusException):
            client.insert(name, [{**good, **change}])
    assert count(client, name) == 0


@pytest.mark.parametrize(
    "text",
    [b"{", b"", b"nul", b'{"a":}', b"[1,]", b'{"a":NaN}', b"\xff\xfe", b'"\\ud800"', b"[" * 100_000],
    ids=lambda t: repr(t[:10]),
)
def test_json_that_is_none(server, client, name, untouched, text):
    create(client, name, [key_field(), ("j", DataType.JSON, {}), vector_field(2)])
    column = wire.schema.FieldData(
        type=wire.schema.JSON,
        field_name="j",
        scalars=wire.schema.ScalarField(json_data=wire.schema.JSONArray(data=[text])),
    )
    columns = [wire.int64_column("id", [1]), column, wire.vector_column("vec", [0.5] * 2, 2)]
    with wire.stub(server.address) as stub:
        status = stub.Insert(wire.insert_request(name, columns, 1)).status
    assert status.code != 0, "accepted"
    assert count(client, name) == 0


def test_a_dynamic_column_that_is_no_object(server, client, name, untouched):
    create(client, name, [key_field(), vector_field(2)], dynamic=True)
    for text in (b"[1]", b"5", b"{bad", b'{"id": 5}'):
        column = wire.schema.FieldData(
            type=wire.schema.JSON,
            field_name="$meta",
            is_dynamic=True,
            scalars=wire.schema.ScalarField(json_data=wire.schema.JSONArray(data=[text])),
        )
        columns = [wire.int64_column("id", [1]), column, wire.vector_column("vec", [0.5] * 2, 2)]
        with wire.stub(server.address) as stub:
            assert stub.Insert(wire.insert_request(name, columns, 1)).status.code != 0, text
    assert count(client, name) == 0


# -- names ------------------------------------------------------------------------------------------------------------

NAMES = [
    "../up",
    "a/b",
    "/etc/passwd",
    "a\\b",
    "a b",
    "",
    "1st",
    "a" * 256,
    "ü",
    "a\nb",
    "-x",
    "a;b",
    "a.b",
    "..",
    "%2e",
]


@pytest.mark.parametrize("bad", NAMES)
def test_names_with_path_characters(server, client, name, untouched, bad):
    simple(client, name, index=None)
    fields = [
        wire.field_schema("id", wire.schema.Int64, primary=True),
        wire.field_schema("vec", wire.schema.FloatVector, dim=4),
    ]
    with wire.stub(server.address) as stub:
        replies = [
            stub.CreateCollection(wire.create_request(bad, fields)),
            stub.CreateDatabase(wire.pb.CreateDatabaseRequest(db_name=bad)),
            stub.CreateAlias(wire.pb.CreateAliasRequest(collection_name=name, alias=bad)),
            stub.RenameCollection(wire.pb.RenameCollectionRequest(oldName=name, newName=bad)),
            stub.CreateCollection(
                wire.create_request(f"{name}_f", [*fields, wire.field_schema(bad, wire.schema.Int64)])
            ),
        ]
        partition = stub.CreatePartition(wire.pb.CreatePartitionRequest(collection_name=name, partition_name=bad))
        if bad == "1st":  # partitions are often named after dates; as in Milvus they may begin with a digit
            assert partition.code == 0, partition.reason
        else:
            replies.append(partition)
        if bad:
            replies.append(
                stub.CreateIndex(
                    wire.pb.CreateIndexRequest(
                        collection_name=name,
                        field_name="vec",
                        index_name=bad,
                        extra_params=[
                            wire.common.KeyValuePair(key="index_type", value="FLAT"),
                            wire.common.KeyValuePair(key="metric_type", value="L2"),
                        ],
                    )
                )
            )
    assert all(status.code != 0 for status in replies), [status.code for status in replies]
    assert all("not found" not in status.reason.lower() for status in replies[:2])


# -- filters ----------------------------------------------------------------------------------------------------------

DEEP = 100_000
FILTERS = {
    "parentheses": "(" * DEEP + "num > 1" + ")" * DEEP,
    "open-parentheses": "(" * DEEP,
    "nots": "not " * DEEP + "(num > 1)",
    "minuses": "num > " + "-" * DEEP + "1",
    "brackets": "num in " + "[" * DEEP,
    "json-path": "doc" + "['a']" * DEEP + " == 1",
    "ors": " or ".join(["num == 1"] * (LONG // 12)),
    "long-string": "text == '" + "x" * LONG + "'",
    "long-list": "id in [" + ",".join(map(str, range(300_000))) + "]",
    "long-name": "n" * LONG + " == 1",
    "zero-bytes": "num == 1\0 or num == 2",
    "not-utf8-escape": "text == '\\xff\\u12'",
    "backslashes": "text like '" + "\\" * 10_001 + "'",
    "percents": "text like '" + "%a" * 20_000 + "'",
    "powers": "num == 2 ** " * 1 + "2 ** " * 1000 + "2",
    "huge-number": "num == " + "9" * 5000,
    "division-by-zero": "num / 0 == 1",
    "modulo-by-zero": "num % 0 == 1",
    "minimum-by-minus-one": "num / -1 == 1 and num % -1 == 0",
    "shift-too-far": "num << 9999 == 1",
}


@pytest.mark.parametrize("kind", FILTERS)
def test_filters_deep_and_long(server, client, name, untouched, kind):
    """An answer or an error, in bounded time."""
    create(
        client,
        name,
        [
            key_field(),
            ("num", DataType.INT64, {}),
            ("text", DataType.VARCHAR, {"max_length": 64}),
            ("doc", DataType.JSON, {}),
            vector_field(2),
        ],
    )
    insert(client, name, [{"id": i, "num": i, "text": "a" * (i % 60), "doc": {}, "vec": [i, 1]} for i in range(100)])
    patience = 30 * SLOWNESS
    with wire.stub(server.address) as stub:
        reply = stub.Query(
            wire.pb.QueryRequest(collection_name=name, expr=FILTERS[kind], output_fields=["id"]), timeout=patience
        )
        stub.Delete(wire.pb.DeleteRequest(collection_name="elsewhere", expr=FILTERS[kind]), timeout=patience)
    assert len(reply.status.reason) < 10_000, "the error repeats the whole filter"
    # A JSON path is a list, not a nest: a long one is answered (there is no such key).
    if kind in ("parentheses", "open-parentheses", "nots", "brackets", "zero-bytes"):
        assert reply.status.code != 0


# -- limits -----------------------------------------------------------------------------------------------------------


def test_nq_topk_and_dim_over_the_limits(server, client, name, untouched):
    simple(client, name)
    zeros = np.zeros((1, 8), np.float32)
    with wire.stub(server.address) as stub:
        for request in (
            wire.search_request(name, wire.placeholder(zeros), 2**62),
            wire.search_request(name, wire.placeholder(zeros), -1),
            wire.search_request(name, wire.placeholder(zeros), 1, topk=2**31),
            wire.search_request(name, wire.placeholder(zeros), 1, topk=-(2**63)),
            wire.search_request(name, wire.placeholder(zeros), 1, offset=2**62),
            wire.search_request(name, wire.placeholder(np.zeros((1, 40_000), np.float32)), 1),
            wire.search_request(name, wire.placeholder(np.zeros((16_385, 8), np.float32)), 16_385),
        ):
            assert stub.Search(request, timeout=20 * SLOWNESS).status.code != 0


def test_schemas_over_the_limits(server, client, name, untouched):
    key = wire.field_schema("id", wire.schema.Int64, primary=True)
    vector = wire.field_schema("vec", wire.schema.FloatVector, dim=4)
    many = [wire.field_schema(f"f{i}", wire.schema.Int64) for i in range(5000)]
    many_vectors = [wire.field_schema(f"v{i}", wire.schema.FloatVector, dim=4) for i in range(100)]
    with wire.stub(server.address) as stub:
        for fields in (
            [key, vector, *many],
            [key, *many_vectors],
            [key, wire.field_schema("vec", wire.schema.FloatVector, dim=2**40)],
            [key, vector, wire.field_schema("t", wire.schema.VarChar, max_length=2**31)],
        ):
            assert stub.CreateCollection(wire.create_request(name, fields)).code != 0
        shards = wire.create_request(name, [key, vector])
        shards.shards_num = 10_000
        assert stub.CreateCollection(shards).code != 0
        partitions = wire.create_request(name, [key, vector])
        partitions.num_partitions = 2**40
        stub.CreateCollection(partitions)


def test_an_answer_over_the_limit_is_refused_or_complete(server, client, name, untouched):
    """16384 queries of 16384 hits each would be four gigabytes."""
    simple(client, name)
    insert(client, name, simple_rows(vectors(2000, 8)))
    request = wire.search_request(name, wire.placeholder(np.zeros((16_384, 8), np.float32)), 16_384, topk=16_384)
    with wire.stub(server.address) as stub:
        try:
            reply = stub.Search(request, timeout=60 * SLOWNESS)
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
        else:
            assert reply.status.code != 0 or sum(reply.results.topks) == 16_384 * 2000


def test_a_request_over_the_size_limit(private_server, connection):
    server = private_server(settings={"proxy.grpc.serverMaxRecvSize": 4 * 2**20})
    client = connection(server)
    simple(client, "c")
    insert(client, "c", simple_rows(vectors(10, 8)))
    with wire.channel(server.address) as channel:
        assert wire.raw_call(channel, "Insert", b"\x00" * (5 * 2**20)) == grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(Exception, match="(?i)larger than|exhausted|size"):
        client.insert("c", simple_rows(vectors(200_000, 8)), timeout=20 * SLOWNESS)
    assert count(client, "c") == 10


# -- clients that vanish ----------------------------------------------------------------------------------------------

VANISHING = """
import sys
import numpy as np
from pymilvus import MilvusClient
client = MilvusClient(uri=sys.argv[1])
rows = [{"id": i, "num": i, "text": "v", "vec": v} for i, v in enumerate(np.zeros((5000, 8), np.float32))]
print("ready", flush=True)
while True:
    client.upsert(sys.argv[2], rows)
    client.search(sys.argv[2], data=[[0.0] * 8] * 500, limit=100, anns_field="vec")
"""


def test_a_client_that_vanishes_mid_call(server, client, name, untouched, seed):
    simple(client, name)
    source = random.Random(seed)
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", VANISHING, server.uri, name], stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline().strip() == "ready"
        time.sleep(source.uniform(0.05, 0.4))  # any moment will do
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
    kept = count(client, name)
    assert kept in (0, 5000)


def test_calls_that_are_cancelled(server, client, name, untouched):
    simple(client, name)
    columns = [
        wire.int64_column("id", list(range(20_000))),
        wire.int64_column("num", [1] * 20_000),
        wire.varchar_column("text", ["a"] * 20_000),
        wire.vector_column("vec", [0.5] * 160_000, 8),
    ]
    request = wire.insert_request(name, columns, 20_000)
    search = wire.search_request(name, wire.placeholder(np.zeros((2000, 8), np.float32)), 2000, topk=1000)
    with wire.stub(server.address) as stub:
        for _ in range(5):
            for future in (stub.Insert.future(request), stub.Search.future(search)):
                future.cancel()
    # What was under way when it was cancelled happened as a whole or not at all.
    assert count(client, name) % 20_000 == 0


def test_channels_that_close_under_their_calls(server, client, name, untouched):
    simple(client, name)
    insert(client, name, simple_rows(vectors(2000, 8)))
    search = wire.search_request(name, wire.placeholder(np.zeros((1000, 8), np.float32)), 1000, topk=500)
    for _ in range(5):
        channel = grpc.insecure_channel(server.address)
        futures = [wire.milvus_pb2_grpc.MilvusServiceStub(channel).Search.future(search) for _ in range(10)]
        channel.close()
        assert len(futures) == 10
    assert count(client, name) == 2000
