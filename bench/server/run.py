"""Measures every figure of the server and prints the table of the README.

bench/run [--quick] [--only start,insert] [--json OUT]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import collections_cost
import consistency
import idle
import insert
import restart
import scale
import search_cpu
import start
from common import Figure, machine, progress, report

FULL = {
    "start": start.measure,
    "idle": idle.measure,
    "insert": insert.measure,
    "consistency": consistency.measure,
    "search_cpu": search_cpu.measure,
    "collections": collections_cost.measure,
    "restart": restart.measure,
    "scale": scale.measure,
}
QUICK = {
    "start": {"runs": 5},
    "idle": {"seconds": 20.0},
    "insert": {"runs": 1, "batches": 60},
    "consistency": {"runs": 1, "repeats": 200},
    "search_cpu": {"runs": 1, "searches": 1500},
    "collections": {"runs": 2, "collections": 200},
    "restart": {"runs": 2, "rows": 50_000},
    "scale": {"queries": 100, "rows": 50_000},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: a look at the scripts, not at the server")
    parser.add_argument("--only", default=",".join(FULL), help=f"some of {','.join(FULL)}")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.only.split(","):
        progress(name)
        figures += FULL[name](**(QUICK[name] if options.quick else {}))
    print("\n" + ", ".join(f"{key} {value}" for key, value in machine().items()) + "\n")
    print("| figure | target | measured: median (range) |\n|---|---|---|")
    report(figures, options.json)


if __name__ == "__main__":
    main()
