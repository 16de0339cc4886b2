"""Kite's FLAT beside faiss's flat index over vectors that the processor's caches hold.

Random vectors, 2 000 and 10 000 of 128, 384 and 768 dimensions. One thread, one query per call, k = 10, CPU time per
query; for faiss the same call on an index of 64 vectors is taken off. Rounds of the two follow one another; the table
has medians. `--kite` names other builds of Kite that take part as well.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from formats import write_vectors
from run import HERE, kite, report_of

ROWS = (2_000, 10_000)
DIMS = (128, 384, 768)
METRICS = ("L2", "IP")
QUERIES = 300
K = 10
SEED = 20261121


class Case:
    def __init__(self, folder: Path, rows: int, dim: int, metric: str, core: int) -> None:
        self.base, self.queries, self.index = folder / "base.fbin", folder / "query.fbin", folder / "index"
        self.metric, self.core = metric, core
        rng = np.random.default_rng(SEED)
        write_vectors(self.base, rng.standard_normal((rows, dim), dtype=np.float32))
        write_vectors(self.queries, rng.standard_normal((QUERIES, dim), dtype=np.float32))
        self.faiss = [sys.executable, str(HERE / "python_driver.py"), "{}", "faiss", str(self.base), metric]
        report_of(self.faiss_command("build"), core)

    def faiss_command(self, name: str, *words: str) -> list[str]:
        command = [word.format(name) if word == "{}" else word for word in self.faiss]
        return [*command, str(self.index), *words, "factory=Flat"]

    def kite_us(self, program: str) -> float:
        files = ["--base", str(self.base), "--query", str(self.queries)]
        command = [program, "bench", "ann", *files, "--metric", self.metric, "--index", "FLAT"]
        command += ["--k", str(K), "--repeat", "5", "--json", "-"]
        return report_of(command, self.core)["points"][0]["cpu_us_per_query"]

    def faiss_us(self, seed: int) -> tuple[float, float]:
        """Without the call, and the call."""
        command = self.faiss_command("search", str(self.queries), str(K), str(seed), "-", "0")
        report = report_of(command, self.core)
        return report["points"][0]["cpu_us_raw"] - report["call_us"], report["call_us"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--kite", nargs="*", default=[], help="other builds, by their paths")
    args = parser.parse_args()
    programs = [kite(), *args.kite]
    names = " | ".join(["kite us", *args.kite])
    print(f"| rows | dim | metric | {names} | faiss us | its call us | faiss / kite |\n|{'---|' * (6 + len(programs))}")
    for rows in ROWS:
        for dim in DIMS:
            for metric in METRICS:
                with tempfile.TemporaryDirectory() as folder:
                    case = Case(Path(folder), rows, dim, metric, args.core)
                    ours: list[list[float]] = [[] for _ in programs]
                    theirs = []
                    for seed in range(args.rounds):
                        for times, program in zip(ours, programs, strict=True):
                            times.append(case.kite_us(program))
                        theirs.append(case.faiss_us(seed))
                medians = [statistics.median(times) for times in ours]
                faiss, call = (statistics.median(values) for values in zip(*theirs, strict=True))
                figures = " | ".join(f"{median:.1f}" for median in medians)
                print(f"| {rows} | {dim} | {metric} | {figures} | {faiss:.1f} | {call:.1f} | {faiss / medians[0]:.2f} |")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
