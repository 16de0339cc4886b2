"""The crash oracle as a test: a short run by default, KITE_SOAK_CYCLES for a long one."""

from __future__ import annotations

import os

import oracle
import pytest
from harness.server import SLOWNESS
from harness.stores import chosen

CYCLES = int(os.environ.get("KITE_SOAK_CYCLES", "8"))


@pytest.mark.timeout((120 + 20 * CYCLES) * SLOWNESS)
def test_nothing_acknowledged_is_lost_over_kills(tmp_path, seed, capsys):
    def report(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="")

    done = oracle.run(tmp_path / "data", CYCLES, seed, report)
    assert done.cycle == CYCLES


@pytest.mark.parametrize("victim", chosen())
@pytest.mark.timeout((180 + 30 * CYCLES) * SLOWNESS)
def test_nothing_acknowledged_is_lost_while_a_store_is_killed_and_stopped(victim, tmp_path, seed, capsys):
    """For the stores of KITE_STORES."""

    def report(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="")

    assert oracle.run(tmp_path / "data", CYCLES, seed, report, victim).cycle == CYCLES
