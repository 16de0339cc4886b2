"""Making, filling and reading collections through MilvusClient, in the forms that many tests need."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pymilvus import DataType, MilvusClient

from .server import wait_until

Field = tuple[str, DataType, dict]


def schema_of(fields: Iterable[Field], *, auto_id: bool = False, dynamic: bool = False, **options):
    schema = MilvusClient.create_schema(auto_id=auto_id, enable_dynamic_field=dynamic, **options)
    for name, kind, parameters in fields:
        schema.add_field(name, kind, **parameters)
    return schema


def key_field(kind: DataType = DataType.INT64, name: str = "id") -> Field:
    extra = {"max_length": 64} if kind == DataType.VARCHAR else {}
    return name, kind, {"is_primary": True, **extra}


def vector_field(dim: int = 8, name: str = "vec") -> Field:
    return name, DataType.FLOAT_VECTOR, {"dim": dim}


def create(
    client: MilvusClient,
    name: str,
    fields: Iterable[Field],
    *,
    index: str | None = "FLAT",
    metric: str = "L2",
    params: dict | None = None,
    load: bool = True,
    consistency: str = "Strong",
    auto_id: bool = False,
    dynamic: bool = False,
    **options,
) -> str:
    """Creates a collection; with `index` every vector field gets one, and the collection is loaded."""
    fields = list(fields)
    client.create_collection(
        name, schema=schema_of(fields, auto_id=auto_id, dynamic=dynamic), consistency_level=consistency, **options
    )
    if index:
        for field, kind, _ in fields:
            if kind == DataType.FLOAT_VECTOR:
                create_index(client, name, field, index, metric, params)
        if load:
            client.load_collection(name)
    return name


def simple(client: MilvusClient, name: str, dim: int = 8, **options) -> str:
    """id INT64, num INT64, text VARCHAR(64), vec FLOAT_VECTOR(dim)."""
    fields = [
        key_field(),
        ("num", DataType.INT64, {}),
        ("text", DataType.VARCHAR, {"max_length": 64}),
        vector_field(dim),
    ]
    return create(client, name, fields, **options)


def simple_rows(vectors: np.ndarray, first: int = 0) -> list[dict]:
    return [
        {"id": first + i, "num": (first + i) * 10, "text": f"t{(first + i) % 7}", "vec": vector}
        for i, vector in enumerate(vectors)
    ]


def create_index(
    client: MilvusClient,
    name: str,
    field: str,
    kind: str,
    metric: str | None = None,
    params: dict | None = None,
    index_name: str = "",
    **call: int,
) -> None:
    """Asks for an index without the client's polling, whose first look comes after half a second. `call` goes to the SDK."""
    wanted = client.prepare_index_params()
    extra = {"metric_type": metric} if metric else {}
    wanted.add_index(field, index_type=kind, index_name=index_name, params=params or {}, **extra)
    client.create_index(name, wanted, sync=False, **call)


def wait_indexed(client: MilvusClient, name: str, index_name: str, rows: int | None = None) -> dict:
    """Until the index is finished (and covers `rows`); its description."""

    def finished() -> dict | None:
        description = client.describe_index(name, index_name)
        assert description is not None, f"no index {index_name} on {name}"
        assert description["state"] != "Failed", description
        done = description["state"] == "Finished" and description["pending_index_rows"] == 0
        return description if done and (rows is None or description["indexed_rows"] >= rows) else None

    return wait_until(finished, f"index {index_name} of {name}", 60)


def insert(client: MilvusClient, name: str, rows: list[dict], batch: int = 2000, **options) -> list:
    """Inserts in batches; the keys as acknowledged."""
    keys: list = []
    for start in range(0, len(rows), batch):
        keys += client.insert(name, rows[start : start + batch], **options)["ids"]
    return keys


def count(client: MilvusClient, name: str, filter: str = "", **options) -> int:  # noqa: A002
    options.setdefault("consistency_level", "Strong")
    return client.query(name, filter=filter, output_fields=["count(*)"], **options)[0]["count(*)"]


def keys_of(rows: Iterable[dict], key: str = "id") -> list:
    return [row[key] for row in rows]


def search_keys(client: MilvusClient, name: str, queries: np.ndarray, limit: int = 10, **options) -> list[list]:
    """Found keys, one list per query."""
    options.setdefault("anns_field", "vec")
    result = client.search(name, data=list(queries), limit=limit, **options)
    return [[hit.id for hit in hits] for hits in result]


def pairs(hits) -> list[tuple]:
    """(key, distance) of the hits of one query."""
    return [(hit.id, hit.distance) for hit in hits]


def compact(client: MilvusClient, name: str) -> None:
    """Runs a compaction to its end."""
    job = client.compact(name)
    if job >= 0:
        wait_until(lambda: client.get_compaction_state(job) == "Completed", f"compaction of {name}", 60)
