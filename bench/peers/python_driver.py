"""The peers that have no C++ headers in their package, driven from Python, with the arguments of driver.h.

A call from Python costs something that is not the library's doing. So each run also measures the same call on an index
of TINY vectors, made by the same library with the same parameters as far as they allow; the report has both figures.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from formats import read_vectors

TINY = 64
WARM_UP = 100  # queries, where the ids are not wanted
Searcher = Callable[[np.ndarray, int], np.ndarray]  # (query, k) -> ids


class Peer:
    """One index. `params` are the words of the command line."""

    def __init__(self, metric: str, params: dict[str, str]) -> None:
        self.metric = metric
        self.params = params

    def build(self, base: np.ndarray) -> None:
        raise NotImplementedError

    def save(self, path: Path) -> None:
        raise NotImplementedError

    def load(self, path: Path, base_file: Path) -> None:
        """May read the vectors if the library needs them beside the index."""
        raise NotImplementedError

    def searcher(self, point: str) -> Searcher:
        raise NotImplementedError

    def number(self, name: str) -> int:
        return int(self.params[name])


class Svs(Peer):
    """degree, window; codes: lvq4x8, or float16. Points are the search window."""

    def __init__(self, metric: str, params: dict[str, str]) -> None:
        super().__init__(metric, params)
        import svs

        self.svs = svs
        self.distance = svs.DistanceType.L2 if metric == "L2" else svs.DistanceType.MIP

    def build(self, base: np.ndarray) -> None:
        build = self.svs.VamanaBuildParameters(
            alpha=1.2 if self.metric == "L2" else 0.95,
            graph_max_degree=min(self.number("degree"), len(base) // 2),
            window_size=self.number("window"),
        )
        if self.params["codes"] == "float16":
            data = base.astype(np.float16)
            self.index = self.svs.Vamana.build(build, data, self.distance, num_threads=1)
            return
        with tempfile.TemporaryDirectory() as folder:
            self.svs.write_vecs(base, folder + "/base.fvecs")
            loader = self.svs.VectorDataLoader(folder + "/base.fvecs", self.svs.DataType.float32, dims=base.shape[1])
            codes = self.svs.LVQLoader(loader, primary=4, residual=8)
            self.index = self.svs.Vamana.build(build, codes, self.distance, num_threads=1)

    def save(self, path: Path) -> None:
        self.index.save(str(path / "config"), str(path / "graph"), str(path / "data"))

    def load(self, path: Path, base_file: Path) -> None:
        if self.params["codes"] == "float16":
            data = self.svs.VectorDataLoader(str(path / "data"), self.svs.DataType.float16)
        else:
            data = self.svs.LVQLoader(str(path / "data"))
        graph = self.svs.GraphLoader(str(path / "graph"))
        self.index = self.svs.Vamana(str(path / "config"), graph, data, self.distance, num_threads=1)

    def searcher(self, point: str) -> Searcher:
        self.index.search_window_size = int(point)
        search = self.index.search
        return lambda query, k: search(query, k)[0][0]


class Glass(Peer):
    """type (HNSW, NSG), degree, L. SQ8 codes, re-ranked by `refine` where it is given. Points are ef."""

    def __init__(self, metric: str, params: dict[str, str]) -> None:
        super().__init__(metric, params)
        import glass

        self.glass = glass

    def build(self, base: np.ndarray) -> None:
        kind = "HNSW" if len(base) == TINY else self.params["type"]  # NSG's training wants more vectors
        index = self.glass.Index(kind, self.metric, "SQ8U", self.number("degree"), self.number("L"))
        self.graph = index.build(base)
        self.base = base

    def save(self, path: Path) -> None:
        self.graph.save(str(path / "graph"))

    def load(self, path: Path, base_file: Path) -> None:
        self.graph = self.glass.Graph(str(path / "graph"))
        self.base = read_vectors(base_file)
        self.make_searcher()

    def make_searcher(self) -> None:
        self.index = self.glass.Searcher(self.graph, self.base, self.metric, "SQ8U", self.params.get("refine", ""))
        self.index.set_ef(64)
        self.index.optimize(1)
        del self.base

    def searcher(self, point: str) -> Searcher:
        if hasattr(self, "base"):
            self.make_searcher()
        self.index.set_ef(int(point))
        search = self.index.search
        return lambda query, k: search(query, k)[0]


class Vsag(Peer):
    """index (hnsw, hgraph) and the parameters of its build. Points are ef_search."""

    def build(self, base: np.ndarray) -> None:
        import pyvsag

        pyvsag.set_logger_off()
        if self.params["index"] == "hgraph":
            inner = {
                "base_quantization_type": self.params["codes"],
                "use_reorder": True,
                "precise_quantization_type": "fp32",
                "max_degree": self.number("degree"),
                "ef_construction": self.number("ef_construction"),
                "build_thread_count": 1,
            }
        else:
            inner = {"max_degree": self.number("degree"), "ef_construction": self.number("ef_construction")}
        metric = "l2" if self.metric == "L2" else "ip"
        key = "index_param" if self.params["index"] == "hgraph" else "hnsw"
        parameters = {"dtype": "float32", "metric_type": metric, "dim": self.dim, key: inner}
        self.index = pyvsag.Index(self.params["index"], json.dumps(parameters))
        if base is not None:
            self.index.build(base.ravel(), np.arange(len(base), dtype=np.int64), len(base), base.shape[1])

    @property
    def dim(self) -> int:
        return self.number("dim")

    def save(self, path: Path) -> None:
        self.index.save(str(path / "index"))

    def load(self, path: Path, base_file: Path) -> None:
        self.build(None)
        self.index.load(str(path / "index"))

    def searcher(self, point: str) -> Searcher:
        parameters = json.dumps({self.params["index"]: {"ef_search": int(point)}})
        search = self.index.knn_search
        return lambda query, k: search(query, k, parameters)[0]


class Scann(Peer):
    """leaves. Points are leaves to search : candidates that the exact vectors rank."""

    def build(self, base: np.ndarray) -> None:
        import scann

        leaves = min(self.number("leaves"), len(base) // 2)
        builder = scann.scann_ops_pybind.builder(
            base, 10, "squared_l2" if self.metric == "L2" else "dot_product"
        ).tree(num_leaves=leaves, num_leaves_to_search=1, training_sample_size=min(250_000, len(base)))
        threshold = float("nan") if self.metric == "L2" else 0.2
        builder = builder.score_ah(2, anisotropic_quantization_threshold=threshold).reorder(100)
        builder = builder.set_n_training_threads(1)
        self.index = builder.build()

    def save(self, path: Path) -> None:
        self.index.serialize(str(path), relative_path=True)  # the folder is renamed afterwards

    def load(self, path: Path, base_file: Path) -> None:
        import scann

        self.index = scann.scann_ops_pybind.load_searcher(str(path))

    def searcher(self, point: str) -> Searcher:
        search = self.index.search
        leaves, reorder = map(int, point.split(":"))
        return lambda query, k: search(query, k, reorder, leaves)[0]


class Faiss(Peer):
    """factory, ef_construction. Points are efSearch, nprobe, or nprobe : the factor of candidates that are refined."""

    def __init__(self, metric: str, params: dict[str, str]) -> None:
        super().__init__(metric, params)
        import faiss

        faiss.omp_set_num_threads(1)
        self.faiss = faiss

    def build(self, base: np.ndarray) -> None:
        metric = self.faiss.METRIC_L2 if self.metric == "L2" else self.faiss.METRIC_INNER_PRODUCT
        factory = self.params["factory"]
        if len(base) == TINY and "IVF" in factory:
            factory = "Flat"  # training wants more vectors
        self.index = self.faiss.index_factory(base.shape[1], factory, metric)
        if "ef_construction" in self.params:
            self.index.hnsw.efConstruction = self.number("ef_construction")
        self.index.train(base)
        self.index.add(base)

    def save(self, path: Path) -> None:
        self.faiss.write_index(self.index, str(path / "index"))

    def load(self, path: Path, base_file: Path) -> None:
        self.index = self.faiss.read_index(str(path / "index"))

    def searcher(self, point: str) -> Searcher:
        index = self.faiss.downcast_index(self.index)
        effort, _, factor = point.partition(":")
        if isinstance(index, self.faiss.IndexRefine):
            index.k_factor = float(factor)
            index = self.faiss.downcast_index(index.base_index)
        if isinstance(index, self.faiss.IndexIVF):
            index.nprobe = int(effort)
        elif isinstance(index, self.faiss.IndexHNSW):
            index.hnsw.efSearch = int(effort)
        search, swig_ptr = self.index.search_c, self.faiss.swig_ptr
        distances, ids = np.empty(1024, np.float32), np.empty(1024, np.int64)
        distances_ptr, ids_ptr = swig_ptr(distances), swig_ptr(ids)

        def one(query: np.ndarray, k: int) -> np.ndarray:
            search(1, swig_ptr(query), k, distances_ptr, ids_ptr)
            return ids[:k]

        one.buffers = (distances, ids)  # the pointers keep nothing alive
        return one


class Usearch(Peer):
    """Defaults of the library, float32. Points are expansion_search."""

    def build(self, base: np.ndarray) -> None:
        from usearch.index import Index

        self.index = Index(ndim=base.shape[1], metric="l2sq" if self.metric == "L2" else "ip", dtype="f32")
        self.index.add(np.arange(len(base)), base, threads=1)

    def save(self, path: Path) -> None:
        self.index.save(str(path / "index"))

    def load(self, path: Path, base_file: Path) -> None:
        from usearch.index import Index

        self.index = Index.restore(str(path / "index"))

    def searcher(self, point: str) -> Searcher:
        self.index.expansion_search = int(point)
        search = self.index.search
        return lambda query, k: search(query, k, threads=1).keys


PEERS = {"svs": Svs, "glass": Glass, "vsag": Vsag, "scann": Scann, "faiss": Faiss, "usearch": Usearch}


def pss_bytes() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def call_us(peer: Peer, queries: np.ndarray, k: int, point: str) -> float:
    """CPU time of a call that has next to nothing to do."""
    tiny = type(peer)(peer.metric, peer.params)
    rng = np.random.default_rng(1)
    tiny.build(rng.standard_normal((TINY, queries.shape[1]), dtype=np.float32))
    search = tiny.searcher(point)
    return min(timed(search, queries, k)[0] for _ in range(3))


def timed(search: Searcher, queries: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """(CPU time per query, wall time of each), in microseconds."""
    rows = list(queries)
    latencies = []
    start = time.process_time()
    for row in rows:
        begin = time.perf_counter()
        search(row, k)
        latencies.append(time.perf_counter() - begin)
    return (time.process_time() - start) * 1e6 / len(rows), np.array(latencies) * 1e6


def run_build(peer: Peer, base_file: str, index: str) -> dict:
    base = read_vectors(Path(base_file))
    start = time.process_time()
    peer.build(base)
    seconds = time.process_time() - start
    Path(index).mkdir(parents=True, exist_ok=True)
    peer.save(Path(index))
    return {"build_cpu_s": seconds}


def run_search(
    peer: Peer, base_file: str, index: str, query_file: str, k: int, seed: int, ids: str, points: list[str]
) -> dict:
    queries = read_vectors(Path(query_file))
    call = call_us(peer, queries, k, points[0])
    before = pss_bytes()
    peer.load(Path(index), Path(base_file))
    order = np.random.default_rng(seed).permutation(len(queries))
    wanted = ids != "-"
    found = np.full((len(points), len(queries), k), -1, np.int32)
    figures = []
    for p, point in enumerate(points):
        search = peer.searcher(point)
        for q, query in enumerate(queries if wanted else queries[:WARM_UP]):
            hits = np.asarray(search(query, k)).ravel()[:k]
            found[p, q, : len(hits)] = hits
        cpu_us, latencies = timed(search, queries[order], k)
        p50, p99 = np.percentile(latencies, [50, 99])
        figures.append({"search": point, "cpu_us_raw": cpu_us, "p50_us": p50, "p99_us": p99})
    pss = pss_bytes() - before
    if wanted:
        found.tofile(ids)
    return {"call_us": call, "pss_bytes": pss, "points": figures}


def main() -> None:
    # What the libraries print must not mix with the report.
    report_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    command, name, *words = sys.argv[1:]
    positional = [word for word in words if "=" not in word]
    params = dict(word.split("=", 1) for word in words if "=" in word)
    base, metric, index = positional[:3]
    rows_dim = np.fromfile(base, np.uint32, 2)
    peer = PEERS[name](metric, {**params, "dim": str(rows_dim[1])})
    if command == "build":
        report = run_build(peer, base, index)
    else:
        queries, k, seed, ids, points = positional[3:]
        report = run_search(peer, base, index, queries, int(k), int(seed), ids, points.split(","))
    report_to.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
