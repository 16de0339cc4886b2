#!/usr/bin/env python3
"""Keeps the hop tables of ARCHITECTURE.md true.

Each row names a file that must exist and that a row above it can call: that file (with what it includes) sees a header
of the row's folder, or the row is a role and that file sees roles/roles.h, behind which the roles stand. Prints what is wrong and exits with 1.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#include "([^"]+)"', re.MULTILINE)
ROW = re.compile(r"^\| *(\d+) *\| *`([^`]+)` *\|")


def resolve(include: str) -> Path | None:
    for base in ("src", "engine/include", "engine/src"):
        if (path := ROOT / base / include).exists():
            return path
    return None


@cache
def includes(file: Path) -> frozenset[Path]:
    """Every header of ours that `file` sees, through any number of others."""
    seen: set[Path] = set()
    waiting = [file]
    while waiting:
        for name in INCLUDE.findall(waiting.pop().read_text()):
            header = resolve(name)
            if header and header not in seen:
                seen.add(header)
                waiting.append(header)
    return frozenset(seen)


def reaches(file: Path, target: Path) -> bool:
    headers = includes(file)
    if any(header.parent == target.parent for header in headers) or file.parent == target.parent:
        return True
    if "roles" in target.parts and ROOT / "src/roles/roles.h" in headers:
        return True
    # Behind an interface: the engine's and the stores' headers lie apart from what implements them.
    if "engine" in target.parts:
        return any("engine" in header.parts for header in headers)
    return "store" in target.parts and ROOT / "src/store/log_store.h" in headers


def main() -> int:
    problems: list[str] = []
    table: list[Path] = []
    tables = 0
    for number, line in enumerate((ROOT / "ARCHITECTURE.md").read_text().splitlines(), 1):
        row = ROW.match(line)
        if not row:
            table = []
            continue
        if int(row[1]) == 1:
            tables += 1
        path = ROOT / row[2]
        if not path.is_file():
            problems.append(f"ARCHITECTURE.md:{number}: {row[2]} does not exist")
            table = []
            continue
        if table and not any(reaches(caller, path) for caller in table):
            problems.append(f"ARCHITECTURE.md:{number}: no row above sees {row[2]}")
        table.append(path)
    if tables < 6:
        problems.append(f"ARCHITECTURE.md has {tables} hop tables; search, query, insert, delete, flush and load need one")
    print("\n".join(problems) or f"{tables} hop tables are true")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
