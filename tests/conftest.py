"""Fixtures of all Python tests: one shared server per run, private servers for restarts, fresh names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pymilvus
import pytest
from harness.clients import connect, fresh_name
from harness.server import Server, kite_binary
from harness.stores import chosen
from pymilvus import MilvusClient


def pytest_report_header() -> list[str]:
    return [
        f"kite: {kite_binary()}",
        f"pymilvus: {pymilvus.__version__}",
        f"seed: {base_seed()} (KITE_SEED)",
        f"stores on servers: {', '.join(chosen()) or 'none'} (KITE_STORES)",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """embedded("log", "meta", "objects"): the test looks at these stores in the data folder."""
    on_servers = {"etcd": "meta", "kafka": "log", "s3": "objects"}
    external = {on_servers[name] for name in chosen()}
    for item in items:
        for marker in item.iter_markers("embedded"):
            if missing := external & set(marker.args):
                item.add_marker(pytest.mark.skip(reason=f"looks into the embedded {', '.join(sorted(missing))}"))


def base_seed() -> int:
    return int(os.environ.get("KITE_SEED", "20261121"))


@pytest.fixture(scope="session")
def seed() -> int:
    """What generated data and operations begin with; KITE_SEED replays a run."""
    return base_seed()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that most tests share. Tests must not stop it and keep to collections of their own."""
    shared = Server(tmp_path_factory.mktemp("shared") / "data")
    with shared:
        yield shared
        assert shared.alive(), f"the shared server died:\n{shared.log_tail()}"


@pytest.fixture(autouse=True)
def shared_server_lives(request: pytest.FixtureRequest) -> Iterator[None]:
    """Names the test that killed the shared server or made a sanitizer report, instead of failing all that follow."""
    yield
    if "server" in request.fixturenames:
        shared = request.getfixturevalue("server")
        if not shared.alive():
            tail = shared.log_tail()
            try:
                shared.kill()
            finally:
                shared.start()
            pytest.fail(f"the server died during this test:\n{tail}")
        shared.check_log()


@pytest.fixture
def client(server: Server) -> Iterator[MilvusClient]:
    opened = connect(server)
    yield opened
    opened.close()


@pytest.fixture
def connection() -> Iterator[Callable[..., MilvusClient]]:
    """Opens clients, each on a connection of its own, and closes them at the end."""
    opened: list[MilvusClient] = []

    def open_client(server: Server, **options) -> MilvusClient:
        opened.append(connect(server, **options))
        return opened[-1]

    yield open_client
    for one in opened:
        one.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    return fresh_name(request.node.name)


@pytest.fixture
def names(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes names that no other test uses."""
    return lambda: fresh_name(request.node.name)


@pytest.fixture
def private_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes started servers with a data directory of their own; whatever runs at the end is stopped."""
    made: list[Server] = []

    def make(data: Path | None = None, **options) -> Server:
        server = Server(data or tmp_path / f"data{len(made)}", **options)
        made.append(server)
        return server.start()

    yield make
    for server in made:
        if server.alive():
            server.stop()
        else:
            server.kill()
