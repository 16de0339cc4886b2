from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from engine import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    if os.geteuid() != 0:
        pytest.skip("a container engine of one's own needs root")
    started = Engine()
    try:
        started.make_images()
        yield started
    finally:
        started.stop()
