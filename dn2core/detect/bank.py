"""The bank of the normals' vectors and the exact search in it. The only module that knows FAISS."""

import os
from dataclasses import dataclass

import numpy as np

from dn2core.errors import Refused


def _load_faiss():
    """FAISS, whose wheel brings an OpenBLAS of 2021 that takes newer x86 processors for a Pentium 4.

    Told which kernels the processor can run, it searches four times as fast. OpenBLAS reads the setting
    while it is loaded, so it is there for that moment only; a setting of the user's own stays in force.
    """
    name = "OPENBLAS_CORETYPE"
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as can
    except ImportError:
        can = {}
    core = "SkylakeX" if can.get("AVX512_SKX") else "Haswell" if can.get("AVX2") and can.get("FMA3") else None
    if core is None or name in os.environ:
        import faiss

        return faiss
    os.environ[name] = core
    try:
        import faiss
    finally:
        del os.environ[name]
    return faiss


faiss = _load_faiss()

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


class Bank:
    """Exact nearest-neighbour search by squared L2 distance.

    Args:
        features: (n, d) numbers, n >= 1; kept as float32.
        normalise: scale every vector, here and in queries, to unit length.
            A vector of zeros has no direction and stays as it is: its squared
            distance is 0 to another one like it and 1 to everything else.

    Raises:
        Refused: when there is no vector, a shape is wrong, or a number is not finite or beyond float32.
    """

    def __init__(self, features: np.ndarray, *, normalise: bool = False):
        features = _checked(features, dim=None)
        # A copy: whoever changes the array later must not change the bank.
        self._keep(_prepared(features, normalise) if normalise else features.copy(), normalise)

    def _keep(self, features: np.ndarray, normalise: bool) -> None:
        if len(features) == 0:
            raise Refused("BANK_EMPTY")
        self.normalise = normalise
        self.features = features
        self.features.setflags(write=False)
        # FAISS gets them around their mean: the shorter vectors are, the less its rounding hides.
        self._mean = self.features.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = self.features - self._mean
        self._largest_norm = float(_squared_norms(centred).max())
        self._index = faiss.IndexFlatL2(self.dim)
        self._index.add(centred)

    @property
    def n(self) -> int:
        """How many vectors the bank holds."""
        return len(self.features)

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return self.features.shape[1]

    def prepare(self, vectors: np.ndarray) -> np.ndarray:
        """(q, d) float32 vectors as the bank compares them: checked, and of unit length where it normalises.

        Without normalising, an array that is float32 and C-contiguous comes back itself.

        Raises:
            Refused: when the shape does not fit the bank, or a number is not finite.
        """
        return _prepared(_checked(vectors, dim=self.dim), self.normalise)

    def changed(self, keep: np.ndarray, added: np.ndarray | None = None) -> "Bank":
        """A bank of some vectors of this one, in their order, and of new ones behind them.

        Bit for bit the bank that all their raw vectors would make; only the new ones are normalised.

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
        return bank

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
        waiting, width = np.arange(len(queries)), min(self.n, used + _SPARE)
        while len(waiting):
            again = []
            step = max(1, _CELLS // width)
            for start in range(0, len(waiting), step):
                rows = waiting[start : start + step]
                asked = queries if len(rows) == len(queries) else queries[rows]
                near, at, certain = self._candidates(asked, used, width)
                distances[rows], indices[rows] = near, at
                again.append(rows[~certain])
            waiting, width = np.concatenate(again), min(self.n, 8 * width)
        return Found(distances, indices, used, int(k))

    def _candidates(self, queries: np.ndarray, k: int, width: int):
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
        near = np.empty(at.shape, np.float32)
        faiss.fvec_L2sqr_by_idx(
            *map(faiss.swig_ptr, (near, queries, self.features, at)), self.dim, len(queries), at.shape[1]
        )
        near, at = _sorted(near, at, k)
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
