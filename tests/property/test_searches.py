"""Generated searches over generated schemas and rows agree with brute force in numpy.

KITE_SEED and KITE_SEARCHES (1000) say what is generated; a failure names both and the world to rerun with -k.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from harness.collections import compact, create, insert, key_field, vector_field
from harness.oracle import METRICS, assert_same_ranking, best_first, scores
from pymilvus import DataType, MilvusClient

SEARCHES = int(os.environ.get("KITE_SEARCHES", "1000"))
SEARCHES_PER_WORLD = 50
WORLDS = max(1, SEARCHES // SEARCHES_PER_WORLD)

Predicate = tuple[str, Callable[[dict], bool]]


@dataclass
class World:
    """A collection and the rows that it should hold."""

    name: str
    dim: int
    metric: str
    kind: DataType
    partitions: list[str]
    rows: dict = field(default_factory=dict)  # key -> row with "partition"
    made: int = 0

    def key(self, number: int) -> int | str:
        return number * 3 - 50 if self.kind == DataType.INT64 else f"k{number:05}"


@pytest.mark.parametrize("number", range(WORLDS))
def test_searches_agree_with_brute_force(client, name, seed, number):
    random = np.random.default_rng([seed, number])
    world = make_world(client, name, random)
    try:
        for step in range(SEARCHES_PER_WORLD):
            if step % 10 == 5:
                change(client, world, random)
            request = generate(world, random)
            try:
                check(client, world, request)
            except AssertionError as error:
                raise AssertionError(
                    f"KITE_SEED={seed}, world {number}, search {step}: {describe(request)}\n{error}"
                ) from error
    finally:
        client.drop_collection(name)


# -- worlds -----------------------------------------------------------------------------------------------------------


def make_world(client: MilvusClient, name: str, random: np.random.Generator) -> World:
    world = World(
        name,
        dim=int(random.choice([2, 3, 7, 8, 16, 33, 100])),
        metric=str(random.choice(METRICS)),
        kind=DataType.INT64 if random.random() < 0.7 else DataType.VARCHAR,
        partitions=["_default", *(f"p{i}" for i in range(random.integers(0, 3)))],
    )
    fields = [
        key_field(world.kind),
        ("num", DataType.INT64, {"nullable": True}),
        ("text", DataType.VARCHAR, {"max_length": 16}),
        ("flag", DataType.BOOL, {}),
        ("real", DataType.DOUBLE, {}),
        vector_field(world.dim),
    ]
    create(client, name, fields, metric=world.metric, num_shards=int(random.choice([1, 1, 2])))
    for partition in world.partitions[1:]:
        client.create_partition(name, partition)
    client.load_collection(name)
    for _ in range(int(random.integers(1, 5))):
        add(client, world, random, int(random.choice([1, 10, 100, 400])))
        if random.random() < 0.6:
            client.flush(name)
    return world


def generate_row(world: World, random: np.random.Generator, number: int) -> dict:
    """Some vectors repeat, so that scores are equal."""
    vector = random.standard_normal(world.dim).astype(np.float32)
    if random.random() < 0.1:
        vector = np.ones(world.dim, np.float32)
    return {
        "id": world.key(number),
        "num": None if random.random() < 0.15 else int(random.integers(-5, 6)),
        "text": f"t{random.integers(0, 8)}",
        "flag": bool(random.random() < 0.5),
        "real": float(random.integers(-8, 9)) / 4,
        "vec": vector,
    }


def add(client: MilvusClient, world: World, random: np.random.Generator, rows: int) -> None:
    partition = str(random.choice(world.partitions))
    made = [generate_row(world, random, world.made + i) for i in range(rows)]
    world.made += rows
    insert(client, world.name, made, partition_name=partition)
    world.rows.update({row["id"]: {**row, "partition": partition} for row in made})


def change(client: MilvusClient, world: World, random: np.random.Generator) -> None:
    """Deletes, replaces and adds some rows; flushes or compacts at times."""
    keys = list(world.rows)
    gone = [keys[i] for i in random.choice(len(keys), min(len(keys) // 4, 50), replace=False)]
    if gone:
        client.delete(world.name, ids=gone)
        for key in gone:
            del world.rows[key]
    for key in [k for k in list(world.rows)[:200] if random.random() < 0.1]:
        partition = world.rows[key]["partition"]
        row = {**generate_row(world, random, 0), "id": key}
        client.upsert(world.name, [row], partition_name=partition)
        world.rows[key] = {**row, "partition": partition}
    add(client, world, random, int(random.choice([1, 20])))
    action = random.random()
    if action < 0.5:
        client.flush(world.name)
    if action < 0.2:
        compact(client, world.name)


# -- searches ---------------------------------------------------------------------------------------------------------


def generate(world: World, random: np.random.Generator) -> dict:
    queries = random.standard_normal((int(random.choice([1, 1, 3, 10])), world.dim)).astype(np.float32)
    if random.random() < 0.1:
        queries[0] = 1
    request = {
        "queries": queries,
        "limit": int(random.choice([1, 3, 10, 50, 1000])),
        "offset": int(random.choice([0, 0, 0, 1, 7, 60])),
        "predicate": None,
        "partitions": None,
        "range": None,
    }
    if random.random() < 0.6:
        request["predicate"] = generate_predicate(world, random)
    if random.random() < 0.3:
        chosen = random.choice(world.partitions, random.integers(1, len(world.partitions) + 1), replace=False)
        request["partitions"] = sorted(map(str, chosen))
    if random.random() < 0.25:
        request["queries"] = queries[:1]
        request["range"] = sorted(random.random(2))
    return request


def generate_predicate(world: World, random: np.random.Generator, depth: int = 0) -> Predicate:
    """A filter and what it means for a row; NULL is neither true nor false, so no negation stands above `num`."""
    choice = random.integers(0, 9 if depth < 2 else 7)
    number = int(random.integers(-5, 6))
    keys = list(world.rows) or [world.key(0)]
    if choice == 0:
        return f"num > {number}", lambda row: row["num"] is not None and row["num"] > number
    if choice == 1:
        return f"num in [{number}, 0, 3]", lambda row: row["num"] in (number, 0, 3)
    if choice == 2:
        return f"text == 't{abs(number)}'", lambda row: row["text"] == f"t{abs(number)}"
    if choice == 3:
        return "flag == true", lambda row: row["flag"]
    if choice == 4:
        return f"{number / 4} <= real < {number / 4 + 1}", lambda row: number / 4 <= row["real"] < number / 4 + 1
    if choice == 5:
        return "num is null", lambda row: row["num"] is None
    if choice == 6:
        some = [keys[i] for i in random.integers(0, len(keys), 5)]
        listed = ", ".join(f'"{key}"' if isinstance(key, str) else str(key) for key in some)
        return f"id in [{listed}]", lambda row: row["id"] in some
    left, right = (generate_predicate(world, random, depth + 1) for _ in range(2))
    if choice == 7:
        return f"({left[0]}) and ({right[0]})", lambda row: left[1](row) and right[1](row)
    return f"({left[0]}) or ({right[0]})", lambda row: left[1](row) or right[1](row)


def survivors(world: World, request: dict) -> list[dict]:
    meaning = request["predicate"][1] if request["predicate"] else lambda row: True
    wanted = request["partitions"] or world.partitions
    return [row for row in world.rows.values() if row["partition"] in wanted and meaning(row)]


def ranked(world: World, rows: list[dict], query: np.ndarray) -> list[tuple]:
    if not rows:
        return []
    rows = sorted(rows, key=lambda row: row["id"])
    values = scores(world.metric, np.array([row["vec"] for row in rows]), query[None, :])[0]
    return [(rows[i]["id"], float(values[i])) for i in best_first(world.metric, values, np.arange(len(rows)))]


def check(client: MilvusClient, world: World, request: dict) -> None:
    rows = survivors(world, request)
    truth = [ranked(world, rows, query) for query in request["queries"]]
    params: dict[str, float] = {}
    if request["range"] and len(truth[0]) > 3:
        params, truth[0] = cut(world, truth[0], request["range"])
    start, stop = request["offset"], request["offset"] + request["limit"]
    result = client.search(
        world.name,
        data=list(request["queries"]),
        anns_field="vec",
        limit=request["limit"],
        offset=request["offset"],
        filter=request["predicate"][0] if request["predicate"] else "",
        partition_names=request["partitions"],
        search_params={"params": params},
        output_fields=["num", "text", "flag", "real"],
    )
    assert len(result) == len(truth)
    for hits, expected in zip(result, truth, strict=True):
        assert_same_ranking([(hit.id, hit.distance) for hit in hits], expected[start:stop])
        for hit in hits:
            row = world.rows[hit.id]
            assert hit["entity"] == {key: row[key] for key in ("num", "text", "flag", "real")}


def cut(world: World, truth: list[tuple], shares: list[float]) -> tuple[dict[str, float], list[tuple]]:
    """Range parameters that lie between two distinct scores, and what is inside."""
    values = [score for _, score in truth]
    first, last = (int(share * (len(values) - 1)) + 1 for share in shares)
    inner, outer = ((values[i - 1] + values[i]) / 2 for i in (min(first, last), max(first, last)))
    if inner == outer:
        return {}, truth
    inside = (lambda s: inner <= s < outer) if world.metric == "L2" else (lambda s: outer < s <= inner)
    near = 1e-4 * max(1.0, abs(inner), abs(outer))
    if any(abs(s - bound) < near for s in values for bound in (inner, outer)):
        return {}, truth  # rounding would decide
    return {"radius": outer, "range_filter": inner}, [pair for pair in truth if inside(pair[1])]


def describe(request: dict) -> dict:
    text = request["predicate"][0] if request["predicate"] else ""
    return {**request, "queries": request["queries"].shape, "predicate": text}
