"""The image that a user compiles: `docker build -f deploy/docker/Dockerfile .` from nothing but the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from engine import KITE_IMAGE, Compose, Engine
from test_compose import FILES, check, connected, fill, running, start

pytestmark = [
    pytest.mark.timeout(6000),
    pytest.mark.skipif(
        os.environ.get("KITE_COMPILE_IMAGE") != "1", reason="takes half an hour and package mirrors: make test-image"
    ),
]


def test_the_compiled_image_serves(engine: Engine, tmp_path: Path):
    def size_of(image: str) -> int:
        return int(engine.docker("inspect", "-f", "{{.Size}}", image))

    slim = size_of("debian:bookworm-slim")
    engine.compile_kite("kite:compiled")
    # The base of the test has more than the one that users have.
    size = slim + size_of("kite:compiled") - size_of("debian:bookworm-slim")
    print(f"compiled image: {size / 1e6:.0f} MB")
    assert size < 250e6
    assert engine.docker("run", "--rm", "kite:compiled", "milvus", "version").startswith("Kite ")
    engine.docker("tag", "kite:compiled", KITE_IMAGE)
    compose = Compose(engine, tmp_path, FILES / "embedded.yml")
    with running(compose):
        start(compose, "kite")
        with connected() as client:
            fill(client)
            check(client)
