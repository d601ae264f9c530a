"""How search time and memory grow with the bank, from 1,000 to 1,000,000 vectors: python benchmarks/growth.py

Up to 60,000 the vectors are Fashion-MNIST's training images (efficientnet_lite0, unit length). Beyond, each further
one is a real vector plus half the difference of two others of its class, scaled to unit length again: as close
together as the real ones, and spread along the same directions. Queries are 200 test images. Times are processor
time of one thread, so that other work on the machine disturbs them little. 1,000,000 vectors need 8 GB of memory.
"""

import argparse
import gc
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "paper"))

from common import Features, features, label, machine, plot, table

from dn2core.detect import Bank, bank
from dn2core.detect.faiss_loader import faiss

HERE = Path(__file__).resolve().parent
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
K = 50
QUERIES = 200
COPIED_UP_TO = 300_000  # beyond, the exact search goes without the bank's copies of the vectors
OTHERS_UP_TO = 100_000  # HNSW and the inverted file of whole vectors take too long to build beyond
COLOURS = {"exact": "#0072B2", "approximate": "#D55E00", "HNSW": "#009E73", "IVF, whole vectors": "#999999"}


@dataclass(frozen=True)
class Measured:
    """One way to search one bank. Times in processor seconds, memory in bytes."""

    way: str
    n: int
    build: float
    query: float
    nbytes: int
    recall: float  # share of the true `K` nearest of the queries
    recall_10: float
    own_recall: float | None  # as the bank measured it on its own vectors


def grown(real: Features, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, d) float32 of unit length, real ones first; made in place, for a second copy would not fit."""
    out = np.empty((n, real.train.shape[1]), np.float32)
    known = min(n, len(real.train))
    out[:known] = real.train[rng.permutation(len(real.train))[:known]]
    rows = [np.flatnonzero(real.train_labels == one) for one in range(10)]
    for start in range(known, n, 10_000):
        part = out[start : start + 10_000]
        classes = rng.integers(0, 10, len(part))
        for one, of_class in enumerate(rows):
            at = np.flatnonzero(classes == one)
            a, b, c = (real.train[rng.choice(of_class, len(at))] for _ in range(3))
            part[at] = a + 0.5 * (b - c)
    for start in range(0, n, 10_000):
        part = out[start : start + 10_000]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return out


def timed(do: Callable):
    """(processor seconds, result)."""
    start = time.process_time()
    result = do()
    return time.process_time() - start, result


def measured(vectors: np.ndarray, queries: np.ndarray) -> Iterator[Measured]:
    """Every way to search these vectors that can be afforded at their number."""
    exact, truth = of_exact(vectors, queries)
    yield exact
    approximate, short, axes = of_approximate(vectors, queries, truth)
    yield approximate
    if 10_000 <= len(vectors) <= OTHERS_UP_TO:
        hnsw = faiss.IndexHNSWFlat(short.shape[1], 32)
        hnsw.hnsw.efSearch = 4 * K + 100
        links = 64 * 4 * len(vectors)
        yield of_index("HNSW", hnsw, vectors, short, queries, queries @ axes, 4 * K + 100, truth, links)
        yield of_index("IVF, whole vectors", _inverted(vectors), vectors, vectors, queries, queries, K, truth, 0)


def of_exact(vectors: np.ndarray, queries: np.ndarray) -> tuple[Measured, np.ndarray]:
    build, exact = timed(lambda: Bank(vectors, approximate=False) if len(vectors) <= COPIED_UP_TO else None)
    if exact:
        query, truth = timed(lambda: exact.search(queries, K).indices)
    else:  # the ranking that takes nearly all of the bank's time
        query, truth = timed(lambda: faiss.knn(queries, vectors, K)[1])
    return Measured("exact", len(vectors), build, query / len(queries), 2 * vectors.nbytes, 1.0, 1.0, None), truth


def of_approximate(vectors: np.ndarray, queries: np.ndarray, truth: np.ndarray):
    """What was measured, the vectors' components, and the axes of these."""
    build, made = timed(lambda: Bank(vectors, approximate=True) if len(vectors) <= COPIED_UP_TO else _shared(vectors))
    query, found = timed(lambda: made.search(queries, K).indices)
    size = made.nbytes
    shares, own = (recall(found, truth, K), recall(found, truth, 10)), made.recall and made.recall.share
    result = Measured("approximate", len(vectors), build, query / len(queries), size, *shares, own)
    return result, made._shortlist._short, made._shortlist.partition.axes


def _shared(vectors: np.ndarray) -> Bank:
    """An approximate bank of these very vectors; a bank makes a copy, which would not fit beside them."""
    made = Bank.__new__(Bank)
    made._keep(vectors, False)
    made._approximate()
    return made


def of_index(way, index, vectors, kept, queries, asked, more: int, truth, links: int) -> Measured:
    """An index of FAISS over `kept`, whose `more` candidates are ordered by exact distances."""
    build = timed(lambda: (index.train(kept), index.add(kept)))[0]
    query, found = timed(lambda: nearest(index.search(asked, more)[1], vectors, queries))
    size, shares = vectors.nbytes + kept.nbytes + links, (recall(found, truth, K), recall(found, truth, 10))
    return Measured(way, len(vectors), build, query / len(queries), size, *shares, None)


def recall(found: np.ndarray, truth: np.ndarray, k: int) -> float:
    return float(np.mean([len(np.intersect1d(a[:k], b[:k])) / k for a, b in zip(found, truth, strict=True)]))


def _inverted(vectors: np.ndarray):
    cells, dim = int(2 * len(vectors) ** 0.5), vectors.shape[1]
    index = faiss.index_factory(dim, f"IVF{cells},Flat")
    index.nprobe = 32
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid, index.cp.niter = 64, 1, 10
    return index


def nearest(candidates: np.ndarray, vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """(q, K) rows, -1 where too few were found."""
    rows = []
    for query, at in zip(queries, candidates, strict=True):
        at = at[at >= 0]
        at = at[np.argsort(((vectors[at] - query) ** 2).sum(axis=1))[:K]]
        rows.append(np.pad(at, (0, K - len(at)), constant_values=-1))
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--up-to", type=int, default=SIZES[-1])
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    bank.RECALL_LEAST = 0.0  # whatever it finds is written down; a search that falls back would not fit the memory

    real = features(args.data)
    rng = np.random.default_rng(0)
    queries = real.test[rng.choice(len(real.test), QUERIES, replace=False)]
    queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    found: list[Measured] = []
    for n in (size for size in SIZES if size <= args.up_to):
        vectors = grown(real, n, np.random.default_rng(1))
        for one in measured(vectors, queries):
            found.append(one)
            print(one, flush=True)
        del vectors
        gc.collect()
    draw(args.out, found)
    write(args.out, found)


def draw(out: Path, found: list[Measured]) -> None:
    with plot(out, "growth", "vectors in the bank", "processor time per query (ms)") as axes:
        axes.set(xscale="log", yscale="log")
        for way, colour in COLOURS.items():
            line = [one for one in found if one.way == way]
            if line:
                x, y = [one.n for one in line], [1000 * one.query for one in line]
                axes.plot(x, y, "o-", color=colour)
                label(axes, x[-1], y[-1], way, colour)
        axes.axvline(bank.EXACT_UP_TO, color="0.7", linestyle=":")


def write(out: Path, found: list[Measured]) -> None:
    rows = [
        (
            f"{one.n:,}",
            one.way,
            f"{1000 * one.query:.2f}",
            f"{one.build:.1f}",
            f"{one.nbytes / 1e9:.2f}",
            f"{100 * one.recall_10:.2f}",
            f"{100 * one.recall:.2f}",
            f"{100 * one.own_recall:.2f}" if one.own_recall is not None else "-",
        )
        for one in found
    ]
    header = (
        "vectors",
        "search",
        "ms per query",
        "build (s)",
        "memory (GB)",
        "recall at 10 (%)",
        "recall at 50 (%)",
        "own recall at 50 (%)",
    )
    body = table(header, rows)
    command = shlex.join(["python", "benchmarks/growth.py", *sys.argv[1:]])
    print(body)
    (out / "growth.md").write_text(
        f"# How search time and memory grow with the bank\n\n{body}\n\n"
        f"{' '.join(__doc__.split())}\n\n"
        "- exact: `Bank(approximate=False)`, the default up to "
        f"{bank.EXACT_UP_TO:,} vectors. At 1,000,000 its ranking alone (`faiss.knn`), without the bank's copies.\n"
        "- approximate: `Bank(approximate=True)`, the default beyond: 128 principal components, cells around means "
        "(an inverted file), the distances of the candidates computed anew. Its build includes the measurement of "
        "its recall, which searches exactly for 500 vectors.\n"
        "- HNSW: over the same components, 32 links, its candidates ordered by exact distances. Beyond "
        f"{OTHERS_UP_TO:,} skipped: its build takes too long, and vectors cannot be taken out of it.\n"
        f"- IVF, whole vectors: the inverted file over all numbers, 32 cells looked at; beyond {OTHERS_UP_TO:,} "
        "skipped for its build time.\n"
        "- recall: of the true nearest of the 200 queries; own recall: of 500 of the bank's own vectors, as the bank "
        "measures and tells it.\n"
        "- memory: the vectors, and what the search keeps besides them, counted in bytes.\n\n"
        f"![Processor time per query](growth.svg)\n\n- `{command}`\n"
        f"- Seeds: 0 draws the queries, 1 the vectors.\n- Machine: {machine()}, one thread\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
