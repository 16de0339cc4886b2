"""Which indexes are compared, with which parameters. Nothing here depends on a data set but for its rows and dimension."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

EF = [10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320, 453, 640, 905, 1280]
NPROBE = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]


def lists(rows: int) -> int:
    """Clusters of an inverted file: about four times the square root of the rows."""
    return 2 ** round(math.log2(4 * math.sqrt(rows)))


@dataclass(frozen=True)
class Library:
    """An index of a library with its parameters; `points` are the values of the search that are tried."""

    name: str
    driver: tuple[str, ...]  # program: ("hnswlib",) and ("symqg",) are C++; ("python", peer); ("kite", index type)
    package: str  # whose version is recorded
    points: list
    params: Callable[[int, int], dict] = field(default=lambda rows, dim: {})  # of rows and dimension
    borrows: bool = False  # the vectors that a search needs lie beside the index's own file


def constant(**params: object) -> Callable[[int, int], dict]:
    return lambda rows, dim: params


def faiss_ivf(codes: Callable[[int], str]) -> Callable[[int, int], dict]:
    return lambda rows, dim: {"factory": f"IVF{lists(rows)},{codes(dim)}"}


def pairs(first: list, second: list) -> list[str]:
    return [f"{a}:{b}" for a in first for b in second]


def kite_ivf(**more: Callable[[int], object]) -> Callable[[int, int], dict]:
    return lambda rows, dim: {"nlist": lists(rows), **{name: value(dim) for name, value in more.items()}}


REFINED = pairs(NPROBE, [3, 10, 30])

PEERS = [
    *(
        Library(
            f"symqg-{bits}",
            ("symqg",),
            "rabitqlib",
            EF,
            constant(degree=32, ef_construction=200, quantization_bits=bits),
        )
        for bits in (0, 4, 8)
    ),
    Library(
        "glass-hnsw-sq8", ("python", "glass"), "pyglass-portable", EF, constant(type="HNSW", degree=32, L=200, refine="FP16"), borrows=True
    ),
    Library("hnswlib-16", ("hnswlib",), "hnswlib", EF, constant(M=16, ef_construction=200)),
    Library("svs-lvq-32", ("python", "svs"), "scalable-vs", EF, constant(degree=32, window=200, codes="lvq4x8")),
    Library("svs-lvq-64", ("python", "svs"), "scalable-vs", EF, constant(degree=64, window=200, codes="lvq4x8")),
    Library("svs-f16-32", ("python", "svs"), "scalable-vs", EF, constant(degree=32, window=200, codes="float16")),
    Library(
        "vsag-hgraph",
        ("python", "vsag"),
        "pyvsag",
        EF,
        constant(index="hgraph", codes="sq8", degree=32, ef_construction=200),
    ),
    Library(
        "scann",
        ("python", "scann"),
        "scann",
        pairs(NPROBE, [30, 100, 300]),
        lambda rows, dim: {"leaves": lists(rows) // 2},
    ),
    Library("usearch", ("python", "usearch"), "usearch", EF),
    Library("faiss-hnsw", ("python", "faiss"), "faiss-cpu", EF, constant(factory="HNSW32", ef_construction=200)),
    Library("hnswlib-32", ("hnswlib",), "hnswlib", EF, constant(M=32, ef_construction=200)),
    Library("vsag-hnsw", ("python", "vsag"), "pyvsag", EF, constant(index="hnsw", degree=32, ef_construction=200)),
    Library(
        "glass-nsg-sq8", ("python", "glass"), "pyglass-portable", EF, constant(type="NSG", degree=32, L=100, refine="FP16"), borrows=True
    ),
    Library("faiss-flat", ("python", "faiss"), "faiss-cpu", ["0"], constant(factory="Flat")),
    Library("faiss-ivf-flat", ("python", "faiss"), "faiss-cpu", NPROBE, faiss_ivf(lambda dim: "Flat")),
    Library("faiss-ivf-sq8", ("python", "faiss"), "faiss-cpu", NPROBE, faiss_ivf(lambda dim: "SQ8")),
    Library(
        "faiss-ivf-pq8",
        ("python", "faiss"),
        "faiss-cpu",
        REFINED,
        faiss_ivf(lambda dim: f"PQ{dim // 4}x8,RFlat"),
    ),
    Library(
        "faiss-ivf-pq4",
        ("python", "faiss"),
        "faiss-cpu",
        REFINED,
        faiss_ivf(lambda dim: f"PQ{dim // 2}x4fs,RFlat"),
    ),
    Library(
        "faiss-ivf-rabitq", ("python", "faiss"), "faiss-cpu", REFINED, faiss_ivf(lambda dim: "RaBitQ,RFlat")
    ),
    Library(
        "faiss-ivf-rabitqfs",
        ("python", "faiss"),
        "faiss-cpu",
        REFINED,
        faiss_ivf(lambda dim: "RaBitQfs,RFlat"),
    ),
]


def kite(name: str, index: str, points: list[str], params: Callable[[int, int], dict] = constant()) -> Library:
    return Library(name, ("kite", index), "kite", points, params, borrows=True)


KITE_REFINED = [f"nprobe={n},refine_k={factor}" for n in NPROBE for factor in (3, 10, 30)]
KITE = [
    kite("kite-hnsw", "HNSW", [f"ef={ef}" for ef in EF]),
    kite("kite-hnsw-lean", "HNSW", [f"ef={ef}" for ef in EF], constant(lean="true")),
    kite("kite-flat", "FLAT", [""]),
    kite("kite-ivf-flat", "IVF_FLAT", [f"nprobe={n}" for n in NPROBE], kite_ivf()),
    kite("kite-ivf-sq8", "IVF_SQ8", [f"nprobe={n}" for n in NPROBE], kite_ivf()),
    kite("kite-ivf-pq8", "IVF_PQ", KITE_REFINED, kite_ivf(m=lambda dim: dim // 4, nbits=lambda dim: 8)),
    kite("kite-ivf-pq4", "IVF_PQ", KITE_REFINED, kite_ivf(m=lambda dim: dim // 2, nbits=lambda dim: 4)),
    kite("kite-ivf-rabitq", "IVF_RABITQ", KITE_REFINED, kite_ivf()),
]
