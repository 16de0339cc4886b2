"""Generated filters over generated schemas and rows find what the in-memory model finds.

KITE_SEED and KITE_FILTERS (10000) say what is generated. A failure prints the seed of its case; `filter_model.py SEED`
prints the case.
"""

from __future__ import annotations

import os
import random

import pytest
from filter_model import FieldSpec, SchemaSpec, generate_case
from harness.collections import create_index, insert, schema_of, vector_field
from pymilvus import DataType, MilvusClient, MilvusException

FILTERS = int(os.environ.get("KITE_FILTERS", "10000"))
FILTERS_PER_CASE = 40
CASES_PER_TEST = 10
TESTS = max(1, FILTERS // (FILTERS_PER_CASE * CASES_PER_TEST))

INDEXES = {
    "BOOL": ["AUTOINDEX", "INVERTED", "BITMAP"],
    "INT": ["AUTOINDEX", "INVERTED", "STL_SORT", "BITMAP"],
    "FLOAT": ["AUTOINDEX", "INVERTED", "STL_SORT"],
    "VARCHAR": ["AUTOINDEX", "INVERTED", "STL_SORT", "BITMAP"],
    "ARRAY": ["AUTOINDEX", "INVERTED"],
}


@pytest.mark.parametrize("number", range(TESTS))
def test_filters_agree_with_the_model(client, names, seed, number):
    failures = []
    for case in range(CASES_PER_TEST):
        failures += run_case(client, names(), seed * 100_000 + number * CASES_PER_TEST + case)
    assert not failures, "\n".join(failures[:20])


def run_case(client: MilvusClient, name: str, case_seed: int) -> list[str]:
    """Inserts the rows of a case and sends its filters; a text for each that went wrong."""
    schema, rows, filters = generate_case(case_seed, filter_count=FILTERS_PER_CASE)
    choices = random.Random(case_seed)
    prepare(client, name, schema, rows, choices)
    failures = []
    for text, templates, expected in filters:
        if problem := check(client, name, text, templates, expected):
            failures.append(f"case {case_seed}: {text}  {templates or ''}\n    {problem}")
    client.drop_collection(name)
    return failures


def prepare(client: MilvusClient, name: str, schema: SchemaSpec, rows: list[dict], choices: random.Random) -> None:
    """Rows in sealed segments, growing, or both; scalar indexes on some fields, made before or after the rows."""
    fields = [*(field_of(spec) for spec in schema.fields), vector_field(2, "a_vector")]
    client.create_collection(
        name, schema=schema_of(fields, dynamic=schema.enable_dynamic_field), consistency_level="Strong"
    )
    create_index(client, name, "a_vector", "FLAT", "L2")
    early = choices.random() < 0.5
    if early:
        index_some(client, name, schema, choices)
    complete = [{**row, "a_vector": [float(i), 1.0]} for i, row in enumerate(rows)]
    sealed = choices.choice([0, len(rows) // 2, len(rows)])
    insert(client, name, complete[:sealed])
    if sealed:
        client.flush(name)
    insert(client, name, complete[sealed:])
    if not early:
        index_some(client, name, schema, choices)
    client.load_collection(name)


def index_some(client: MilvusClient, name: str, schema: SchemaSpec, choices: random.Random) -> None:
    for spec in schema.fields:
        kinds = INDEXES.get("INT" if spec.type.startswith("INT") else "FLOAT" if spec.type == "DOUBLE" else spec.type)
        if kinds and not spec.is_primary and choices.random() < 0.4:
            create_index(client, name, spec.name, choices.choice(kinds))


def field_of(spec: FieldSpec) -> tuple[str, DataType, dict]:
    options: dict = {"is_primary": True} if spec.is_primary else {"nullable": spec.nullable}
    if spec.type == "VARCHAR" or spec.element_type == "VARCHAR":
        options["max_length"] = spec.max_length
    if spec.type == "ARRAY":
        options |= {"element_type": DataType[spec.element_type], "max_capacity": spec.max_capacity}
    return spec.name, DataType[spec.type], options


def check(client: MilvusClient, name: str, text: str, templates: dict | None, expected: set) -> str:
    """Empty when the server finds exactly the expected keys."""
    try:
        found = client.query(name, filter=text, filter_params=templates or {}, output_fields=["pk"])
    except MilvusException as error:
        return f"refused: {error.message}"
    keys = [row["pk"] for row in found]
    if len(keys) != len(set(keys)):
        return f"a key came twice: {keys}"
    if set(keys) != expected:
        return f"missing {sorted(expected - set(keys))[:8]}, unexpected {sorted(set(keys) - expected)[:8]}"
    return ""
