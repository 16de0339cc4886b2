"""Builds the indexes of Kite and of its peers over the same data, searches them in turn on one core, and reports.

Every run of an index is a fresh process that loads what was saved: a pass over the queries without a clock, then one
with. The runs of all indexes of a data set follow one another, `--rounds` times in changing order. Indexes and figures
are kept in $KITE_CACHE/bench-peers/<set>/; what is there is not made again, but for Kite's with --again.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import libraries
import numpy as np
from formats import read_ids, read_vectors, recall
from libraries import Library

K = 10
ENOUGH = 0.996  # points beyond the first that reaches this recall are not timed again
LEAST = 0.87  # nor are points far below what is compared
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = Path(
    os.environ.get("KITE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kite"
)
DATA = CACHE / "bench-data"
STORE = CACHE / "bench-peers"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def pinned_version(key: str) -> str:
    return re.search(rf"^{key}=(.*)$", (ROOT / "tools" / "versions").read_text(), re.M).group(1)


def version(library: Library) -> str:
    if library.driver[0] == "kite":
        return subprocess.run([kite(), "version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    if library.package == "hnswlib":
        return pinned_version("HNSWLIB_VERSION")
    return importlib.metadata.version(library.package)


def kite() -> str:
    return os.environ.get("KITE_BIN", str(ROOT / "build" / "release" / "kite"))


def remove(path: Path) -> None:
    """A file or a folder, if there is one."""
    if path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def compile_driver(name: str) -> Path:
    """The C++ drivers are compiled on the machine that runs them, for it, as these libraries' own packages are."""
    program = STORE / "bin" / name
    sources = [HERE / f"{name}_driver.cc", HERE / "driver.h"]
    if program.exists() and program.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    site = Path(sysconfig.get_path("purelib"))
    flags = {
        "hnswlib": ["-I", str(CACHE / f"hnswlib-{pinned_version('HNSWLIB_VERSION')}")],
        "symqg": [
            *("-fopenmp", "-DRABITQ_USE_OPENMP=1", "-DEIGEN_MAX_ALIGN_BYTES=64", "-DEIGEN_MAX_STATIC_ALIGN_BYTES=64"),
            *("-I", str(site / "include"), "-I", str(site / "include/rabitqlib/third")),
        ],
    }[name]
    archives = [str(site / f"lib64/librabitq_{part}.a") for part in ("index", "fastscan", "core")]
    command = ["g++", "-std=c++20", "-O3", "-march=native", "-DNDEBUG", *flags, "-o", str(program), str(sources[0])]
    subprocess.run(command + (archives if name == "symqg" else []), check=True)
    return program


def command_of(library: Library) -> list[str]:
    if library.driver[0] == "python":
        return [sys.executable, str(HERE / "python_driver.py")]
    return [str(compile_driver(library.driver[0]))]


def report_of(command: list[str], core: int) -> dict:
    """What a program reports, run with one thread on that core; its failure ends this one."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["taskset", "-c", str(core), *command], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout[done.stdout.index("{") :])


class Measured:
    """One index of a library over one data set, with its figures."""

    def __init__(self, library: Library, name: str) -> None:
        self.library = library
        self.about = json.loads((DATA / name / "about.json").read_text())
        self.data = DATA / name
        self.index = STORE / "index" / name / library.name
        self.file = STORE / name / f"{library.name}.json"
        self.figures = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.params = {key: str(value) for key, value in library.params(self.about["rows"], self.about["dim"]).items()}
        now = {"version": version(library), "params": self.params}
        if {key: self.figures.get(key) for key in now} != now:
            self.forget(now)

    def forget(self, now: dict) -> None:
        self.figures = {"name": self.library.name, "set": self.about["name"], **now, "points": []}
        remove(self.index)

    def forget_times(self) -> None:
        """Recall stays, and with it the choice of the points that are worth their time."""
        self.figures["call_us"] = []
        for point in self.points_to_time():
            point["runs"] = []

    def keep(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.figures, indent=1) + "\n")
        temporary.rename(self.file)

    @property
    def usable(self) -> bool:
        return "error" not in self.figures

    def is_kite(self) -> bool:
        return self.library.driver[0] == "kite"

    def run(self, command: list[str], core: int | None) -> dict | None:
        """What the driver reports; None, with its words kept, when it fails."""
        pinned = ["taskset", "-c", str(core)] if core is not None else ["nice", "-n", "5"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        try:
            done = subprocess.run(pinned + command, capture_output=True, text=True, env=environment, timeout=7200)
        except subprocess.TimeoutExpired:
            self.figures["error"] = "took more than two hours"
            return None
        if done.returncode == 0:
            return json.loads(done.stdout[done.stdout.index("{") :])
        words = [line for line in done.stderr.strip().splitlines() if line.strip()]
        self.figures["error"] = words[-1][:300] if words else f"exit status {done.returncode}"
        return None

    def words(self) -> list[str]:
        return [f"{key}={value}" for key, value in self.params.items()]

    def kite_command(self, *more: str) -> list[str]:
        command = [kite(), "bench", "ann", "--base", str(self.data / "base.fbin"), "--metric", self.about["metric"]]
        command += ["--query", str(self.data / "query.fbin"), "--groundtruth", str(self.data / "truth.ibin")]
        command += ["--index", self.library.driver[1], "--build-threads", "1", "--json", "-"]
        return command + list(more)

    # -- Build

    def build(self) -> None:
        if self.index.exists() or not self.usable:
            return
        say(f"{self.about['name']}: building {self.library.name}")
        working = self.index.with_name(self.index.name + ".part")
        remove(working)
        working.parent.mkdir(parents=True, exist_ok=True)
        report = self.run(self.build_command(working), None)
        if report is None:
            say(f"  failed: {self.figures['error']}")
        else:
            working.rename(self.index)
            files = [file for file in [self.index, *self.index.rglob("*")] if file.is_file()]
            self.figures["build_cpu_s"] = report["build_cpu_s"]
            self.figures["index_bytes"] = sum(file.stat().st_size for file in files)
        self.keep()

    def build_command(self, working: Path) -> list[str]:
        if self.is_kite():
            build = ["--build", ",".join(self.words())] if self.params else []
            return self.kite_command("--save", str(working), "--repeat", "1", *build)
        base = str(self.data / "base.fbin")
        command = [*command_of(self.library), "build", *self.library.driver[1:]]
        return [*command, base, self.about["metric"], str(working), *self.words()]

    # -- Search

    def round(self, number: int, core: int) -> None:
        """One process: a run of every point."""
        if not self.index.exists():
            return
        first = not self.figures["points"]
        points = self.library.points if first else [point["search"] for point in self.points_to_time()]
        if self.is_kite():
            report = self.run(self.kite_command(
                "--from", str(self.index), "--search", points_text(points), "--repeat", "1", "--seed", str(number)
            ), core)
        else:
            base, queries = str(self.data / "base.fbin"), str(self.data / "query.fbin")
            ids = self.index.with_name(self.index.name + ".ids") if first else "-"
            command = [*command_of(self.library), "search", *self.library.driver[1:], base, self.about["metric"]]
            command += [str(self.index), queries, str(K), str(number), str(ids), ",".join(map(str, points))]
            report = self.run(command + self.words(), core)
            if report is not None and first:
                self.add_recall(report, ids)
        if report is None:
            say(f"  {self.library.name} failed: {self.figures['error']}")
        else:
            self.add_run(report)
        self.keep()

    def points_to_time(self) -> list[dict]:
        points = self.figures["points"]
        beyond = [point["recall"] for point in points if point["recall"] >= ENOUGH]
        chosen = [point for point in points if LEAST <= point["recall"] <= min(beyond, default=1)]
        return chosen or points[-1:]

    def add_recall(self, report: dict, ids: Path) -> None:
        base, queries = read_vectors(self.data / "base.fbin"), read_vectors(self.data / "query.fbin")
        truth = read_ids(self.data / "truth.ibin")
        found = np.fromfile(ids, np.int32).reshape(len(report["points"]), len(queries), K)
        ids.unlink()
        for point, rows in zip(report["points"], found, strict=True):
            point["recall"] = recall(base, queries, truth, rows, self.about["metric"])

    def add_run(self, report: dict) -> None:
        self.figures["pss_bytes"] = report["pss_bytes"] - report.get("pss_before_bytes", 0)
        self.figures.setdefault("call_us", []).append(report.get("call_us", 0))
        known = {point["search"]: point for point in self.figures["points"]}
        for point in report["points"]:
            if point["search"] not in known:
                known[point["search"]] = {"search": point["search"], "recall": point["recall"], "runs": []}
                self.figures["points"].append(known[point["search"]])
            raw = point.get("cpu_us_raw", point.get("cpu_us_per_query"))
            run = {"cpu_us_raw": raw, "p50_us": point["p50_us"], "p99_us": point["p99_us"]}
            known[point["search"]]["runs"].append(run)

    def rounds_done(self) -> int:
        return min((len(point["runs"]) for point in self.points_to_time()), default=0) if self.figures["points"] else 0


def points_text(points: list[str]) -> str:
    """`ef=16`, `ef=32` … as one sweep of kite bench: `ef=16,32`; points of several parameters keep their products."""
    values: dict[str, list[str]] = {}
    for point in points:
        for word in filter(None, point.split(",")):
            name, value = word.split("=")
            if value not in values.setdefault(name, []):
                values[name].append(value)
    return ",".join(f"{name}={','.join(found)}" for name, found in values.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = {library.name: library for library in [*libraries.KITE, *libraries.PEERS]}
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="data sets (default: all that were made)")
    parser.add_argument("--libraries", nargs="+", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=(os.cpu_count() or 1) - 1, help="the core that searches run on")
    parser.add_argument("--again", action="store_true", help="forget the figures and indexes of the chosen libraries")
    parser.add_argument("--time-again", action="store_true", help="forget the chosen libraries' times, keep the indexes")
    parser.add_argument("--only-build", action="store_true")
    arguments = parser.parse_args()
    sets = arguments.sets or sorted(file.parent.name for file in DATA.glob("*/about.json"))
    chosen = arguments.libraries or list(known)
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"unknown: {', '.join(unknown)}; known are {', '.join(known)}")
    for name in sets:
        measured = [Measured(known[library], name) for library in chosen]
        for one in measured:
            if arguments.again:
                one.forget({"version": one.figures["version"], "params": one.params})
            elif arguments.time_again:
                one.forget_times()
            one.build()
        if arguments.only_build:
            continue
        for number in range(arguments.rounds):
            due = [one for one in measured if one.usable and one.rounds_done() <= number]
            random.Random(number).shuffle(due)
            if due:
                say(f"{name}: round {number + 1} of {arguments.rounds}, {len(due)} indexes")
            for one in due:
                one.round(number, arguments.core)


if __name__ == "__main__":
    main()
