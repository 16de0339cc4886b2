"""Clients and names for tests."""

from __future__ import annotations

import itertools
import re

from pymilvus import MilvusClient

from .server import SLOWNESS, Server

TOKEN = "root:Milvus"
_numbers = itertools.count()


def connect(server: Server, **options) -> MilvusClient:
    """A client with a connection of its own."""
    options.setdefault("token", TOKEN)
    options.setdefault("timeout", 30 * SLOWNESS)
    return MilvusClient(uri=server.uri, dedicated=True, **options)


def fresh_name(stem: str) -> str:
    """A name that begins like `stem` and that no other test uses."""
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', stem)[:60]}_{next(_numbers)}"
