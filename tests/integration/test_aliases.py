"""Aliases: another name for a collection, everywhere a name is taken."""

from __future__ import annotations

import pytest
from harness.collections import count, insert, simple, simple_rows
from harness.oracle import vectors
from pymilvus import MilvusException


@pytest.fixture
def alias(names, client):
    made = f"a_{names()}"
    yield made
    client.drop_alias(made)


def test_every_call_takes_an_alias(client, name, alias):
    simple(client, name)
    client.create_alias(name, alias)
    rows = simple_rows(vectors(20, 8))
    assert client.has_collection(alias)
    assert client.describe_collection(alias)["collection_name"] == name
    insert(client, alias, rows)
    client.flush(alias)
    client.delete(alias, ids=[3])
    client.upsert(alias, [{**rows[4], "num": -4}])
    assert count(client, alias) == count(client, name) == 19
    assert client.search(alias, data=[rows[5]["vec"]], anns_field="vec", limit=1)[0][0].id == 5
    assert list(client.get(alias, 4, output_fields=["num"])) == [{"id": 4, "num": -4}]
    assert client.list_partitions(alias) == ["_default"]
    assert client.list_indexes(alias) == ["vec"]
    assert client.get_load_state(alias)["state"].name == "Loaded"
    assert client.get_collection_stats(alias)["row_count"] == 19


def test_alter_repoints(client, names, alias):
    first, second = simple(client, names()), simple(client, names())
    insert(client, first, simple_rows(vectors(1, 8)))
    insert(client, second, simple_rows(vectors(2, 8)))
    client.create_alias(first, alias)
    assert count(client, alias) == 1
    client.alter_alias(second, alias)
    assert count(client, alias) == 2
    assert client.describe_alias(alias)["collection_name"] == second
    assert client.list_aliases(first)["aliases"] == []
    assert client.list_aliases(second)["aliases"] == [alias]
    assert client.describe_collection(second)["aliases"] == [alias]


def test_names_do_not_collide(client, names, alias):
    first, second = simple(client, names(), index=None), simple(client, names(), index=None)
    client.create_alias(first, alias)
    with pytest.raises(MilvusException, match=alias):
        client.create_alias(second, alias)
    with pytest.raises(MilvusException, match=second):
        client.create_alias(first, second)
    with pytest.raises(MilvusException, match=alias):
        simple(client, alias, index=None)


def test_unknown_names(client, names, alias):
    name = simple(client, names(), index=None)
    client.create_alias(name, alias)
    missing = names()
    for call in (
        lambda: client.create_alias(missing, names()),
        lambda: client.alter_alias(missing, alias),
        lambda: client.alter_alias(name, missing),
        lambda: client.describe_alias(missing),
    ):
        with pytest.raises(MilvusException, match=missing):
            call()
    assert not client.has_collection(missing)


def test_a_dropped_alias_is_gone_and_its_collection_is_not(client, names):
    name, alias = simple(client, names()), names()
    client.create_alias(name, alias)
    client.drop_alias(alias)
    assert not client.has_collection(alias) and client.has_collection(name)
    assert client.list_aliases(name)["aliases"] == []
    client.create_alias(name, alias)
    client.drop_alias(alias)


def test_a_collection_with_an_alias_is_not_dropped_by_accident(client, names):
    """Milvus wants its aliases dropped first."""
    name, alias = simple(client, names()), names()
    client.create_alias(name, alias)
    with pytest.raises(MilvusException, match="alias"):
        client.drop_collection(name)
    client.drop_alias(alias)
    client.drop_collection(name)
    assert not client.has_collection(name)
