"""Databases: each a world of its own."""

from __future__ import annotations

import pytest
from harness.collections import count, insert, simple, simple_rows
from harness.oracle import vectors
from pymilvus import MilvusException


@pytest.fixture
def database(client, name):
    client.create_database(name)
    yield name
    if name in client.list_databases():
        client.drop_database(name)


def test_create_list_describe_drop(client, names):
    name = names()
    client.create_database(name, properties={"database.max.collections": 7})
    assert {"default", name} <= set(client.list_databases())
    described = client.describe_database(name)
    assert described["name"] == name
    assert described["database.max.collections"] == "7"
    client.alter_database_properties(name, {"database.replica.number": 1})
    assert client.describe_database(name)["database.replica.number"] == "1"
    client.drop_database_properties(name, ["database.max.collections"])
    assert "database.max.collections" not in client.describe_database(name)
    client.drop_database(name)
    assert name not in client.list_databases()


def test_the_same_names_live_side_by_side(client, connection, server, database, names):
    inside, name = connection(server, db_name=database), names()
    simple(client, name)
    simple(inside, name)
    insert(client, name, simple_rows(vectors(3, 8)))
    insert(inside, name, simple_rows(vectors(5, 8)))
    client.create_alias(name, "same_alias")
    inside.create_alias(name, "same_alias")
    assert (count(client, "same_alias"), count(inside, "same_alias")) == (3, 5)
    assert inside.list_collections() == [name]
    for one in (inside, client):
        one.drop_alias("same_alias")
        one.drop_collection(name)


def test_use_database_switches(client, connection, server, database, names):
    own, name = connection(server), names()
    own.use_database(database)
    simple(own, name)
    assert own.list_collections() == [name] and not client.has_collection(name)
    own.drop_collection(name)
    own.use_database("default")
    assert set(own.list_collections()) == set(client.list_collections())


def test_a_database_with_collections_is_not_dropped(client, connection, server, database):
    inside = connection(server, db_name=database)
    simple(inside, "kept", index=None)
    with pytest.raises(MilvusException, match=database):
        client.drop_database(database)
    assert inside.list_collections() == ["kept"]
    inside.drop_collection("kept")


def test_refusals(client, database, names):
    missing = names()
    for call in (lambda: client.use_database(missing), lambda: client.describe_database(missing)):
        with pytest.raises(MilvusException, match=missing) as error:
            call()
        assert error.value.code == 800
    for call in (
        lambda: client.create_database(database),
        lambda: client.drop_database("default"),
        lambda: client.create_database("bad name!"),
        lambda: client.create_database("../up"),
    ):
        with pytest.raises(MilvusException):
            call()
