"""Filtered search: Kite's HNSW with its default parameters beside gathering and scanning the rows that pass.

Each query has a fresh filter. Selectivity 0.1 % to 99 %; filters independent of the query (random), correlated (near)
and anti-correlated (far), see `kite bench ann --filter-kind`. `gather and scan` is Kite's FLAT with the same filters.
For the random ones of the selectivities that `--peers` names also: faiss's flat index over rows that were gathered
beforehand (as many as pass), and hnswlib with the same filters, the fastest that reaches recall 0.99. The indexes are
those that `run.py` has built.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from formats import read_vectors, write_vectors
from libraries import KITE, PEERS
from report import number, table
from run import DATA, STORE, Measured, compile_driver, kite, report_of, say

SELECTIVITIES = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99)
KINDS = ("random", "near", "far")
HNSWLIB_EF = (10, 20, 40, 80, 160, 320, 640)
RECALL = 0.99
SEED = 5


class Filters:
    def __init__(self, name: str, queries: int, repeats: int, core: int) -> None:
        self.about = json.loads((DATA / name / "about.json").read_text())
        self.base = DATA / name / "base.fbin"
        self.queries = STORE / name / f"queries-{queries}.fbin"
        self.repeats, self.core = repeats, core
        vectors = read_vectors(DATA / name / "query.fbin")[:queries]
        self.queries.parent.mkdir(parents=True, exist_ok=True)
        write_vectors(self.queries, vectors)
        libraries = {library.name: library for library in [*KITE, *PEERS]}
        self.kite_hnsw, self.kite_flat, self.hnswlib = (
            Measured(libraries[key], name) for key in ("kite-hnsw", "kite-flat", "hnswlib-16")
        )
        for one in (self.kite_hnsw, self.kite_flat, self.hnswlib):
            one.build()

    def kite(self, measured: Measured, *filters: str) -> dict:
        command = [kite(), "bench", "ann", "--base", str(self.base), "--query", str(self.queries)]
        command += ["--metric", self.about["metric"], "--index", measured.library.driver[1], "--seed", str(SEED)]
        command += ["--from", str(measured.index), "--repeat", str(self.repeats), "--build-threads", "1"]
        point = report_of([*command, "--json", "-", *filters], self.core)["points"][0]
        return {key: point[key] for key in ("recall", "cpu_us_per_query", "p50_us", "p99_fastest_us")}

    def hnswlib_at(self, selectivity: float) -> float | None:
        """CPU time per query of the first point that reaches RECALL."""
        command = [str(compile_driver("hnswlib")), "search", str(self.base), self.about["metric"]]
        command += [str(self.hnswlib.index), str(self.queries), "10", str(SEED), "-", ",".join(map(str, HNSWLIB_EF))]
        points = report_of([*command, f"selectivity={selectivity}"], self.core)["points"]
        return min((point["cpu_us_raw"] for point in points if point["recall"] >= RECALL), default=None)

    def faiss_subset(self, selectivity: float) -> float:
        command = [sys.executable, __file__, "--faiss-subset", str(self.base), str(self.queries), str(selectivity)]
        return report_of([*command, "--metric", self.about["metric"]], self.core)["cpu_us"]

    def cell(self, kind: str, selectivity: float, peers: bool) -> dict:
        filters = ("--filter-kind", kind, "--filter-selectivity", str(selectivity))
        figures = {"kind": kind, "selectivity": selectivity, "kite": self.kite(self.kite_hnsw, *filters)}
        figures["scan"] = self.kite(self.kite_flat, *filters)
        if peers:
            figures["faiss_subset_us"] = self.faiss_subset(selectivity)
            figures["hnswlib_us"] = self.hnswlib_at(selectivity)
        return figures


def faiss_subset(base_file: str, query_file: str, selectivity: float, metric: str) -> None:
    from python_driver import Faiss, timed

    base, queries = read_vectors(Path(base_file)), read_vectors(Path(query_file))
    rows = np.random.default_rng(SEED).permutation(len(base))[: max(10, round(len(base) * selectivity))]
    peer = Faiss(metric, {"factory": "Flat"})
    peer.build(base[np.sort(rows)])
    search = peer.searcher("")
    print(json.dumps({"cpu_us": float(np.median([timed(search, queries, 10)[0] for _ in range(3)]))}))


def lines_of(name: str, cells: list[dict], unfiltered: dict) -> list[str]:
    rows = []
    for cell in cells:
        kite_figures, scan = cell["kite"], cell["scan"]
        rows.append(
            [
                f"{cell['selectivity']:.1%}",
                cell["kind"],
                f"{kite_figures['recall']:.3f}",
                *(number(kite_figures[key]) for key in ("cpu_us_per_query", "p50_us", "p99_fastest_us")),
                *(number(scan[key]) for key in ("cpu_us_per_query", "p99_fastest_us")),
                f"{kite_figures['cpu_us_per_query'] / scan['cpu_us_per_query']:.2f}",
                f"{kite_figures['p99_fastest_us'] / scan['p99_fastest_us']:.2f}",
                number(cell.get("faiss_subset_us")),
                number(cell.get("hnswlib_us")),
            ]
        )
    header = ["pass", "filter", "recall", "CPU µs", "p50", "p99", "gather and scan: CPU µs", "p99"]
    header += ["CPU: share", "p99: share", "faiss, gathered beforehand", f"hnswlib at {RECALL}"]
    without = f"Without a filter: recall {unfiltered['recall']:.3f}, {number(unfiltered['cpu_us_per_query'])} µs."
    return [f"### {name}", "", without, "", *table(header, rows), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["text", "synth128-100k"])
    parser.add_argument("--queries", type=int, default=250)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peers", nargs="*", type=float, default=SELECTIVITIES)
    parser.add_argument("--core", type=int, default=(os.cpu_count() or 1) - 1)
    parser.add_argument("--faiss-subset", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--metric", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.faiss_subset:
        base, queries, selectivity = arguments.faiss_subset
        faiss_subset(base, queries, float(selectivity), arguments.metric)
        return
    figures: dict[str, dict] = {}
    for name in arguments.sets:
        filters = Filters(name, arguments.queries, arguments.repeat, arguments.core)
        figures[name] = {"unfiltered": filters.kite(filters.kite_hnsw), "cells": []}
        for kind in KINDS:
            for selectivity in SELECTIVITIES:
                say(f"{name}: {kind} {selectivity}")
                peers = kind == "random" and selectivity in arguments.peers
                figures[name]["cells"].append(filters.cell(kind, selectivity, peers))
                write(figures)
    print((STORE / "filters.md").read_text())


def write(figures: dict[str, dict]) -> None:
    (STORE / "filters.json").write_text(json.dumps(figures, indent=1) + "\n")
    lines = [line for name, found in figures.items() for line in lines_of(name, found["cells"], found["unfiltered"])]
    (STORE / "filters.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
