"""The bank of the normals' vectors and the search in it: exact, or in large banks among few candidates."""

from dataclasses import dataclass

import numpy as np

from dn2core.detect.approximate import Shortlist
from dn2core.detect.faiss_loader import faiss
from dn2core.errors import Refused

EXACT_UP_TO = 200_000  # vectors; larger banks are searched among candidates, see benchmarks/growth.md
RECALL_WANTED = 0.99  # of the true neighbours
RECALL_LEAST = 0.98  # below, a search is exact whatever the size
RECALL_K = 50
RECALL_SAMPLE = 500  # vectors of the bank

_PROBES = (32, 64, 128, 256)  # cells looked at, the first that finds enough
_SPARE = 14  # candidates beyond k; fewer leave more queries to be searched a second time
_CELLS = 1 << 22  # (query, candidate) pairs held at once
_LARGEST = 1e37  # squared norms up to here keep every squared distance inside float32


@dataclass(frozen=True)
class Found:
    """Nearest vectors of a bank for each query.

    distances: (q, k) float32 squared L2, ascending, never negative, exactly 0 for identical vectors.
    indices: (q, k) int64 rows of the bank; equal distances stand in the order of their rows.
    k: neighbours per query; less than k_asked where the bank holds fewer.
    """

    distances: np.ndarray
    indices: np.ndarray
    k: int
    k_asked: int


@dataclass(frozen=True)
class Recall:
    """How many of the true nearest neighbours an approximate search finds, measured on the bank's own vectors.

    share: of the `k` nearest others of each of `sample` vectors, 0 to 1; one that is found in place of another at
        the same distance counts.
    """

    share: float
    k: int
    sample: int


class Bank:
    """Nearest-neighbour search by squared L2 distance.

    Up to `EXACT_UP_TO` vectors the search is exact. Beyond, it is approximate: the distances of what is found are
    exact, but some neighbours may be missed, as `recall` tells.

    Args:
        features: (n, d) numbers, n >= 1; kept as float32.
        normalise: scale every vector, here and in queries, to unit length.
            A vector of zeros has no direction and stays as it is: its squared
            distance is 0 to another one like it and 1 to everything else.
        approximate: whether to search among candidates; by default where there are more than `EXACT_UP_TO`.
            Where less than `RECALL_LEAST` of the neighbours would be found, the search is exact all the same.

    Attributes:
        recall: None where the search is exact.

    Raises:
        Refused: when there is no vector, a shape is wrong, or a number is not finite or beyond float32.
    """

    def __init__(self, features: np.ndarray, *, normalise: bool = False, approximate: bool | None = None):
        features = _checked(features, dim=None)
        # A copy: whoever changes the array later must not change the bank.
        self._keep(_prepared(features, normalise) if normalise else features.copy(), normalise)
        if self.n > EXACT_UP_TO if approximate is None else approximate:
            self._approximate()
        if self.recall is None:
            self._exact()

    def _keep(self, features: np.ndarray, normalise: bool) -> None:
        if len(features) == 0:
            raise Refused("BANK_EMPTY")
        self.normalise = normalise
        self.features = features
        self.features.setflags(write=False)
        self.recall: Recall | None = None
        self._shortlist: Shortlist | None = None

    def _exact(self) -> None:
        self._shortlist = None
        # FAISS gets them around their mean: the shorter vectors are, the less its rounding hides.
        self._mean = self.features.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = self.features - self._mean
        self._largest_norm = float(_squared_norms(centred).max())
        self._index = faiss.IndexFlatL2(self.dim)
        self._index.add(centred)

    def _approximate(self) -> None:
        """Search among candidates from now on, unless too many neighbours would be missed."""
        if self.n <= RECALL_K:
            return
        rows = np.sort(np.random.default_rng(0).choice(self.n, min(RECALL_SAMPLE, self.n), replace=False))
        farthest = self._farthest_of(rows)
        self._shortlist, self._trained_on = Shortlist.of(self.features), self.n
        for self._probes in _PROBES:
            near = self.search_others(rows, RECALL_K).distances
            share = float((near <= farthest[:, None]).mean())
            if share >= RECALL_WANTED:
                break
        if share >= RECALL_LEAST:
            self.recall = Recall(share, RECALL_K, len(rows))

    def _farthest_of(self, rows: np.ndarray) -> np.ndarray:
        """(r,) float32 squared distance of some of the bank's own vectors to the last of their `RECALL_K` nearest."""
        at = faiss.knn(self.features[rows], self.features, min(self.n, RECALL_K + 1 + _SPARE))[1]
        near = self._distances(self.features[rows], at)
        near[at == rows[:, None]] = np.inf
        return np.sort(near, axis=1)[:, RECALL_K - 1]

    @property
    def n(self) -> int:
        """How many vectors the bank holds."""
        return len(self.features)

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return self.features.shape[1]

    @property
    def nbytes(self) -> int:
        """Memory that the vectors and the search among them take, in bytes."""
        searched = self.features.nbytes if self._shortlist is None else self._shortlist.nbytes
        return self.features.nbytes + searched

    def prepare(self, vectors: np.ndarray) -> np.ndarray:
        """(q, d) float32 vectors as the bank compares them: checked, and of unit length where it normalises.

        Without normalising, an array that is float32 and C-contiguous comes back itself.

        Raises:
            Refused: when the shape does not fit the bank, or a number is not finite.
        """
        return _prepared(_checked(vectors, dim=self.dim), self.normalise)

    def changed(self, keep: np.ndarray, added: np.ndarray | None = None) -> "Bank":
        """A bank of some vectors of this one, in their order, and of new ones behind them.

        Bit for bit the bank that all their raw vectors would make, where its search is exact; only the new ones are
        normalised. An approximate search keeps its cells, and the recall that was measured with them, until the
        bank has grown by a quarter: the few neighbours that it misses may be others than those that a bank made
        of the same vectors at once would miss. To make one for every change, and search for all anew, takes minutes.

        Args:
            keep: (n,) bool, the vectors that stay.
            added: (m, d) raw vectors.

        Raises:
            Refused: when no vector is left, a shape does not fit, or a number is not finite.
        """
        keep = np.asarray(keep)
        if keep.shape != (self.n,) or keep.dtype != bool:
            raise ValueError(f"expected keep as ({self.n},) bool, got {keep.shape} {keep.dtype}")
        parts = [self.features[keep]]
        if added is not None and len(added):
            parts.append(self.prepare(added))
        bank = Bank.__new__(Bank)
        bank._keep(np.concatenate(parts) if len(parts) > 1 else parts[0], self.normalise)
        if self.recall is not None and self._fits(bank.n):
            bank.recall, bank._probes, bank._trained_on = self.recall, self._probes, self._trained_on
            bank._shortlist = self._shortlist.changed(keep, *parts[1:])
        elif bank.n > EXACT_UP_TO:
            bank._approximate()
        if bank.recall is None:
            bank._exact()
        return bank

    def _fits(self, n: int) -> bool:
        """Whether cells that were made for this bank serve one of n vectors, which has some use of them."""
        return self._trained_on // 2 <= n <= self._trained_on * 5 // 4

    def search(self, queries: np.ndarray, k: int) -> Found:
        """The k nearest vectors of the bank for each of (q, d) queries.

        A query's answer is the same, bit for bit, whatever other queries come with it.
        A query that equals a vector of the bank finds it at distance 0: see `leave_one_out`.

        Raises:
            Refused: when k < 1, the shape does not fit the bank, or a number is not finite.
        """
        return self.search_prepared(self.prepare(queries), k)

    def search_others(self, rows: np.ndarray, k: int) -> Found:
        """The k nearest other vectors of some of the bank's own, each as if it were not there itself.

        Only the vector's own row is left out: another row with the same numbers stays a neighbour, at distance 0.

        Args:
            rows: (r,) int64 rows of the bank, which holds two vectors or more.

        Returns:
            Found with (r, k) arrays; k is reduced to n - 1 where the bank holds no more.
        """
        used = min(int(k), self.n - 1)
        found = self.search_prepared(self.features[rows], used + 1)
        own = found.indices == np.asarray(rows)[:, None]
        # Where more than k duplicates come first, the row's own entry lies behind the k + 1 that were found.
        own[:, -1] |= ~own.any(axis=1)
        shape = len(own), used
        return Found(found.distances[~own].reshape(shape), found.indices[~own].reshape(shape), used, int(k))

    def search_prepared(self, queries: np.ndarray, k: int) -> Found:
        """As `search`, of queries that `prepare` gave; saves preparing the same ones again and again."""
        if k < 1:
            raise Refused("K_TOO_SMALL", k=k)
        used = min(int(k), self.n)
        distances = np.empty((len(queries), used), np.float32)
        indices = np.empty((len(queries), used), np.int64)
        waiting, effort = np.arange(len(queries)), 1
        while len(waiting):
            again = []
            step = self._at_once(used, effort)
            for start in range(0, len(waiting), step):
                rows = waiting[start : start + step]
                asked = queries if len(rows) == len(queries) else queries[rows]
                near, at, certain = self._candidates(asked, used, effort)
                distances[rows], indices[rows] = near, at
                again.append(rows[~certain])
            waiting, effort = np.concatenate(again), 8 * effort
        return Found(distances, indices, used, int(k))

    def _at_once(self, k: int, effort: int) -> int:
        """How many queries to search for together."""
        if self._shortlist is not None:
            return max(1, _CELLS // max(self._listed(k), self._shortlist.cells))
        return max(1, _CELLS // self._width(k, effort))

    def _candidates(self, queries: np.ndarray, k: int, effort: int):
        """The k nearest among candidates, and for which queries that will do; the others need more effort."""
        if self._shortlist is None:
            return self._certain(queries, k, self._width(k, effort))
        at = self._shortlist.near(queries, self._listed(k), self._probes * effort)
        near = self._distances(queries, np.maximum(at, 0))
        near[at < 0] = np.inf
        near, at = _sorted(near, at, k)
        return near, at, at[:, -1] >= 0

    def _width(self, k: int, effort: int) -> int:
        return min(self.n, (k + _SPARE) * effort)

    def _listed(self, k: int) -> int:
        """Candidates by their few numbers: enough that those nearest in all numbers are among them."""
        return min(self.n, 4 * k + 100)

    def _distances(self, queries: np.ndarray, at: np.ndarray) -> np.ndarray:
        """(q, c) float32 from the vectors as they are, one by one."""
        near = np.empty(at.shape, np.float32)
        faiss.fvec_L2sqr_by_idx(
            *map(faiss.swig_ptr, (near, queries, self.features, at)), self.dim, len(queries), at.shape[1]
        )
        return near

    def _certain(self, queries: np.ndarray, k: int, width: int):
        """The k nearest among `width` candidates, and for which queries no other vector can be nearer.

        FAISS ranks many queries at once by norms and products, whose rounding depends on the batch
        and makes identical vectors differ. So its ranking only proposes; the distances are computed
        again, one by one, from the vectors as they are, and a query is certain when all that was not
        proposed is farther by more than the rounding can hide.
        """
        if width == self.n:
            at = np.broadcast_to(np.arange(self.n), (len(queries), self.n)).copy()
        else:
            centred = queries - self._mean
            ranked, at = self._index.search(centred, width)
        near, at = _sorted(self._distances(queries, at), at, k)
        if width == self.n:
            return near, at, np.ones(len(queries), bool)
        return near, at, near[:, -1] < self._at_least(ranked[:, -1], _squared_norms(centred))

    def _at_least(self, ranked: np.ndarray, norms: np.ndarray) -> np.ndarray:
        """A bound for the distances, as computed from the vectors as they are, of all that FAISS ranked behind.

        Args:
            ranked: (q,) the last distance of the ranking.
            norms: (q,) squared norms of the queries around the mean.
        """
        rounding = np.finfo(np.float32).eps / 2
        # |x|^2, |y|^2 and 2xy are each off by at most `dim` roundings of their size, in whatever order they
        # are summed; so is the distance that was computed again.
        roundings = (self.dim + 8) * rounding
        centred = np.maximum(ranked - 2 * roundings * (norms + self._largest_norm), 0)
        # Taking the mean away moved each vector by at most one rounding of what is left of it.
        moved = 1.01 * rounding * (np.sqrt(norms) + np.sqrt(self._largest_norm))
        return np.maximum(np.sqrt(centred) - moved, 0) ** 2 * (1 - roundings) - 1e-35


def _sorted(distances: np.ndarray, indices: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first k of each row by distance, equal distances by index."""
    order = np.argsort(distances, axis=1)
    ranked = np.take_along_axis(distances, order, 1)
    tied = (ranked[:, 1:] == ranked[:, :-1]).any(axis=1)
    # Sorting by both is ten times slower, and ties are rare among photographs.
    order[tied] = np.lexsort((indices[tied], distances[tied]), axis=1)
    return np.ascontiguousarray(ranked[:, :k]), np.take_along_axis(indices, order[:, :k], 1)


def _checked(vectors: np.ndarray, dim: int | None) -> np.ndarray:
    """(n, d) float32, C-contiguous and finite; refuses the rest."""
    with np.errstate(over="ignore"):
        vectors = np.asarray(vectors, np.float32, order="C")
    wanted = "(n, d)" if dim is None else f"(n, {dim})"
    if vectors.ndim != 2 or vectors.shape[1] != (dim or vectors.shape[1]) or vectors.shape[1] == 0:
        raise Refused("VECTORS_SHAPE", wanted=wanted, got=str(vectors.shape))
    # The norms tell of everything that could be wrong; only then is it worth looking closer.
    if not (_squared_norms(vectors) <= _LARGEST).all():
        bad = ~np.isfinite(vectors).all(axis=1)
        if bad.any():
            raise Refused("VECTORS_NOT_FINITE", count=int(bad.sum()), first=int(bad.argmax()))
        raise Refused("VECTORS_TOO_LARGE", largest=float(np.abs(vectors).max()))
    return vectors


def _prepared(vectors: np.ndarray, normalise: bool) -> np.ndarray:
    if not normalise:
        return vectors
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    norms[norms == 0] = 1
    return (vectors / norms[:, None]).astype(np.float32)


def _squared_norms(vectors: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.einsum("ij,ij->i", vectors, vectors).astype(np.float64)
