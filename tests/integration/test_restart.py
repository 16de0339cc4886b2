"""Stopping, killing and starting again; damage on the disk."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness.collections import (
    count,
    create,
    create_index,
    insert,
    key_field,
    keys_of,
    search_keys,
    simple,
    simple_rows,
    vector_field,
    wait_indexed,
)
from harness.oracle import top_keys, vectors
from harness.server import SLOWNESS, Server, run_kite
from pymilvus import DataType, MilvusException


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_everything_is_there_again(private_server, connection, how):
    server = private_server()
    data = vectors(1500, 16)
    fill(connection(server), connection, server, data)
    for _ in range(2):
        server.restart() if how == "stop" else server.crash()
        check(connection(server), connection, server, data)


def fill(client, connection, server: Server, data: np.ndarray) -> None:
    """Collections in many states: sealed, growing, deleted, indexed, released, parted, in databases, under aliases."""
    fields = [key_field(), ("num", DataType.INT64, {}), ("doc", DataType.JSON, {"nullable": True}), vector_field(16)]
    create(client, "main", fields, index="HNSW", params={"M": 8, "efConstruction": 64}, dynamic=True)
    create_index(client, "main", "num", "STL_SORT", index_name="by_num")
    rows = [
        {"id": i, "num": i % 10, "doc": {"i": i} if i % 3 else None, "vec": v, "extra": f"e{i}"}
        for i, v in enumerate(data)
    ]
    insert(client, "main", rows[:1000])
    client.flush("main")
    wait_indexed(client, "main", "vec", 1000)
    insert(client, "main", rows[1000:])
    client.delete("main", ids=[0, 1, 1400])
    client.delete("main", filter="num == 7")
    client.upsert("main", [{"id": 5, "num": 500, "doc": None, "vec": -data[5]}])
    client.create_alias("main", "other_name")
    client.alter_collection_properties("main", {"collection.ttl.seconds": 86400})

    simple(client, "parted", dim=16, load=False)
    client.create_partition("parted", "p")
    client.create_partition("parted", "gone")
    insert(client, "parted", simple_rows(data[:10]), partition_name="p")
    insert(client, "parted", simple_rows(data[:10], first=10))
    client.drop_partition("parted", "gone")
    client.load_partitions("parted", ["p"])

    simple(client, "released", dim=16, load=False)
    insert(client, "released", simple_rows(data[:7]))
    simple(client, "dropped", dim=16)
    client.drop_collection("dropped")
    simple(client, "old_name", index=None)
    client.rename_collection("old_name", "new_name")
    create(client, "auto", [key_field(), vector_field(2)], auto_id=True)
    client.insert("auto", [{"vec": [0, 1]}])

    client.create_database("second")
    inside = connection(server, db_name="second")
    simple(inside, "main")
    insert(inside, "main", simple_rows(vectors(4, 8)))


def check(client, connection, server: Server, data: np.ndarray) -> None:
    kept = [i for i in range(1500) if i not in (0, 1, 1400) and (i % 10 != 7 or i == 5)]
    assert sorted(client.list_collections()) == ["auto", "main", "new_name", "parted", "released"]
    assert client.get_load_state("main")["state"].name == "Loaded"
    assert count(client, "main") == client.get_collection_stats("main")["row_count"] == len(kept)
    rows = {row["id"]: row for row in client.query("main", filter="id >= 0", output_fields=["*"])}
    assert sorted(rows) == kept
    assert rows[8]["doc"] == {"i": 8} and rows[9]["doc"] is None and rows[8]["extra"] == "e8"
    assert rows[5]["num"] == 500 and "extra" not in rows[5]
    now = data.copy()
    now[5] = -data[5]
    assert all(np.asarray(rows[i]["vec"], np.float32).tobytes() == now[i].tobytes() for i in kept)
    chosen = np.array(kept)
    found = search_keys(client, "main", now[[5, 8, 1200]], limit=5, search_params={"params": {"ef": 200}})
    assert found == [top_keys("L2", now[chosen], chosen, now[i], 5) for i in (5, 8, 1200)]
    assert sorted(client.list_indexes("main")) == ["by_num", "vec"]
    description = client.describe_index("main", "vec")
    assert description["index_type"] == "HNSW" and description["state"] == "Finished"
    assert client.describe_alias("other_name")["collection_name"] == "main"
    assert client.describe_collection("main")["properties"]["collection.ttl.seconds"] == "86400"

    assert sorted(client.list_partitions("parted")) == ["_default", "p"]
    assert client.get_load_state("parted", "p")["state"].name == "Loaded"
    assert keys_of(client.query("parted", filter="id >= 0")) == list(range(10))
    assert client.get_load_state("released")["state"].name == "NotLoad"
    assert client.get_collection_stats("released")["row_count"] == 7

    before = set(keys_of(client.query("auto", filter="id >= 0")))
    fresh = client.insert("auto", [{"vec": [1, 1]}])["ids"][0]
    assert fresh not in before

    assert sorted(client.list_databases()) == ["default", "second"]
    inside = connection(server, db_name="second")
    assert inside.list_collections() == ["main"] and count(inside, "main") == 4


def test_sigterm_ends_within_five_seconds(private_server, connection):
    server = private_server()
    client = connection(server)
    simple(client, "c", dim=64)
    insert(client, "c", simple_rows(vectors(5000, 64)))
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 5 * SLOWNESS
    server.start()
    assert count(connection(server), "c") == 5000


def test_sigint_ends_it_too(private_server):
    server = private_server()
    os.kill(server.pid, signal.SIGINT)
    assert server.wait_exit() == 0


def test_writes_after_a_restart_go_on(private_server, connection):
    server = private_server()
    for cycle in range(4):
        client = connection(server)
        simple(client, "c")
        assert count(client, "c") == cycle * 10
        insert(client, "c", simple_rows(vectors(10, 8, cycle), first=cycle * 10))
        if cycle % 2:
            client.flush("c")
        server.crash()
    assert count(connection(server), "c") == 40


def test_timestamps_rise_over_a_restart(private_server, connection):
    """Session consistency of a client depends on it."""
    from harness import wire

    server, stamps = private_server(), []
    for _ in range(3):
        with wire.stub(server.address) as stub:
            stamps += [stub.AllocTimestamp(wire.pb.AllocTimestampRequest()).timestamp for _ in range(3)]
        server.crash()
    assert stamps == sorted(stamps) and len(set(stamps)) == len(stamps)


def test_a_second_server_on_the_same_directory_is_refused(private_server, connection):
    server = private_server()
    simple(connection(server), "c")
    second = Server(server.data)
    second.log_path = server.data.with_name("second.log")
    addresses = (server.data / "server.json").read_text()
    result = run_kite("run", "standalone", "--data", str(server.data), "--port", "0", "--metrics-port", "0")
    assert result.returncode != 0
    assert str(server.data) in result.stderr and "use" in result.stderr
    assert (server.data / "server.json").read_text() == addresses
    assert connection(server).has_collection("c")


def test_a_directory_that_cannot_be_used_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a directory")
    result = run_kite("run", "standalone", "--data", str(file), "--port", "0", "--metrics-port", "0")
    assert result.returncode != 0 and str(file) in result.stderr


def test_a_taken_port_is_named(private_server, tmp_path):
    port = private_server().port
    result = run_kite(
        "run", "standalone", "--data", str(tmp_path / "other"), "--port", str(port), "--metrics-port", "0"
    )
    assert result.returncode != 0 and str(port) in result.stderr


# What looks at files of the data folder.
EMBEDDED = pytest.mark.embedded("meta", "log", "objects")


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """The stopped data of a server: two collections, each with sealed, indexed rows and with rows in the log only."""
    from harness.clients import connect

    data = tmp_path_factory.mktemp("sound") / "data"
    with Server(data) as server:
        client = connect(server)
        for name in ("first", "second"):
            simple(client, name, dim=32, index="HNSW", params={"M": 8, "efConstruction": 40})
            insert(client, name, simple_rows(vectors(3000, 32)))
            client.flush(name)
            wait_indexed(client, name, "vec", 3000)
            insert(client, name, simple_rows(vectors(100, 32, 2), first=3000))
        client.close()
        server.kill()
    return data


@pytest.fixture
def copy(sound, tmp_path) -> Path:
    target = tmp_path / "data"
    shutil.copytree(sound, target)
    return target


def stored_files(data: Path) -> Iterator[Path]:
    """Files whose every byte is checksummed by us; RocksDB's own, locks and addresses are not among them."""
    for path in sorted(data.rglob("*")):
        inside = path.relative_to(data).parts
        if path.is_file() and path.stat().st_size and inside[0] not in ("meta", "server.json", "LOCK", "lock"):
            yield path


def checked_bytes(data: Path, path: Path) -> int:
    """How many bytes of a file, from its beginning, are told from a torn write when they are damaged: all, but not the
    last mark of a log file."""
    size = path.stat().st_size
    is_log = path.relative_to(data).parts[0] == "log"
    return size - 40 if is_log and size > 40 else size


def contents(data: Path) -> dict[str, bytes | None]:
    """Every file with its bytes, and every folder."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in data.rglob("*")}


def flip(path: Path, position: int) -> None:
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 0x55]))


@EMBEDDED
def test_check_finds_nothing_wrong_with_sound_data(copy):
    result = run_kite("check", str(copy))
    assert result.returncode == 0, result.stdout + result.stderr


def test_check_refuses_a_running_database(private_server):
    server = private_server()
    result = run_kite("check", str(server.data), *server.sets())
    assert result.returncode == 3 and f"process {server.pid}" in result.stderr


def test_check_of_no_database(tmp_path):
    result = run_kite("check", str(tmp_path / "nothing"))
    assert result.returncode != 0 and "nothing" in result.stdout + result.stderr


@EMBEDDED
def test_check_names_the_file_with_a_flipped_byte(copy, seed):
    random = np.random.default_rng(seed)
    files = list(stored_files(copy))
    assert len(files) >= 6, files
    for path in files:
        original = path.read_bytes()
        flip(path, int(random.integers(checked_bytes(copy, path))))
        result = run_kite("check", str(copy))
        report = result.stdout + result.stderr
        assert result.returncode != 0, f"{path}: damage not noticed"
        assert path.name in report, f"{path} is not named:\n{report}"
        path.write_bytes(original)
    assert run_kite("check", str(copy)).returncode == 0


@EMBEDDED
def test_check_changes_nothing(copy):
    """Not even what a crash left behind, which a start removes."""
    tail = max(log_files(copy), key=lambda path: path.name)
    with open(tail, "ab") as file:
        file.write(b"x" * 100)
    (copy / "tmp" / "7").mkdir(parents=True)
    (copy / "tmp" / "7" / "0").write_bytes(b"left over")
    (copy / "LOCK").unlink()
    before = contents(copy)
    result = run_kite("check", str(copy))
    assert contents(copy) == before
    assert result.returncode == 0 and tail.name in result.stdout, result.stdout
    assert run_kite("check", "--json", str(copy)).returncode == 0
    flip(tail, 100)
    before = contents(copy)
    assert run_kite("check", str(copy)).returncode == 4
    assert contents(copy) == before


@EMBEDDED
def test_check_names_a_missing_or_shortened_file(copy):
    for path in [p for p in stored_files(copy) if p.suffix in (".npy", ".parquet")][:4]:
        original = path.read_bytes()
        path.unlink()
        result = run_kite("check", str(copy))
        assert result.returncode != 0 and path.name in result.stdout + result.stderr
        path.write_bytes(original[:-10])
        result = run_kite("check", str(copy))
        assert result.returncode != 0 and path.name in result.stdout + result.stderr
        path.write_bytes(original)


def collection_files(data: Path) -> dict[str, list[Path]]:
    """Segment, index and manifest files by the collection that breaks when one of them does; found by trying."""
    groups: dict[str, list[Path]] = {}
    for path in stored_files(data):
        inside = path.relative_to(data).parts
        if inside[0] != "log":
            groups.setdefault(path.suffix or path.name, []).append(path)
    return groups


@EMBEDDED
def test_damaged_files_break_one_collection_and_are_named(copy, tmp_path, connection, private_server, seed):
    """One damaged file of each kind: the error names it, the other collection goes on, nothing wrong is returned."""
    random = np.random.default_rng(seed)
    truth = simple_rows(vectors(3000, 32)) + simple_rows(vectors(100, 32, 2), first=3000)
    for number, (kind, paths) in enumerate(sorted(collection_files(copy).items())):
        target = tmp_path / f"damaged{number}"
        shutil.copytree(copy, target)
        victim = target / paths[0].relative_to(copy)
        flip(victim, int(random.integers(victim.stat().st_size)))
        server = private_server(data=target)
        client = connection(server)
        broken = [name for name in ("first", "second") if not answers_exactly(client, name, truth)]
        assert len(broken) <= 1, f"{kind}: {victim} broke both"
        if broken:
            text = server.log() + refusal(client, broken[0])
            assert victim.name in text, f"{kind}: the damaged {victim.name} is named nowhere"
        server.stop()


def answers_exactly(client, name: str, truth: list[dict]) -> bool:
    """True when every read is right, False when reads fail; wrong answers fail the test."""
    try:
        rows = client.query(name, filter="id >= 0", output_fields=["num", "vec"], timeout=20 * SLOWNESS)
        hits = search_keys(client, name, truth[7]["vec"][None, :], limit=1, timeout=20 * SLOWNESS)
    except MilvusException:
        return False
    assert [row["id"] for row in rows] == [row["id"] for row in truth]
    assert all(
        a["num"] == b["num"] and np.asarray(a["vec"], np.float32).tobytes() == b["vec"].tobytes()
        for a, b in zip(rows, truth, strict=True)
    )
    assert hits == [[7]]
    return True


def refusal(client, name: str) -> str:
    try:
        client.load_collection(name, timeout=20 * SLOWNESS)
        client.query(name, filter="id >= 0", output_fields=["*"], timeout=20 * SLOWNESS)
    except MilvusException as error:
        return error.message
    return ""


def log_files(data: Path) -> list[Path]:
    return [path for path in stored_files(data) if path.relative_to(data).parts[0] == "log"]


@EMBEDDED
def test_a_torn_tail_of_the_log_is_cut(copy, connection, private_server):
    """What a power cut leaves: half a record that nobody was told about."""
    tail = max(log_files(copy), key=lambda path: path.name)
    with open(tail, "ab") as file:
        file.write(os.urandom(100))
    client = connection(private_server(data=copy))
    assert count(client, "first") == count(client, "second") == 3100
    insert(client, "first", simple_rows(vectors(1, 32), first=9000))
    assert count(client, "first") == 3101


@EMBEDDED
def test_a_damaged_log_record_is_reported_not_skipped(copy, connection):
    """An acknowledged record that is bad is corruption: the server says which file, and invents nothing."""
    path = max(log_files(copy), key=lambda p: p.stat().st_size)
    flip(path, path.stat().st_size // 3)
    server = Server(copy).spawn()
    try:
        server.wait_ready()
    except RuntimeError:
        assert path.name in server.log()
        return
    try:
        client = connection(server)
        for name in ("first", "second"):
            try:
                assert count(client, name) == 3100
            except MilvusException as error:
                assert path.name in error.message + server.log()
    finally:
        server.stop()
