"""`kite check` of a database whose metadata, log and objects are on servers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.clients import connect
from harness.collections import insert, simple, simple_rows, wait_indexed
from harness.oracle import vectors
from harness.server import Server, run_kite
from harness.stores import Stores, free_port

# It starts stores of its own, beside embedded ones.
pytestmark = pytest.mark.embedded("meta", "log", "objects")


@pytest.fixture(scope="module")
def servers() -> Iterator[Stores]:
    started = Stores(["etcd", "kafka", "s3"])
    yield started
    started.stop()


@pytest.fixture
def sound(servers, tmp_path) -> Iterator[Server]:
    """A server that was killed: sealed and indexed rows in S3, others in Kafka only."""
    data = tmp_path / "data"
    server = Server(data, settings=servers.settings(data)).start()
    client = connect(server)
    for name in ("first", "second"):
        simple(client, name, dim=32, index="HNSW", params={"M": 8, "efConstruction": 40})
        insert(client, name, simple_rows(vectors(3000, 32)))
        client.flush(name)
        wait_indexed(client, name, "vec", 3000)
        insert(client, name, simple_rows(vectors(100, 32, 2), first=3000))
    client.close()
    server.kill()
    yield server
    server.kill()


def check(servers: Stores, data: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    all_settings = {**servers.settings(data), **{key.replace("__", "."): value for key, value in settings.items()}}
    sets = [part for key, value in all_settings.items() for part in ("--set", f"{key}={value}")]
    return run_kite("check", str(data), *sets, *arguments, seconds=120)


def state(servers: Stores, data: Path) -> dict[str, object]:
    """What etcd, Kafka and MinIO have stored, and the data folder."""
    settings = servers.settings(data)
    etcdctl = ["etcdctl", f"--endpoints={settings['etcd.endpoints']}"]
    stored = subprocess.run(
        [*etcdctl, "get", "--prefix", "", "--write-out=json"], check=True, capture_output=True, env={"ETCDCTL_API": "3"}
    )
    revision = json.loads(stored.stdout)["header"]["revision"]
    folders = [data, *servers.folder("kafka").glob(f"{settings['kite.kafka.topic']}-*"), servers.folder("s3") / "kite-test"]
    files = {
        str(path): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".index", ".timeindex", ".snapshot")
    }
    return {"etcd": revision, "topics": sorted(servers.folder("kafka").glob("*-0")), **files}


def test_sound_data_is_found_sound_and_nothing_changes(servers, sound):
    before = state(servers, sound.data)
    result = check(servers, sound.data)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no damage" in result.stdout
    report = json.loads(check(servers, sound.data, "--json").stdout)
    assert report["ok"] and report["collections"] == 2 and report["segments"] >= 2 and report["problems"] == []
    assert report["log_records"] >= 2  # what was not flushed
    settings = servers.settings(sound.data)
    for store, address in (("metadata", "etcd.endpoints"), ("log", "kafka.brokerList"), ("objects", "minio.address")):
        assert settings[address] in report["stores"][store]
    assert state(servers, sound.data) == before
    # From another folder too, when the lease of the server that was killed is over.
    other = sound.data.with_name("other")
    sets = {key.replace(".", "__"): value for key, value in settings.items()}
    assert check(servers, other, **sets).returncode == 0
    assert not other.exists()
    sound.start()  # and it can be used as before


def test_a_running_server_is_named(servers, sound):
    sound.start()
    here = check(servers, sound.data)
    assert here.returncode == 3 and f"process {sound.pid}" in here.stderr, here.stderr
    sets = {key.replace(".", "__"): value for key, value in servers.settings(sound.data).items()}
    elsewhere = check(servers, sound.data.with_name("other"), **sets)
    assert elsewhere.returncode == 3 and f"process {sound.pid}" in elsewhere.stderr, elsewhere.stderr


def test_damaged_and_missing_objects_are_named(servers, sound):
    stored = servers.folder("s3") / "kite-test" / str(servers.settings(sound.data)["minio.rootPath"])
    objects = sorted(path.parent for path in stored.rglob("xl.meta") if "segments" in path.parts)
    assert len(objects) >= 6
    missing, wrong, other = objects[0], objects[1], objects[2]
    shutil.move(missing, sound.data.with_name("missing"))
    shutil.move(wrong, sound.data.with_name("wrong"))
    shutil.copytree(other, wrong)  # another object's bytes
    result = check(servers, sound.data)
    assert result.returncode == 4, result.stdout + result.stderr
    assert str(missing.relative_to(stored)) in result.stdout and str(wrong.relative_to(stored)) in result.stdout
    report = json.loads(check(servers, sound.data, "--json").stdout)
    assert not report["ok"] and len(report["problems"]) == 2
    shutil.rmtree(wrong)
    shutil.move(sound.data.with_name("missing"), missing)
    shutil.move(sound.data.with_name("wrong"), wrong)
    assert check(servers, sound.data).returncode == 0


def test_stores_that_are_not_there_or_not_those_are_no_damage(servers, sound):
    address = f"127.0.0.1:{free_port()}"
    lost = check(servers, sound.data, etcd__endpoints=address, etcd__requestTimeout=500)
    assert lost.returncode == 1 and address in lost.stderr, lost.stderr
    empty = check(servers, sound.data, etcd__rootPath="nothing-here")
    assert empty.returncode == 1 and "holds no Kite database" in empty.stderr, empty.stderr
    for _ in range(2):  # the first one does not make it
        topic = check(servers, sound.data, kite__kafka__topic="no-such-topic")
        assert topic.returncode == 1 and "no-such-topic" in topic.stderr, topic.stderr
        bucket = check(servers, sound.data, minio__bucketName="no-such-bucket")
        assert bucket.returncode == 1 and "no-such-bucket" in bucket.stderr, bucket.stderr
    path = check(servers, sound.data, minio__rootPath="elsewhere")
    assert path.returncode == 4 and "database-id" in path.stdout, path.stdout
