"""Stores on servers: found again, lost and back, missing at the start, and one database for one server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import grpc
import pytest
from harness.collections import count, insert, search_keys, simple, simple_rows
from harness.oracle import vectors
from harness.server import Server, run_kite, wait_until
from harness.stores import Stores, free_port
from pymilvus import MilvusException

# They start stores of their own, beside embedded ones.
pytestmark = pytest.mark.embedded("meta", "log", "objects")


@pytest.fixture(scope="module")
def etcd() -> Iterator[Stores]:
    servers = Stores(["etcd"])
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def etcd_and_s3() -> Iterator[Stores]:
    servers = Stores(["etcd", "s3"])
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def started() -> Iterator[Stores]:
    servers = Stores(["etcd", "kafka", "s3"])
    yield servers
    servers.stop()


@pytest.fixture
def all_three(started) -> Stores:
    """Each test leaves them running; names are those that settings() is for."""
    started.names = list(started.servers)
    return started


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def test_rows_are_found_again(etcd_and_s3, private_server, connection, tmp_path):
    data = tmp_path / "data"
    server = private_server(data=data, settings=etcd_and_s3.settings(data))
    client = connection(server)
    simple(client, "c")
    insert(client, "c", simple_rows(vectors(500, 8)))
    client.flush("c")
    insert(client, "c", simple_rows(vectors(20, 8, 2), first=500))
    for again in (server.restart, server.crash):
        again()
        client = connection(server)
        assert count(client, "c") == 520
        assert search_keys(client, "c", vectors(500, 8)[7][None, :], limit=1) == [[7]]
    assert not (data / "objects").exists() and not (data / "meta").exists()
    assert (data / "log").exists()


def test_a_lost_etcd_is_named_and_reads_and_writes_go_on(etcd, private_server, connection, tmp_path):
    data = tmp_path / "data"
    settings = {**etcd.settings(data), "etcd.requestTimeout": 1000}
    server = private_server(data=data, settings=settings)
    client = connection(server)
    simple(client, "c")
    insert(client, "c", simple_rows(vectors(100, 8)))
    etcd.servers["etcd"].kill()
    try:
        _, reason = wait_until(
            lambda: (answer := server.http_get("/readyz"))[0] == 503 and answer, "etcd to be missed", 60
        )
        assert str(settings["etcd.endpoints"]) in reason and "lost" in reason
        assert server.http_get("/livez")[0] == 200
        insert(client, "c", simple_rows(vectors(10, 8, 2), first=100))
        assert count(client, "c") == 110
        with pytest.raises(MilvusException) as refused:
            client.create_database("other", retry_times=0, timeout=20)
        assert str(settings["etcd.endpoints"]) in refused.value.message
    finally:
        etcd.servers["etcd"].start()
    wait_until(lambda: server.http_get("/readyz")[0] == 200, "the server to recover", 60)
    client.create_database("another")
    assert "another" in client.list_databases()
    assert "is back" in server.log()


def test_stores_that_come_after_the_server_are_waited_for(etcd, private_server, connection, tmp_path):
    data, metrics = tmp_path / "data", free_port()
    etcd.servers["etcd"].kill()
    server = Server(
        data,
        settings={**etcd.settings(data), "etcd.requestTimeout": 1000},
        arguments=["--metrics-port", str(metrics)],
    )
    try:
        server.spawn()
        _, reason = wait_until(
            lambda: (answer := page(metrics, "/readyz"))[0] == 503 and "waiting for a store" in answer[1] and answer,
            "the server to say what it waits for",
            60,
        )
        assert "etcd" in reason and "etcd.endpoints" in reason
        assert page(metrics, "/livez")[0] == 200
        etcd.servers["etcd"].start()
        server.wait_ready(60)
        simple(connection(server), "c")
        assert server.stop() == 0
    finally:
        server.kill()
        if not page(int(etcd.settings(data)["etcd.endpoints"].rsplit(":", 1)[1]), "/health")[0]:
            etcd.servers["etcd"].restart()


def test_each_store_that_is_missing_at_the_start_is_named_in_turn(all_three, connection, tmp_path):
    data, metrics = tmp_path / "data", free_port()
    settings = {**all_three.settings(data), "etcd.requestTimeout": 1000, "minio.requestTimeoutMs": 1000}
    for name in all_three.names:
        all_three.servers[name].kill()
    server = Server(data, settings=settings, arguments=["--metrics-port", str(metrics)])
    try:
        server.spawn()
        for name, key in (("etcd", "etcd.endpoints"), ("kafka", "kafka.brokerList"), ("s3", "minio.address")):
            _, reason = wait_until(
                lambda address=str(settings[key]): (answer := page(metrics, "/readyz"))[0] == 503
                and address in answer[1]
                and answer,
                f"the server to wait for {name}",
                90,
            )
            assert "waiting for a store" in reason
            assert page(metrics, "/livez")[0] == 200
            all_three.servers[name].start()
        server.wait_ready(60)
        simple(connection(server), "c")
        assert server.stop() == 0
    finally:
        server.kill()


def test_a_user_that_etcd_refuses_is_named_and_let_in_later(etcd, connection, tmp_path):
    data, metrics = tmp_path / "data", free_port()
    settings = etcd.settings(data)

    def control(*arguments: str) -> None:
        command = ["etcdctl", f"--endpoints={settings['etcd.endpoints']}", *arguments]
        subprocess.run(command, check=True, capture_output=True, env={"ETCDCTL_API": "3"})

    login = {"etcd.auth.enabled": "true", "etcd.auth.userName": "kite", "etcd.auth.password": "right"}
    control("user", "add", "root:secret")
    control("user", "grant-role", "root", "root")
    control("user", "add", "kite:other")
    control("role", "add", "kite")
    control("role", "grant-permission", "kite", "--prefix=true", "readwrite", f"{settings['etcd.rootPath']}/kite/")
    control("auth", "enable")
    server = Server(data, settings={**settings, **login}, arguments=["--metrics-port", str(metrics)])

    def waits_for(text: str) -> None:
        wait_until(lambda: text in page(metrics, "/readyz")[1], f"the server to say {text}", 60)

    try:
        server.spawn()
        waits_for("etcd.auth.password")
        control("--user=root:secret", "user", "delete", "kite")
        control("--user=root:secret", "user", "add", "kite:right")
        waits_for("etcd.rootPath")  # no role yet
        assert str(settings["etcd.endpoints"]) in page(metrics, "/readyz")[1]
        control("--user=root:secret", "user", "grant-role", "kite", "kite")
        server.wait_ready(60)
        simple(connection(server), "c")
        assert server.stop() == 0
    finally:
        server.kill()
        control("--user=root:secret", "auth", "disable")


def test_a_lost_kafka_is_named_and_reads_go_on(all_three, private_server, connection, tmp_path):
    data = tmp_path / "data"
    settings = all_three.settings(data)
    server = private_server(data=data, settings=settings)
    client = connection(server)
    simple(client, "c")
    insert(client, "c", simple_rows(vectors(100, 8)))
    all_three.servers["kafka"].kill()
    try:
        _, reason = wait_until(
            lambda: (answer := server.http_get("/readyz"))[0] == 503 and answer, "Kafka to be missed", 60
        )
        assert str(settings["kafka.brokerList"]) in reason and "lost" in reason
        assert server.http_get("/livez")[0] == 200
        assert count(client, "c") == 100
        with pytest.raises((MilvusException, grpc.RpcError)):  # it waits, and may be there later
            client.insert("c", simple_rows(vectors(1, 8, 2), first=100), timeout=2, retry_times=0)
    finally:
        all_three.servers["kafka"].start()
    wait_until(lambda: server.http_get("/readyz")[0] == 200, "the server to recover", 60)
    insert(client, "c", simple_rows(vectors(10, 8, 3), first=200))
    assert count(client, "c") in (110, 111)
    before = count(client, "c")
    server.crash()
    assert count(connection(server), "c") == before
    assert "is back" in server.log()


@pytest.mark.parametrize("names", [["kafka"], ["s3"], ["etcd", "kafka"], ["kafka", "s3"]], ids="+".join)
def test_any_mix_of_stores(all_three, private_server, connection, tmp_path, names):
    """etcd, etcd with S3, and all three are what the tests beside this one use."""
    data = tmp_path / "data"
    all_three.names = names
    server = private_server(data=data, settings=all_three.settings(data))
    client = connection(server)
    simple(client, "c")
    insert(client, "c", simple_rows(vectors(500, 8)))
    client.flush("c")
    insert(client, "c", simple_rows(vectors(20, 8, 2), first=500))
    server.crash()
    client = connection(server)
    assert count(client, "c") == 520
    assert search_keys(client, "c", vectors(500, 8)[7][None, :], limit=1) == [[7]]
    embedded = {"etcd": "meta", "kafka": "log", "s3": "objects"}
    assert {folder for folder in embedded.values() if (data / folder).exists()} == {
        folder for name, folder in embedded.items() if name not in names
    }
    server.stop()
    checked = run_kite("check", str(data), *server.sets())
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_second_server_on_the_same_prefix_is_refused(etcd, private_server, connection, tmp_path):
    data = tmp_path / "data"
    settings = etcd.settings(data)
    server = private_server(data=data, settings=settings)
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    other = ["--data", str(tmp_path / "other"), "--port", "0", "--metrics-port", "0"]
    second = run_kite("run", "standalone", *other, *sets)
    assert second.returncode == 3, second.stderr
    assert f"process {server.pid}" in second.stderr and "etcd.rootPath" in second.stderr
    simple(connection(server), "c")


def test_an_owner_that_stood_still_and_was_replaced_answers_nothing_old(
    all_three, private_server, connection, tmp_path
):
    """Its lease has run out by its own clock: before it answers it asks the log whether somebody else writes."""
    settings = all_three.settings(tmp_path / "one")
    one = private_server(data=tmp_path / "one", settings=settings)
    client = connection(one)
    simple(client, "c")
    insert(client, "c", simple_rows(vectors(10, 8)))
    os.kill(one.pid, signal.SIGSTOP)
    try:
        two = private_server(data=tmp_path / "two", settings=settings)  # when the lease has ended
        newer = connection(two)
        insert(newer, "c", simple_rows(vectors(5, 8, 2), first=10))
    finally:
        os.kill(one.pid, signal.SIGCONT)
    with pytest.raises(MilvusException):
        client.query("c", output_fields=["count(*)"], consistency_level="Strong", retry_times=0, timeout=30)
    assert count(newer, "c") == 15
    assert one.wait_exit() != 0
    assert "took over" in one.log()


def test_strong_reads_go_on_without_etcd(all_three, private_server, connection, tmp_path):
    """The log tells that nobody else has taken over."""
    data = tmp_path / "data"
    server = private_server(data=data, settings=all_three.settings(data))
    client = connection(server)
    simple(client, "c")
    insert(client, "c", simple_rows(vectors(10, 8)))
    all_three.servers["etcd"].kill()
    try:
        wait_until(lambda: server.http_get("/readyz")[0] == 503, "etcd to be missed", 60)
        insert(client, "c", simple_rows(vectors(5, 8, 2), first=10))
        assert count(client, "c") == 15
    finally:
        all_three.servers["etcd"].start()


def test_config_check_asks_kafka(all_three, tmp_path):
    data = tmp_path / "data"
    settings = all_three.settings(data)
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    done = run_kite("config", "check", "--data", str(data), "--json", *sets)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {store["store"]: store for store in json.loads(done.stdout)["stores"]}
    assert str(settings["kafka.brokerList"]) in found["log"]["where"] and "16 streams" in found["log"]["found"]
    # More replicas than there are brokers.
    few = ["--set", "kite.kafka.topic=wanted", "--set", "kite.kafka.replicas=3"]
    done = run_kite("config", "check", "--data", str(data), *sets, *few)
    assert done.returncode == 1 and "FAILED  log" in done.stdout and "kite.kafka.replicas" in done.stdout


def test_config_check_tries_each_store(etcd_and_s3, tmp_path):
    data = tmp_path / "data"
    settings = etcd_and_s3.settings(data)
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    done = run_kite("config", "check", "--data", str(data), "--json", *sets)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {store["store"]: store for store in json.loads(done.stdout)["stores"]}
    assert list(found) == ["metadata", "log", "objects"]
    assert str(settings["etcd.endpoints"]) in found["metadata"]["where"]
    assert str(settings["minio.address"]) in found["objects"]["where"]
    assert "embedded" in found["log"]["where"]
    assert all(store["ok"] and store["ms"] >= 0 for store in found.values())

    wrong = f"127.0.0.1:{free_port()}"
    done = run_kite(
        "config", "check", "--data", str(data), "--set", f"etcd.endpoints={wrong}", "--set", "etcd.requestTimeout=500"
    )
    assert done.returncode == 1
    assert "FAILED  metadata" in done.stdout and wrong in done.stdout and "etcd.endpoints" in done.stdout
    assert not data.exists()


def test_names_and_environment_of_milvus_choose_the_stores(etcd_and_s3, private_server, connection, tmp_path):
    data = tmp_path / "data"
    settings = etcd_and_s3.settings(data)
    environment = {
        "ETCD_ENDPOINTS": str(settings["etcd.endpoints"]),
        "ETCD_ROOTPATH": str(settings["etcd.rootPath"]),
        "MINIO_ADDRESS": str(settings["minio.address"]),
        "MINIO_ACCESS_KEY_ID": str(settings["minio.accessKeyID"]),
        "MINIO_SECRET_ACCESS_KEY": str(settings["minio.secretAccessKey"]),
        "MINIO_PORT": "tcp://10.0.0.8:9000",
        "MQ_TYPE": "woodpecker",
    }
    server = private_server(data=data, environment=environment)
    simple(connection(server), "c")
    assert "mq.type is woodpecker" in server.log()
    assert "etcd at" in server.log() and "S3 at" in server.log()


def test_a_lost_s3_is_named_and_searches_go_on(etcd_and_s3, private_server, connection, tmp_path):
    data = tmp_path / "data"
    settings = {**etcd_and_s3.settings(data), "minio.requestTimeoutMs": 1000}
    server = private_server(data=data, settings=settings)
    client = connection(server)
    simple(client, "c")
    rows = vectors(200, 8)
    insert(client, "c", simple_rows(rows))
    client.flush("c")
    assert search_keys(client, "c", rows[7][None, :], limit=1) == [[7]]  # fetches what it needs
    etcd_and_s3.servers["s3"].kill()
    try:
        _, reason = wait_until(
            lambda: (answer := server.http_get("/readyz"))[0] == 503 and answer, "S3 to be missed", 60
        )
        assert str(settings["minio.address"]) in reason and "kite-test" in reason
        insert(client, "c", simple_rows(vectors(10, 8, 2), first=200))
        assert count(client, "c") == 210
        assert search_keys(client, "c", rows[7][None, :], limit=1) == [[7]]
    finally:
        etcd_and_s3.servers["s3"].start()
    wait_until(lambda: server.http_get("/readyz")[0] == 200, "the server to recover", 60)
    client.flush("c")
    server.crash()
    assert count(connection(server), "c") == 210


def test_a_root_path_of_a_bucket_belongs_to_one_database(etcd_and_s3, private_server, connection, tmp_path):
    data = tmp_path / "data"
    settings = etcd_and_s3.settings(data)
    simple(connection(private_server(data=data, settings=settings)), "c")
    other = {**settings, "etcd.rootPath": "other"}
    sets = [part for key, value in other.items() for part in ("--set", f"{key}={value}")]
    where = ["--data", str(tmp_path / "other"), "--port", "0", "--metrics-port", "0"]
    refused = run_kite("run", "standalone", *where, *sets)
    assert refused.returncode == 3, refused.stderr
    assert "another database" in refused.stderr and "minio.rootPath" in refused.stderr


def test_wrong_s3_credentials_are_named(etcd_and_s3, tmp_path):
    data = tmp_path / "data"
    settings = {**etcd_and_s3.settings(data), "minio.secretAccessKey": "wrong-secret"}
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    refused = run_kite("config", "check", "--data", str(data), *sets)
    assert refused.returncode == 1
    assert str(settings["minio.address"]) in refused.stdout and "minio.secretAccessKey" in refused.stdout


def test_a_cold_cache_is_filled_again(etcd_and_s3, private_server, connection, tmp_path):
    data = tmp_path / "data"
    server = private_server(data=data, settings=etcd_and_s3.settings(data))
    client = connection(server)
    simple(client, "c")
    rows = vectors(3000, 8)
    insert(client, "c", simple_rows(rows))
    client.flush("c")
    server.kill()
    shutil.rmtree(data / "cache")
    server.start()
    client = connection(server)
    assert search_keys(client, "c", rows[1234][None, :], limit=1) == [[1234]]
    cached = lambda: [file for file in (data / "cache").iterdir() if len(file.name) == 32]  # noqa: E731
    assert cached()
    client.drop_collection("c")
    wait_until(lambda: not cached(), "the dropped files to leave the cache", 60)
