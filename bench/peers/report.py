"""Tables and pictures from what run.py has measured.

    report.py                  $KITE_CACHE/bench-peers/report.md, report.json and one picture per data set
    report.py --picture FILE   also one picture of all data sets
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path

import libraries
import matplotlib
from run import DATA, STORE

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RECALLS = (0.90, 0.95, 0.99, 0.995)
OURS = "kite-hnsw"
LEAN = "kite-hnsw-lean"
BEST_OF = ("symqg", "svs", "glass", "vsag", "scann")
CLASSIC = ("hnswlib", "faiss-hnsw", "usearch")
# Ours, and which of faiss's it is compared with.
INVERTED = {
    "kite-ivf-flat": ("faiss-ivf-flat",),
    "kite-ivf-sq8": ("faiss-ivf-sq8",),
    "kite-ivf-pq8": ("faiss-ivf-pq8",),
    "kite-ivf-pq4": ("faiss-ivf-pq4",),
    "kite-ivf-rabitq": ("faiss-ivf-rabitq", "faiss-ivf-rabitqfs"),
}
BORROWING = {library.name for library in [*libraries.KITE, *libraries.PEERS] if library.borrows}
COLOURS = {library.name: plt.get_cmap("tab20")(i % 20) for i, library in enumerate(libraries.PEERS)}
LEAST_US = 0.1  # where hardly anything is left of a call after the empty call was taken off


class Front:
    """The points of one index that no other of its points beats, by recall."""

    def __init__(self, figures: dict, of_runs=statistics.median, raw: bool = False) -> None:
        call = 0 if raw else statistics.median(figures.get("call_us") or [0])
        points = sorted(
            (point["recall"], 1e6 / max(LEAST_US, of_runs([run["cpu_us_raw"] for run in point["runs"]]) - call))
            for point in figures["points"]
            if point["runs"]
        )
        self.points: list[tuple[float, float]] = []
        for recall, qps in reversed(points):
            if not self.points or qps > self.points[-1][1]:
                self.points.append((recall, qps))
        self.points.reverse()

    def qps_at(self, recall: float) -> float | None:
        """Between the two points around it, linear in the logarithm; the first point's where that is better already."""
        above = next((i for i, point in enumerate(self.points) if point[0] >= recall), None)
        if above is None:
            return None
        if above == 0 or self.points[above][0] == recall:
            return self.points[above][1]
        (r0, q0), (r1, q1) = self.points[above - 1 : above + 1]
        share = (recall - r0) / (r1 - r0)
        return math.exp(math.log(q0) * (1 - share) + math.log(q1) * share)


def read_set(name: str) -> dict[str, dict]:
    found = [json.loads(file.read_text()) for file in sorted((STORE / name).glob("*.json"))]
    return {figures["name"]: figures for figures in found}


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.1f}"


def summary(figures: dict, raw_bytes: int) -> dict:
    median, slow, fast = Front(figures), Front(figures, max), Front(figures, min)
    with_call = Front(figures, raw=True)
    pss = figures.get("pss_bytes", 0)
    return {
        "version": figures["version"],
        "params": figures["params"],
        "runs": min(len(point["runs"]) for point in figures["points"]),
        "qps": {str(r): median.qps_at(r) for r in RECALLS},
        "qps_low": {str(r): slow.qps_at(r) for r in RECALLS},
        "qps_high": {str(r): fast.qps_at(r) for r in RECALLS},
        "qps_with_call": {str(r): with_call.qps_at(r) for r in RECALLS},
        "highest_recall": max(point["recall"] for point in figures["points"]),
        "call_us": statistics.median(figures.get("call_us") or [0]),
        "build_cpu_s": figures.get("build_cpu_s"),
        "index_bytes": (figures.get("index_bytes") or 0) + (raw_bytes if figures["name"] in BORROWING else 0),
        "pss_bytes": pss,
        "memory_of_vectors": pss / raw_bytes,
    }


def best(summaries: dict, prefixes: tuple[str, ...], recall: float) -> float | None:
    found = [
        one["qps"][str(recall)]
        for name, one in summaries.items()
        if name.startswith(prefixes) and one["qps"][str(recall)] is not None
    ]
    return max(found, default=None)


def ratio(ours: float | None, theirs: float | None) -> str:
    if ours is None:
        return "–"
    return "only ours" if theirs is None else f"{ours / theirs:.2f}"


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows]]


def set_lines(name: str, about: dict, summaries: dict, failed: dict) -> list[str]:
    rows = []
    for key, one in summaries.items():
        cells = []
        for recall in map(str, RECALLS):
            cell = number(one["qps"][recall])
            if one["qps"][recall] is not None:
                cell += f" ({number(one['qps_low'][recall])}–{number(one['qps_high'][recall])})"
            cells.append(cell)
        rows.append(
            [
                key,
                *cells,
                f"{one['call_us']:.1f}",
                number(one["build_cpu_s"]),
                number(one["index_bytes"] / 1e6),
                f"{number(one['pss_bytes'] / 1e6)} ({one['memory_of_vectors']:.2f})",
            ]
        )
    header = ["index", *(f"{r}" for r in RECALLS), "call µs", "build CPU s", "saved MB", "memory MB (of vectors)"]
    lines = [f"### {name}: {about['rows']} × {about['dim']}, {about['metric']}", "", *table(header, rows)]
    if failed:
        lines += ["", *(f"{key}: {error}" for key, error in failed.items())]
    return [*lines, ""]


def ratio_rows(name: str, summaries: dict) -> list[list[str]]:
    """Ours over the best of the others, per kind of index."""
    rows = []
    comparisons = [(OURS, "best of " + ", ".join(BEST_OF), BEST_OF), (OURS, "best of " + ", ".join(CLASSIC), CLASSIC)]
    comparisons += [(LEAN, "hnswlib-16", ("hnswlib-16",))]
    comparisons += [(ours, ", ".join(theirs), theirs) for ours, theirs in INVERTED.items()]
    for ours, title, theirs in comparisons:
        if ours not in summaries or not any(key.startswith(theirs) for key in summaries):
            continue
        mine = summaries[ours]["qps"]
        rows.append([name, ours, title, *(ratio(mine[str(r)], best(summaries, theirs, r)) for r in RECALLS)])
    return rows


def geometric_means(all_summaries: dict[str, dict]) -> list[str]:
    cells = []
    for recall in RECALLS:
        pairs = [
            (one[OURS]["qps"][str(recall)], best(one, BEST_OF, recall)) for one in all_summaries.values() if OURS in one
        ]
        ratios = [ours / theirs for ours, theirs in pairs if ours and theirs]
        cells.append(f"{statistics.geometric_mean(ratios):.2f}" if ratios else "–")
    return ["geometric mean", OURS, "best of " + ", ".join(BEST_OF), *cells]


def draw(axes, name: str, about: dict, all_figures: dict[str, dict]) -> None:
    for key, figures in all_figures.items():
        if not figures["points"] or "ivf" in key or "flat" in key:
            continue
        points = [point for point in Front(figures).points if 0.8 <= point[0] < 1]
        ours = key.startswith("kite")
        style = "--" if key == LEAN else "-"
        axes.plot(
            [-math.log10(1 - recall) for recall, _ in points],
            [qps for _, qps in points],
            label=key,
            marker="o" if ours else ".",
            linewidth=2.5 if ours else 1,
            linestyle=style,
            color="black" if ours else COLOURS[key],
            zorder=3 if ours else 2,
        )
    ticks = [0.8, 0.9, 0.95, 0.99, 0.995, 0.999]
    axes.set_xticks([-math.log10(1 - tick) for tick in ticks], [str(tick) for tick in ticks])
    axes.set_yscale("log")
    axes.set_xlabel("recall of the 10 nearest")
    axes.set_ylabel("queries per CPU second")
    axes.set_title(f"{name}: {about['rows']:,} × {about['dim']}, {about['metric']}".replace(",", " ", 1))
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(fontsize=7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    sets = [file.parent.name for file in sorted(DATA.glob("*/about.json")) if (STORE / file.parent.name).is_dir()]
    abouts = {name: json.loads((DATA / name / "about.json").read_text()) for name in sets}
    figures = {name: read_set(name) for name in sets}
    summaries = {
        name: {
            key: summary(one, abouts[name]["rows"] * abouts[name]["dim"] * 4)
            for key, one in figures[name].items()
            if any(point["runs"] for point in one["points"])
        }
        for name in sets
    }
    sets = [name for name in sets if summaries[name]]
    lines = [
        "Queries per second of CPU time of one thread at recall 0.90, 0.95, 0.99 and 0.995 of the 10 nearest: medians,",
        "the slowest and the fastest run in brackets; the cost of a call from Python (`call µs`) is taken off.",
        "",
    ]
    for name in sets:
        failed = {key: one["error"] for key, one in figures[name].items() if "error" in one}
        lines += set_lines(name, abouts[name], summaries[name], failed)
    ratios = [row for name in sets for row in ratio_rows(name, summaries[name])]
    if ratios:
        ratios.append(geometric_means({name: summaries[name] for name in sets}))
        lines += ["### Ours over theirs", "", *table(["set", "ours", "theirs", *map(str, RECALLS)], ratios), ""]
    (STORE / "report.md").write_text("\n".join(lines))
    (STORE / "report.json").write_text(json.dumps(summaries, indent=1) + "\n")
    for name in sets:
        picture, axes = plt.subplots(figsize=(8, 6), layout="constrained")
        draw(axes, name, abouts[name], figures[name])
        picture.savefig(STORE / f"{name}.png", dpi=110)
        plt.close(picture)
    if arguments.picture and sets:
        columns = 2
        picture, grid = plt.subplots(
            math.ceil(len(sets) / columns),
            columns,
            figsize=(14, 5 * math.ceil(len(sets) / columns)),
            layout="constrained",
            squeeze=False,
        )
        for name, axes in zip(sets, grid.flat, strict=False):
            draw(axes, name, abouts[name], figures[name])
        for axes in list(grid.flat)[len(sets) :]:
            axes.remove()
        picture.savefig(arguments.picture, dpi=90)


if __name__ == "__main__":
    main()
