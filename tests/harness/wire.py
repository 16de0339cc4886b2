"""The service below the SDK: raw stubs and requests that pymilvus would never send."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import grpc
import numpy as np
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

from .server import SLOWNESS

SERVICE = "milvus.proto.milvus.MilvusService"
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

pb = milvus_pb2
schema = schema_pb2
common = common_pb2


@contextlib.contextmanager
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address, options=UNLIMITED) as opened:
        yield opened


@contextlib.contextmanager
def stub(address: str) -> Iterator[milvus_pb2_grpc.MilvusServiceStub]:
    with channel(address) as opened:
        yield milvus_pb2_grpc.MilvusServiceStub(opened)


def method_names() -> list[str]:
    return [method.name for method in pb.DESCRIPTOR.services_by_name["MilvusService"].methods]


def raw_call(opened: grpc.Channel, method: str, payload: bytes, seconds: float = 20) -> bytes | grpc.StatusCode:
    """Sends bytes as they are; the reply's bytes, or the code when gRPC itself refuses."""
    call = opened.unary_unary(f"/{SERVICE}/{method}", request_serializer=None, response_deserializer=None)
    try:
        return call(payload, timeout=seconds * SLOWNESS)
    except grpc.RpcError as error:
        return error.code()


def int64_column(name: str, values: list[int]) -> schema_pb2.FieldData:
    return schema.FieldData(
        type=schema.Int64, field_name=name, scalars=schema.ScalarField(long_data=schema.LongArray(data=values))
    )


def varchar_column(name: str, values: list[str]) -> schema_pb2.FieldData:
    return schema.FieldData(
        type=schema.VarChar, field_name=name, scalars=schema.ScalarField(string_data=schema.StringArray(data=values))
    )


def packed_vectors(name: str, rows: np.ndarray) -> schema_pb2.FieldData:
    """A vector column without a Python object per number: field 1 of FloatArray is the packed bytes."""
    data = np.ascontiguousarray(rows, np.float32).tobytes()
    floats = schema.FloatArray.FromString(b"\x0a" + varint(len(data)) + data)
    return schema.FieldData(
        type=schema.FloatVector, field_name=name, vectors=schema.VectorField(dim=rows.shape[1], float_vector=floats)
    )


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def vector_column(name: str, values: list[float], dim: int) -> schema_pb2.FieldData:
    return schema.FieldData(
        type=schema.FloatVector,
        field_name=name,
        vectors=schema.VectorField(dim=dim, float_vector=schema.FloatArray(data=values)),
    )


def insert_request(collection: str, columns: list[schema_pb2.FieldData], rows: int) -> milvus_pb2.InsertRequest:
    return pb.InsertRequest(collection_name=collection, fields_data=columns, num_rows=rows)


def placeholder(vectors: Iterable[np.ndarray], kind: int = common_pb2.PlaceholderType.FloatVector) -> bytes:
    """A placeholder group with one value per row of `vectors`."""
    value = common.PlaceholderValue(tag="$0", type=kind, values=[np.asarray(row).tobytes() for row in vectors])
    return common.PlaceholderGroup(placeholders=[value]).SerializeToString()


def search_request(collection: str, group: bytes, nq: int, **parameters: object) -> milvus_pb2.SearchRequest:
    texts = {"anns_field": "vec", "topk": 3, "params": "{}", "metric_type": "L2", "round_decimal": -1, **parameters}
    pairs = [common.KeyValuePair(key=key, value=str(value)) for key, value in texts.items()]
    return pb.SearchRequest(
        collection_name=collection,
        placeholder_group=group,
        nq=nq,
        search_params=pairs,
        dsl_type=common.DslType.BoolExprV1,
    )


def field_schema(name: str, kind: int, primary: bool = False, **parameters: object) -> schema_pb2.FieldSchema:
    return schema.FieldSchema(
        name=name,
        data_type=kind,
        is_primary_key=primary,
        type_params=[common.KeyValuePair(key=key, value=str(value)) for key, value in parameters.items()],
    )


def create_request(name: str, fields: list[schema_pb2.FieldSchema]) -> milvus_pb2.CreateCollectionRequest:
    described = schema.CollectionSchema(name=name, fields=fields)
    return pb.CreateCollectionRequest(collection_name=name, schema=described.SerializeToString())
