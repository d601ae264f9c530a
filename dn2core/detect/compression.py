"""Fewer vectors for the bank: means of the normals, or the normals that cover all others best."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Bank
from dn2core.detect.faiss_loader import faiss
from dn2core.errors import Refused

ROUNDS = 25  # of k-means at most; what more of them move is too little to matter
PROJECTED_FROM = 10_000  # vectors from which rows are chosen by shorter ones
PROJECTED_TO = 128  # numbers that these have
KMEANS_UP_TO = 2e11  # vectors x means x numbers: about 10 s a round on two cores
_TOLD = 64  # rows between two words of progress

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Means:
    """Means of clusters; at most as many as were asked for, fewer where vectors coincide.

    means: (m, d) float32.
    members: (m,) int64, the row nearest to each mean out of its own cluster: m different rows.
    counts: (m,) int64, how many rows each mean stands for; they add up to n.
    """

    means: np.ndarray
    members: np.ndarray
    counts: np.ndarray


def kmeans(features: np.ndarray, m: int, *, seed: int = 0, tell: Tell | None = None) -> Means:
    """The means of m clusters, and the row nearest to each: the paper's way to a smaller bank.

    k-means++ chooses the first means (Arthur and Vassilvitskii, SODA 2007), at most 25 rounds of Lloyd's algorithm
    by FAISS move them. From `PROJECTED_FROM` vectors on, the first ones are chosen as in `coreset`, by projections.

    Args:
        features: (n, d) as the bank compares them.
        m: clusters, 1 to n. With m = n every row is its own mean.
        seed: draws the first means; the same one gives the same clusters.
        tell: called with (first means chosen, m), then with (rounds done, 25).

    Raises:
        Refused: when m is out of its range or the features are none.
    """
    bank = Bank(features)
    _check(m, bank.n)
    if m == bank.n:
        return Means(bank.features, np.arange(bank.n), np.ones(bank.n, np.int64))
    means = bank.features[_spread_out(bank.features, m, seed, tell, by_chance=True)]
    # Every vector counts, and few of them for each mean are as they should be: FAISS would sample and warn.
    once = faiss.Kmeans(
        bank.dim, int(m), niter=1, seed=int(seed), max_points_per_centroid=bank.n, min_points_per_centroid=1
    )
    for done in range(ROUNDS):
        once.train(bank.features, init_centroids=means)
        if tell:
            tell(done + 1, ROUNDS)
        if np.array_equal(once.centroids, means):
            break
        means = once.centroids.copy()
    return _clusters(bank.features, Bank(means).search_prepared(bank.features, 1).indices[:, 0])


def kmeans_is_quick(n: int, m: int, dim: int) -> bool:
    """Whether a round of k-means takes seconds, not minutes; a coreset of as many is there much sooner."""
    return n * m * dim <= KMEANS_UP_TO


def coreset(features: np.ndarray, m: int, *, seed: int = 0, tell: Tell | None = None) -> np.ndarray:
    """Rows that cover the others: each is, when chosen, the one farthest from all that were chosen before.

    Greedy k-center (Gonzalez 1985; Sener and Savarese, ICLR 2018): the largest distance of a row to the nearest
    chosen one is at most twice the smallest possible. A smaller coreset is the beginning of a larger one.
    From `PROJECTED_FROM` vectors on, the distances are those of random projections to `PROJECTED_TO` numbers
    (Johnson and Lindenstrauss 1984), as in PatchCore (Roth et al., CVPR 2022).

    Args:
        features: (n, d) as the bank compares them.
        m: rows to choose, 1 to n.
        seed: draws the first row and the projection.
        tell: called with (rows chosen, m).

    Returns:
        (m,) int64 rows, in the order in which they were chosen, all different.

    Raises:
        Refused: when m is out of its range or the features are none.
    """
    bank = Bank(features)
    _check(m, bank.n)
    return _spread_out(bank.features, m, seed, tell, by_chance=False)


def _spread_out(features: np.ndarray, m: int, seed: int, tell: Tell | None, *, by_chance: bool) -> np.ndarray:
    """(m,) different rows, each far from those before: the farthest, or by a chance that grows with its distance."""
    n, dim = features.shape
    rng = np.random.default_rng(seed)
    chosen = np.empty(m, np.int64)
    chosen[0] = rng.integers(n)
    vectors = features - features.mean(axis=0)  # the shorter they are, the less rounding hides
    if n >= PROJECTED_FROM and dim > PROJECTED_TO:
        vectors = vectors @ (rng.normal(size=(dim, PROJECTED_TO)) / PROJECTED_TO**0.5).astype(np.float32)
    norms = np.einsum("ij,ij->i", vectors, vectors)
    nearest = np.full(n, np.inf, np.float32)  # squared distance to the nearest chosen row
    for i in range(1, m):
        last = chosen[i - 1]
        np.minimum(nearest, norms + norms[last] - 2 * (vectors @ vectors[last]), out=nearest)
        nearest[last] = -np.inf
        chosen[i] = _drawn(nearest, rng) if by_chance else nearest.argmax()
        if tell and (i + 1) % _TOLD == 0:
            tell(i + 1, m)
    return chosen


def _drawn(nearest: np.ndarray, rng: np.random.Generator) -> int:
    chances = np.cumsum(np.maximum(nearest, 0), dtype=np.float64)
    if chances[-1] == 0:  # all that is left coincides with what was chosen
        return int(nearest.argmax())
    return int(np.searchsorted(chances, rng.random() * chances[-1], side="right"))


def _clusters(features: np.ndarray, cluster: np.ndarray) -> Means:
    """Means and nearest rows of the clusters that have any rows."""
    cluster, counts = np.unique(cluster, return_inverse=True, return_counts=True)[1:]
    start = np.cumsum(counts) - counts
    together = features[np.argsort(cluster, kind="stable")]
    means = (np.add.reduceat(together, start, axis=0, dtype=np.float64) / counts[:, None]).astype(np.float32)
    away = features - means[cluster]
    order = np.lexsort((np.einsum("ij,ij->i", away, away), cluster))
    return Means(means, order[start], counts)


def _check(m: int, n: int) -> None:
    if m < 1:
        raise Refused("TOO_FEW_VECTORS", m=m)
    if m > n:
        raise Refused("MORE_MEANS_THAN_IMAGES", m=m, n=n)
