"""The reference audit: which normals the scores lean on, which are never used, and what each one's leaving would do."""

from dataclasses import dataclass

import numpy as np

from dn2core.detect import Found, form_scores
from dn2core.errors import Refused


@dataclass(frozen=True)
class Audit:
    """How much each of n normals counts among k neighbours.

    occurrences: (n,) int64, among the k nearest of so many other normals; they sum up to n k. A hub has many, an
        anti-hub has none (Radovanovic, Nanopoulos, Ivanovic, "Hubs in Space", JMLR 2010, where it is N_k).
    skewness: of the occurrences: 0 where all normals are used alike, above 1 where a few hubs carry the scores;
        0 where all are equal.
    used: (n,) int64, among the k nearest of so many scored images.
    """

    k: int
    occurrences: np.ndarray
    skewness: float
    used: np.ndarray

    @property
    def hubs(self) -> np.ndarray:
        """(n,) int64 rows, those that are most often a neighbour of other normals first."""
        return np.argsort(-self.occurrences, kind="stable")

    @property
    def never_used(self) -> np.ndarray:
        """(.,) int64 rows of normals that are no neighbour of any normal or scored image: nothing leans on them."""
        return np.flatnonzero((self.occurrences == 0) & (self.used == 0))


@dataclass(frozen=True)
class Effects:
    """What a normal's leaving would do to the scored images, for each of n normals by itself.

    turned: (n,) int64, of so many scored images the flag would change: it appears, or with "density" it may vanish.
    largest: (n,) float32, the largest change of a score, up or down; 0 where no score leans on it.
    """

    turned: np.ndarray
    largest: np.ndarray


def audit(loo: Found, found: Found | None, k: int) -> Audit:
    """Count how often each normal is a neighbour.

    Args:
        loo: (n, L) neighbours of each normal among the others.
        found: (q, K) neighbours of the scored images; None without any.
        k: neighbours that count; where a table has fewer columns, all of them do.

    Raises:
        Refused: when k < 1 or a row is not among the n normals.
    """
    n = len(loo.indices)
    occurrences = _occurrences(loo, k, n)
    used = np.zeros(n, np.int64) if found is None else _occurrences(found, k, n)
    return Audit(int(k), occurrences, _skewness(occurrences), used)


def removal_effects(form: str, found: Found, loo: Found, k: int, limit: float) -> Effects:
    """What each normal's leaving would do to the scored images, all normals at once, without a search.

    Only images that have it among their k nearest are looked at: the next nearest takes its place. For "mean" and
    "kth" the scores are those of a fresh search. For "density" the other normals' own scores are taken as they are,
    although one that leaves can raise these, too. The limit stays where it is, although the normals' scores that it
    rests on can change. So this ranks candidates; `dn2core.project.impact` gives the whole effect of a chosen one.

    Args:
        form: of the score, a key of `FORMS`.
        found: (q, K) neighbours of the scored images: more than k of them, or all normals.
        loo: (n, L) neighbours of each normal among the others.
        k: neighbours in the score.
        limit: scores above it are flagged.

    Raises:
        Refused: an unknown form, k < 1, or fewer neighbours than k + 1 where there are more normals than that.
    """
    n, columns = len(loo.indices), found.indices.shape[1]
    if columns <= k and columns < n:
        raise Refused("ONE_MORE_NEIGHBOUR", wanted=k + 1, got=columns)
    before = form_scores(form, found, loo, k)
    turned, largest = np.zeros(n, np.int64), np.zeros(n, np.float32)
    for rank in range(min(k, columns) if columns > 1 else 0):
        gone = found.indices[:, rank]
        after = form_scores(form, _without(found, rank, k), loo, k)
        np.add.at(turned, gone, (before > limit) != (after > limit))
        np.maximum.at(largest, gone, np.abs(after - before))
    return Effects(turned, largest)


def _without(found: Found, rank: int, k: int) -> Found:
    """Each row's first k neighbours when that of the given rank is not there."""
    stay = np.delete(np.arange(min(k + 1, found.indices.shape[1])), rank)
    return Found(found.distances[:, stay], found.indices[:, stay], len(stay), found.k_asked)


def _occurrences(found: Found, k: int, n: int) -> np.ndarray:
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    rows = found.indices[:, :k].ravel()
    if rows.size and not (0 <= rows.min() and rows.max() < n):
        raise Refused("INDICES_OUT_OF_RANGE", n=n, got=int(rows.max()))
    return np.bincount(rows, minlength=n).astype(np.int64)


def _skewness(counts: np.ndarray) -> float:
    """Third central moment over the cube of the standard deviation."""
    off = counts - counts.mean()
    spread = np.sqrt((off**2).mean())
    return float((off**3).mean() / spread**3) if spread > 0 else 0.0
