"""The image and the compose files: unmodified clients, restarts, removed containers, backups of the volumes."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine import KITE_IMAGE, Compose, Engine
from harness.server import REPOSITORY, wait_until
from pymilvus import MilvusClient

FILES = REPOSITORY / "deploy/compose"
URI = "http://127.0.0.1:19530"
ROWS = 3000


def row(key: int) -> dict:
    return {"id": key, "vector": [float(key % 100), float(key // 100), 1.0, 0.5], "name": f"row {key}"}


def fill(client: MilvusClient) -> None:
    client.create_collection("things", dimension=4, metric_type="L2")
    client.insert("things", [row(key) for key in range(ROWS)])
    client.flush("things")
    client.insert("things", [row(key) for key in range(ROWS, ROWS + 10)])  # only in the log yet
    client.delete("things", ids=[7])


def check(client: MilvusClient) -> None:
    counted = client.query("things", filter="", output_fields=["count(*)"], consistency_level="Strong")
    assert counted == [{"count(*)": ROWS + 9}]
    for key in (0, 1234, ROWS + 3):
        found = client.search("things", data=[row(key)["vector"]], limit=1, output_fields=["name"])
        assert found[0][0]["id"] == key and found[0][0]["entity"]["name"] == f"row {key}"
    assert client.get("things", ids=[7]) == []


def ready() -> bool:
    try:
        with urllib.request.urlopen("http://127.0.0.1:9091/readyz", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


@contextmanager
def connected() -> Iterator[MilvusClient]:
    """Not before the server is there: Docker's own proxy accepts connections earlier, and drops them."""
    wait_until(ready, "the server to be ready", 120, interval=0.1)
    client = MilvusClient(URI, timeout=60)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def running(compose: Compose) -> Iterator[Compose]:
    try:
        yield compose
    except BaseException:
        print(compose("ps"), compose("logs", "--no-color", "--tail", "40"))
        raise
    finally:
        compose("down", "-v", "-t", "10")


def start(compose: Compose, service: str) -> float:
    """Seconds from `up` to healthy."""
    begin = time.monotonic()
    compose("up", "-d")
    compose.wait_healthy(service)
    return time.monotonic() - begin


def test_image(engine: Engine):
    size = int(engine.docker("inspect", "-f", "{{.Size}}", KITE_IMAGE))
    print(f"image: {size / 1e6:.0f} MB")
    assert size < 250e6
    for program in ("kite", "milvus"):
        assert engine.docker("run", "--rm", KITE_IMAGE, program, "version").startswith("Kite ")
    ids = engine.docker("run", "--rm", KITE_IMAGE, "sh", "-c", "id -u; id -G; grep CapEff /proc/self/status")
    assert ids.split() == ["10001", "10001", "CapEff:", "0000000000000000"]
    assert engine.docker("run", "--rm", "--user", "10001", KITE_IMAGE, "id", "-u") == "10001\n"


def test_embedded(engine: Engine, tmp_path: Path):
    compose = Compose(engine, tmp_path, FILES / "embedded.yml")
    with running(compose):
        print(f"embedded: {start(compose, 'kite'):.1f} s from up to healthy")
        assert "no authentication" in compose("logs", "kite")
        with connected() as client:
            fill(client)
            check(client)
        compose("restart", "kite")
        compose.wait_healthy("kite")
        assert compose("logs", "kite").count("no authentication") == 2
        with connected() as client:
            check(client)


def test_standalone(engine: Engine, tmp_path: Path):
    compose = Compose(engine, tmp_path, FILES / "standalone.yml")
    with running(compose):
        print(f"standalone: {start(compose, 'kite'):.1f} s from up to healthy")
        with connected() as client:
            fill(client)
            check(client)
        compose("kill", "-s", "SIGKILL", "kite", "etcd", "minio")
        start(compose, "kite")
        with connected() as client:
            check(client)
        compose("down")
        start(compose, "kite")
        with connected() as client:
            check(client)
        back_up_and_restore(engine, compose, tmp_path)
        with connected() as client:
            check(client)


def back_up_and_restore(engine: Engine, compose: Compose, folder: Path) -> None:
    """As docs/deploy/compose.md says."""
    volumes = ("kite-etcd", "kite-minio", "kite-data")

    def tar(volume: str, *arguments: str) -> None:
        places = ("-v", f"{volume}:/volume", "-v", f"{folder}:/backup")
        engine.docker("run", "--rm", *places, "--entrypoint", "tar", KITE_IMAGE, "-C", "/volume", *arguments)

    compose("stop")
    for volume in volumes:
        tar(volume, "-czf", f"/backup/{volume}.tar.gz", ".")
    compose("start")
    compose.wait_healthy("kite")
    with connected() as client:
        client.drop_collection("things")
    compose("down", "-v")
    assert "kite-" not in engine.docker("volume", "ls", "-q")
    for volume in volumes:
        engine.docker("volume", "create", volume)
        tar(volume, "-xzpf", f"/backup/{volume}.tar.gz")
    start(compose, "kite")


@pytest.mark.parametrize("files", [("standalone.yml", "development.yml")])
def test_development_override_is_valid(engine: Engine, tmp_path: Path, files: tuple[str, ...]):
    config = Compose(engine, tmp_path, *(FILES / file for file in files))("config")
    assert "volumes/kite" in config and "127.0.0.1:2379" in config


def test_the_file_of_milvus_users(engine: Engine, tmp_path: Path):
    """Only the image's name is another one; the folders belong to root, as Docker makes them."""
    compose = Compose(engine, tmp_path, Path(__file__).with_name("milvus.yml"), project="milvus")
    with running(compose):
        begin = time.monotonic()
        compose("up", "-d")
        with connected() as client:
            print(f"file of Milvus's users: {time.monotonic() - begin:.1f} s from up to the first call")
            fill(client)
            check(client)
        compose.wait_healthy("standalone")
        compose("rm", "-s", "-f", "standalone")
        compose("up", "-d")
        with connected() as client:
            check(client)
        compose("down")
        compose("up", "-d")
        with connected() as client:
            check(client)
    assert (tmp_path / "volumes/milvus/kite").is_dir()
    assert any((tmp_path / "volumes/minio").glob("a-bucket/files/segments/*"))
