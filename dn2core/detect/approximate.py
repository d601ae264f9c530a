"""A short list of candidates for the nearest vectors of a large bank, without looking at all of them.

The vectors are kept a second time in few numbers, by their principal components, and in cells around means; a query
is compared with those of the nearest cells (an inverted file: Jegou, Douze and Schmid, PAMI 33, 2011). The bank then
computes the distances of the candidates anew from the vectors as they are.
"""

from dataclasses import dataclass

import numpy as np

from dn2core.detect.faiss_loader import faiss

NUMBERS = 128  # principal components kept
_FITTED_ON = 20_000  # vectors that the components are computed from
_A_CELL = 64  # vectors that a cell's mean is computed from
_ROUNDS = 10


@dataclass(frozen=True)
class Partition:
    """Principal axes, and the cells that vectors lie in by their components."""

    axes: np.ndarray  # (d, s) float32
    centres: np.ndarray  # (c, s) float32


class Shortlist:
    """The vectors of a bank by their cells. Deterministic, and a query's candidates do not depend on other queries."""

    def __init__(self, partition: Partition, short: np.ndarray, cells: np.ndarray):
        self.partition = partition
        self._short, self._cells = short, cells
        centres = faiss.IndexFlatL2(short.shape[1])
        centres.add(partition.centres)
        self._index = faiss.IndexIVFFlat(centres, short.shape[1], len(partition.centres))
        self._index.own_fields, self._centres = False, centres
        self._index.nprobe = len(partition.centres)
        self._index.add_core(len(short), faiss.swig_ptr(short), None, faiss.swig_ptr(cells))

    @classmethod
    def of(cls, features: np.ndarray, seed: int = 0) -> "Shortlist":
        """A partition made for (n, d) float32 features, with all of them in it."""
        partition = _partition(features, np.random.default_rng(seed))
        return cls(partition, *_placed(partition, features))

    def changed(self, keep: np.ndarray, added: np.ndarray | None = None) -> "Shortlist":
        """The same cells with some of the vectors, in their order, and new ones behind them."""
        short, cells = self._short[keep], self._cells[keep]
        if added is not None and len(added):
            new_short, new_cells = _placed(self.partition, added)
            short, cells = np.concatenate([short, new_short]), np.concatenate([cells, new_cells])
        return Shortlist(self.partition, short, cells)

    @property
    def cells(self) -> int:
        return len(self.partition.centres)

    @property
    def nbytes(self) -> int:
        return 2 * self._short.nbytes + self._cells.nbytes

    def near(self, queries: np.ndarray, width: int, probes: int) -> np.ndarray:
        """(q, width) int64 rows out of the `probes` nearest cells of each; -1 where these hold fewer."""
        short = _each(faiss.fvec_inner_products_by_idx, queries, self.partition.axes.T)
        away = _each(faiss.fvec_L2sqr_by_idx, short, self.partition.centres)
        nearest = np.argsort(away, axis=1, kind="stable")
        away = np.take_along_axis(away, nearest, 1)
        nearest[:, probes:] = -1  # not looked at; the index itself stays as it is, for threads share it
        return self._index.search_preassigned(short, width, nearest, away)[1]


def _partition(features: np.ndarray, rng: np.random.Generator) -> Partition:
    n, dim = features.shape
    cells = int(2 * n**0.5)
    fitted = features[np.sort(rng.choice(n, min(n, max(_FITTED_ON, _A_CELL * cells)), replace=False))]
    axes = np.eye(dim, dtype=np.float32)
    if dim > NUMBERS:
        some = fitted[rng.choice(len(fitted), min(len(fitted), _FITTED_ON), replace=False)]
        axes = np.linalg.eigh(np.cov(some, rowvar=False))[1][:, : -NUMBERS - 1 : -1].astype(np.float32)
    axes = np.ascontiguousarray(axes)
    means = faiss.Kmeans(axes.shape[1], cells, niter=_ROUNDS, seed=0, min_points_per_centroid=1)
    means.train(fitted @ axes)
    return Partition(axes, means.centroids)


def _placed(partition: Partition, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, s) components and (n,) int64 cells; a vector at a border may fall to either side."""
    short = features @ partition.axes
    return short, faiss.knn(short, partition.centres, 1)[1][:, 0].astype(np.int64)


def _each(compare, queries: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(q, c) float32 of every query with every other one, one by one: a matrix product rounds by the batch."""
    others = np.ascontiguousarray(others)
    shape = len(queries), len(others)
    out, every = np.empty(shape, np.float32), np.broadcast_to(np.arange(len(others)), shape).copy()
    compare(*map(faiss.swig_ptr, (out, queries, others, every)), queries.shape[1], *shape)
    return out
