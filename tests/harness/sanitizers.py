"""Builds with sanitizers: how their run times are set up, and what they have reported."""

from __future__ import annotations

import functools
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "tools" / "sanitizers"

MARKS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "FATAL: ThreadSanitizer",
    "runtime error:",
)


def options(binary: Path) -> dict[str, str]:
    """Environment variables for a build with sanitizers; none for any other."""
    if not instrumented(binary):
        return {}
    lines = [line for line in (FOLDER / "options").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.replace("@FOLDER@", str(FOLDER)).split("=", 1) for line in lines)


def check(output: str) -> None:
    """Fails with the first report in what a process has printed."""
    starts = [output.index(mark) for mark in MARKS if mark in output]
    assert not starts, "a sanitizer reports:\n" + output[min(starts) :][:8000]


@functools.cache
def instrumented(binary: Path) -> bool:
    """Whether the binary was built with the address or the thread sanitizer."""
    program = binary.read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program
