"""Fixtures of the integration tests alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import pytest
from harness import wire
from harness.server import SLOWNESS, Server

IDLE_SECONDS = 34  # pings at 10, 20 and 30 s: a third strike would end the connection


@dataclass
class IdleChannel:
    """A channel that pymilvus's way of pinging keeps open, and what happened to it."""

    channel: grpc.Channel
    opened: float = field(default_factory=time.monotonic)
    states: list[grpc.ChannelConnectivity] = field(default_factory=list)
    lost: threading.Event = field(default_factory=threading.Event)

    def note(self, state: grpc.ChannelConnectivity) -> None:
        was_ready = grpc.ChannelConnectivity.READY in self.states
        self.states.append(state)
        if was_ready and state != grpc.ChannelConnectivity.READY:
            self.lost.set()

    def wait(self) -> bool:
        """True when the connection has been lost before its time."""
        return self.lost.wait(max(0.0, self.opened + IDLE_SECONDS - time.monotonic()))


@pytest.fixture(scope="session", autouse=True)
def idle_channel(request: pytest.FixtureRequest) -> Iterator[IdleChannel | None]:
    """Opened before the first test, so that the one that asks for it hardly waits."""
    if not any(
        "idle_channel" in item.fixturenames and item.name.startswith("test_an_idle_channel")
        for item in request.session.items
    ):
        yield None
        return
    server: Server = request.getfixturevalue("server")
    options = [
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_retries", 0),
    ]
    with grpc.insecure_channel(server.address, options=options) as channel:
        idle = IdleChannel(channel)
        channel.subscribe(idle.note)
        wire.milvus_pb2_grpc.MilvusServiceStub(channel).GetVersion(wire.pb.GetVersionRequest(), timeout=10 * SLOWNESS)
        yield idle
