#!/usr/bin/env python3
"""Keeps wider instruction sets inside of the files that are compiled for them.

An inline function or template that such a file emits for the linker to merge (a weak symbol) may be kept in place of
the same one of another file, and then runs on CPUs that lack the instructions. So the archive's members whose names
have `avx` in them may not define any. Prints those that there are and exits with 1.

    check_kernel_symbols.py libkite_engine.a
"""

from __future__ import annotations

import subprocess
import sys

WEAK = {"W", "V", "u"}


def weak_symbols(archive: str) -> tuple[int, list[str]]:
    """How many members were looked at, and `member: symbol` of each weak one that they define."""
    listing = subprocess.run(["nm", "-C", "--defined-only", archive], check=True, capture_output=True, text=True).stdout
    members, found, member = 0, [], ""
    for line in listing.splitlines():
        if line.endswith(".o:"):
            member = line[:-1]
            members += "avx" in member
        parts = line.split(maxsplit=2)
        if "avx" in member and len(parts) == 3 and parts[1] in WEAK:
            found.append(f"{member}: {parts[2]}")
    return members, found


def main() -> int:
    members, found = weak_symbols(sys.argv[1])
    for symbol in found:
        print(f"{symbol} is a weak symbol: give it internal linkage (static, or a namespace without a name)")
    if members == 0:
        print(f"{sys.argv[1]} has no member for a wider instruction set")
    return 1 if found or members == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
