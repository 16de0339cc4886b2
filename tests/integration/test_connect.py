"""Connections: the first call, versions, time-outs, idle channels, credentials, databases in the metadata."""

from __future__ import annotations

import os
import re
import signal

import grpc
import pytest
from harness import wire
from harness.collections import simple
from harness.server import SLOWNESS
from pymilvus import MilvusClient, MilvusException, connections


def test_connect_answers_an_identifier_and_the_version(server):
    with wire.stub(server.address) as stub:
        reply = stub.Connect(
            wire.pb.ConnectRequest(
                client_info=wire.common.ClientInfo(
                    sdk_type="Python", sdk_version="3.0.2", user="root", host="somewhere"
                )
            )
        )
    assert reply.status.code == 0 and reply.status.error_code == 0
    assert reply.identifier != 0
    assert re.fullmatch(r"v\d+\.\d+\.\d+.*", reply.server_info.build_tags)
    assert reply.server_info.deploy_mode.upper() == "STANDALONE"


def test_each_connection_has_its_own_identifier(server):
    with wire.stub(server.address) as stub:
        identifiers = {stub.Connect(wire.pb.ConnectRequest()).identifier for _ in range(20)}
    assert len(identifiers) == 20


def test_get_server_version_agrees_with_connect(client):
    version = client.get_server_version()
    assert re.fullmatch(r"v\d+\.\d+\.\d+.*", version)
    assert client.get_server_version(detail=True)["version"] == version


def test_a_closed_client_can_be_opened_again(server, connection):
    first = connection(server)
    first.list_collections()
    first.close()
    assert isinstance(connection(server).list_collections(), list)


def test_orm_connect_has_connection_disconnect(server):
    alias = "kite_connect_test"
    connections.connect(alias, uri=server.uri, token="root:Milvus")
    assert connections.has_connection(alias)
    connections.disconnect(alias)
    assert not connections.has_connection(alias)


def test_any_credentials_are_accepted_while_authentication_is_off(server, connection):
    for options in (
        {"token": "root:Milvus"},
        {"token": "whatever"},
        {"token": ""},
        {"token": "", "user": "someone", "password": "something"},
    ):
        assert isinstance(connection(server, **options).list_collections(), list)


def test_connecting_to_nobody_fails_within_the_time_out():
    with pytest.raises(MilvusException, match=r"(?i)connect|unavailable|timeout"):
        MilvusClient(uri="http://127.0.0.1:9", timeout=0.5)


def test_a_call_that_takes_longer_than_its_time_out_is_reported_as_such(private_server, connection):
    server = private_server()
    client = connection(server)
    simple(client, "c")
    os.kill(server.pid, signal.SIGSTOP)  # nothing is answered any more
    try:
        with wire.stub(server.address) as stub, pytest.raises(grpc.RpcError) as error:
            stub.Query(wire.pb.QueryRequest(collection_name="c", expr="id > 0"), timeout=0.2)
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises((MilvusException, grpc.RpcError), match="(?i)deadline|timeout"):
            client.query("c", filter="id > 0", timeout=0.2)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert client.has_collection("c")


def test_an_unknown_database_is_800(server, connection):
    with pytest.raises(MilvusException) as error:
        connection(server, db_name="no_such_db").list_collections()
    assert error.value.code == 800
    assert "no_such_db" in error.value.message


def test_connect_itself_refuses_an_unknown_database(server):
    with wire.stub(server.address) as stub:
        reply = stub.Connect(wire.pb.ConnectRequest(), metadata=(("dbname", "no_such_db"),))
    assert reply.status.code == 800
    assert "no_such_db" in reply.status.reason


def test_the_database_comes_from_the_metadata_or_the_request(server, client, connection, name):
    client.create_database(name)
    inside = connection(server, db_name=name)
    simple(inside, "inner")
    with wire.stub(server.address) as stub:
        request = wire.pb.ShowCollectionsRequest()
        assert "inner" not in stub.ShowCollections(request).collection_names
        assert stub.ShowCollections(request, metadata=(("dbname", name),)).collection_names == ["inner"]
        assert stub.ShowCollections(request, metadata=(("DbName".lower(), name),)).collection_names == ["inner"]
        request.db_name = name
        assert stub.ShowCollections(request).collection_names == ["inner"]
    inside.drop_collection("inner")
    client.drop_database(name)


def test_metadata_that_means_nothing_is_ignored(server):
    extra = (
        ("identifier", "not-a-number"),
        ("client-request-id", "x" * 500),
        ("log_level", "debug"),
        ("client-request-unixmsec", "soon"),
        ("authorization", "%%%"),
    )
    with wire.stub(server.address) as stub:
        assert stub.GetVersion(wire.pb.GetVersionRequest(), metadata=extra).status.code == 0


def test_a_method_that_is_not_built_yet_names_itself(server):
    """UNIMPLEMENTED is the one code that pymilvus neither retries nor hides."""
    with wire.stub(server.address) as stub, pytest.raises(grpc.RpcError) as error:
        stub.CalcDistance(wire.pb.CalcDistanceRequest(), timeout=10 * SLOWNESS)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "CalcDistance" in error.value.details()


def test_an_idle_channel_survives_the_pings(server, idle_channel):
    """pymilvus pings each 10 s without calls; a server that counts strikes would say GOAWAY (too many pings)."""
    assert not idle_channel.wait(), idle_channel.states
    stub = wire.milvus_pb2_grpc.MilvusServiceStub(idle_channel.channel)
    assert stub.GetVersion(wire.pb.GetVersionRequest(), timeout=10 * SLOWNESS).status.code == 0


def test_many_connections_at_once(server, connection):
    clients = [connection(server) for _ in range(40)]
    assert all(isinstance(one.list_collections(), list) for one in clients)
