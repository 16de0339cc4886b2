"""examples/ and README's first program, run as a user would run them; only the server's address is exchanged."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from harness.server import REPOSITORY, SLOWNESS

ADDRESS = "http://localhost:19530"
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))

# Patterns, one for each line that an example prints.
EXPECTED = {
    "quickstart.py": [
        r"inserted 100",
        r"7 1\.0 \{'colour': 'green', 'price': 70\}",
        *[r"\d+ 0\.\d+ \{'colour': 'green', 'price': [1-4]?\d0\}"] * 2,
        r"blue ones: 33",
        r"left: 50",
    ],
    "orm.py": [r"\d+ 0\.0 title 3", *[r"\d+ \d+\.\d+ title \d+"] * 2, r"1000 entities"],
    "async_client.py": [r"500 searches in \d+\.\d\d s, 500 found themselves"],
}


def run_program(source: str, uri: str) -> str:
    """What the program prints on `uri` instead of the usual address."""
    assert ADDRESS in source
    done = subprocess.run(
        [sys.executable, "-c", source.replace(ADDRESS, uri)],
        capture_output=True,
        text=True,
        timeout=60 * SLOWNESS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_prints_what_it_should_also_the_second_time(server, path):
    for _ in range(2):
        lines = run_program(path.read_text(), server.uri).splitlines()
        patterns = EXPECTED[path.name]
        assert len(lines) == len(patterns), lines
        for line, pattern in zip(lines, patterns, strict=True):
            assert re.fullmatch(pattern, line), f"{line!r} is not {pattern}"


def test_the_program_in_the_readme(private_server):
    program = re.search(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)[1]
    assert "'colour': 'red'" in run_program(program, private_server().uri)
