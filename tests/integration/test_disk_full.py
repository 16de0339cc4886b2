"""A full disk: writes say so, reads go on, and when there is room again writes do too."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.collections import count, create, insert, key_field, search_keys, vector_field
from harness.oracle import vectors
from harness.server import SLOWNESS, wait_until
from pymilvus import MilvusException

pytestmark = pytest.mark.embedded("meta", "log", "objects")

DIM = 256


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 48 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(mount)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"mounting a small file system failed: {done.stderr.decode().strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=False)


def test_a_full_disk_fails_writes_and_nothing_else(small_disk, private_server, connection):
    server = private_server(data=small_disk / "data")
    client = connection(server)
    create(client, "c", [key_field(), vector_field(DIM)])
    insert(client, "c", batch(0))
    client.flush("c")
    ballast = fill(small_disk)

    acknowledged, refusal = write_until_refused(client, batches=1)
    assert "disk" in refusal.message.lower() or "space" in refusal.message.lower(), refusal
    assert server.alive()
    assert count(client, "c") == acknowledged * 500
    assert search_keys(client, "c", vectors(500, DIM, 0)[[3]], limit=1) == [[3]]
    assert server.http_get("/healthz")[0] == 200

    ballast.unlink()
    wait_until(lambda: writes_again(client), "writes to go on", 30)
    server.crash()
    client = connection(server)
    assert count(client, "c") == acknowledged * 500 + 1
    assert list(client.get("c", 10_000_000, output_fields=["id"])) == [{"id": 10_000_000}]


def batch(number: int) -> list[dict]:
    return [{"id": number * 500 + i, "vec": v} for i, v in enumerate(vectors(500, DIM, number))]


def fill(disk: Path) -> Path:
    """Takes all but two megabytes."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    ballast.write_bytes(b"x" * max(0, room.f_bavail * room.f_frsize - 2 * 2**20))
    return ballast


def write_until_refused(client, batches: int) -> tuple[int, MilvusException]:
    """The number of batches that were acknowledged in all, and the refusal."""
    for number in range(batches, 400):
        try:
            client.insert("c", batch(number), timeout=20 * SLOWNESS)
            batches += 1
            if number % 3 == 0:
                client.flush("c", timeout=20 * SLOWNESS)
        except MilvusException as error:
            return batches, error
    raise AssertionError("200 MB went on a disk of 48 MB")


def writes_again(client) -> bool:
    try:
        client.insert("c", [{"id": 10_000_000, "vec": [0.0] * DIM}], timeout=10 * SLOWNESS)
        return True
    except MilvusException:
        return False
