"""Cleaning contaminated normals: what is unlike the other normals is dropped before anything is compared with them."""

import math
from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Bank, Found
from dn2core.detect.near_duplicates import automatic_cutoff, check_cutoff
from dn2core.detect.scores import knn_scores, leave_one_out
from dn2core.errors import Refused

COMPARED = 4_000  # normals that each one is compared with in the first stage; of more, so many are drawn
FAR = 0.1  # the automatic k, as a share of those compared with: more than any clump of contaminants
COMPANY = 5  # nearest normals that a suspicion is shared with
STRAY = 0.25  # of a clump's nearest neighbours, fewer than this share are outside of it
MOST = 0.4  # of the normals can be a clump of contaminants; more would be what is normal here
BEHIND = 1.5  # times as many as the clumps have are dropped behind them: each kind of contaminant reaches on
FRINGE = 0.08  # of the normals are dropped on top, where single contaminants hide
LARGEST = 0.42  # of the normals are dropped at most: beyond, more good ones go than contaminants

_LEAST = 3  # normals: two to compare, and one to compare with them
_CELLS = 1 << 22  # (normal, neighbour) pairs held at once


@dataclass(frozen=True)
class Estimate:
    """How the share was estimated from the most suspicious normals: the tail of the first-stage scores.

    On a clean set that tail is the fringe of what is normal: its nearest neighbours lie outside of it, among the
    others. Contaminants of one kind have each other for neighbours. So the tail counts as a clump up to where fewer
    of its neighbours than that lie outside.
    """

    clump: int  # the most suspicious normals that keep to themselves; 0 on a clean set
    outside: float  # share of the clump's nearest neighbours that are not of it; NaN without a clump
    usual: float  # the share from which on this would be no clump
    fringe: int  # the next most suspicious normals, dropped as well: what belongs to the clump, and single contaminants
    limit: float  # the lowest score that is dropped; infinite where none is
    typical: float  # the median score


@dataclass(frozen=True)
class Cleaning:
    """Which normals to drop, and why.

    scores: (n,) float32 first-stage scores, squared distances; higher = more suspicious.
    order: (n,) int64 rows, the most suspicious first; equal scores in the order of their rows.
    drop: (n,) bool, the first ones of that order.
    k: neighbours used in the first stage.
    cutoff: L2 distance up to which two normals are near-duplicates.
    estimate: how the share came about; None where it was given.
    """

    scores: np.ndarray
    order: np.ndarray
    drop: np.ndarray
    k: int
    cutoff: float
    estimate: Estimate | None

    @property
    def share(self) -> float:
        """Share of the normals that is dropped, 0 to 1."""
        return float(self.drop.mean())


def clean(bank: Bank, *, share: float | None = None, k: int | None = None, cutoff: float | None = None) -> Cleaning:
    """The first of two stages: score every normal against the others and drop the most suspicious share.

    The paper drops half by the distances to two neighbours. Contaminants of one kind are each other's neighbours
    and hide each other from that. So here a normal is as far as its k nearest are on average, k being more than a
    kind of contaminant has images, and as suspicious as the company it keeps: its score is the geometric mean of
    its own distance and those of its 5 nearest.

    Args:
        share: of the normals to drop, from 0 up to below 1; the paper's is 0.5. None estimates it.
        k: neighbours of the first stage; reduced to what there is. None takes a tenth of those compared with,
            and 10 at least.
        cutoff: L2 distance up to which normals are near-duplicates, which do not count as neighbours here.
            None takes a fifth of the usual distance between neighbours, see `automatic_cutoff`.

    Raises:
        Refused: fewer than 3 normals, a share that is none or leaves fewer than two normals, k < 1, or a cutoff
            that is no distance.
    """
    _check(bank, share, k)
    cutoff = automatic_cutoff(bank) if cutoff is None else check_cutoff(cutoff)
    rows = _compared(bank.n)
    k = min(len(rows) - 1, max(2 * COMPANY, math.ceil(FAR * len(rows))) if k is None else int(k))
    far, company = _first_stage(bank, rows, k, cutoff)
    scores = _shared(far, company)
    order = np.argsort(-scores, kind="stable")
    estimate = _estimate(scores, order, company) if share is None else None
    count = estimate.clump + estimate.fringe if estimate else round(share * bank.n)
    drop = np.zeros(bank.n, bool)
    drop[order[:count]] = True
    return Cleaning(scores, order, drop, k, cutoff, estimate)


def rescored(bank: Bank, drop: np.ndarray, k: int) -> np.ndarray:
    """All normals scored anew against those that are kept, each kept one without itself.

    Args:
        drop: (n,) bool.
        k: neighbours, as in scoring; where the whole bank has fewer others, all of them.

    Returns:
        (n,) float32, mean squared distance to the k nearest kept normals; higher = more anomalous.

    Raises:
        Refused: when k < 1, or fewer normals are kept than a kept one needs for its k others.
    """
    check_kept(drop, k)
    kept = bank.changed(~drop)
    used = min(int(k), bank.n - 1)
    scores = np.empty(bank.n, np.float32)
    scores[~drop] = knn_scores(leave_one_out(kept, used).distances, used)
    scores[drop] = knn_scores(kept.search_prepared(bank.features[drop], used).distances, used)
    return scores


def check_kept(drop: np.ndarray, k: int) -> None:
    """That enough normals are kept to score with k.

    Raises:
        Refused: when k < 1, or fewer are kept than a kept one needs for its k others (of n - 1 where k is more).
    """
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    n, dropped = len(drop), int(np.count_nonzero(drop))
    wanted = max(2, min(int(k) + 1, n))
    if n - dropped < wanted:
        raise Refused("TOO_FEW_KEPT", wanted=wanted, dropped=dropped, n=n)


def _check(bank: Bank, share: float | None, k: int | None) -> None:
    if bank.n < _LEAST:
        raise Refused("NORMALS_TOO_FEW", wanted=_LEAST, n=bank.n)
    if k is not None and k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    if share is None:
        return
    if not 0 <= share < 1:
        raise Refused("SHARE_OUT_OF_RANGE", what="what to drop", share=share)
    dropped = round(share * bank.n)
    if bank.n - dropped < 2:
        raise Refused("TOO_FEW_KEPT", wanted=2, dropped=dropped, n=bank.n)


def _compared(n: int) -> np.ndarray:
    """Rows of the normals that all are compared with: all, or some drawn at random where there are many."""
    if n <= COMPARED:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, COMPARED, replace=False))


def _first_stage(bank: Bank, compared: np.ndarray, k: int, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """How far each normal is from its k nearest beyond the cutoff, and its company: the first few of these.

    A normal with fewer than k such others is compared with those there are.

    Args:
        compared: rows of the bank that count as neighbours.

    Returns:
        (n,) float64 mean squared distances, 0 where a normal has no other; (n, m) int64 rows of the bank, m <= 5,
        the row itself in place of what is missing.
    """
    others = bank if len(compared) == bank.n else bank.changed(np.isin(np.arange(bank.n), compared))
    far, company = np.empty(bank.n), np.empty((bank.n, min(k, COMPANY)), np.int64)
    step = max(1, _CELLS // others.n)
    for start in range(0, bank.n, step):
        rows = np.arange(start, min(bank.n, start + step))
        width = min(others.n, k + 1 + COMPANY)
        while True:
            found = others.search_prepared(bank.features[rows], width)
            far[rows], near, whole = _beyond(found, k, cutoff)
            company[rows] = np.where(near < 0, rows[:, None], compared[near])
            # Where copies take up the width, the neighbours behind them have not been seen.
            rows, width = rows[~whole], others.n
            if found.k == others.n or not len(rows):
                break
    return far, company


def _beyond(found: Found, k: int, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean distance and first few of the k nearest beyond the cutoff (-1 where missing), and which rows have k."""
    near = found.distances.astype(np.float64)
    rank = np.cumsum(near > cutoff**2, axis=1)
    used = (near > cutoff**2) & (rank <= k)
    count = used.sum(axis=1)
    mean = np.divide(np.where(used, near, 0).sum(axis=1), count, out=np.zeros(len(near)), where=count > 0)
    first = np.full((len(near), min(k, COMPANY)), -1)
    at, column = np.nonzero(used & (rank <= first.shape[1]))
    first[at, rank[at, column] - 1] = found.indices[at, column]
    return mean, first, count == k


def _shared(far: np.ndarray, company: np.ndarray) -> np.ndarray:
    """(n,) float32, geometric mean of each normal's distance and its company's; 0 where all normals are the same."""
    apart = far > 0
    if not apart.any():
        return np.zeros(len(far), np.float32)
    logs = np.log(np.where(apart, far, far[apart].min()))
    return np.exp((logs + logs[company].sum(axis=1)) / (1 + company.shape[1])).astype(np.float32)


def _estimate(scores: np.ndarray, order: np.ndarray, company: np.ndarray) -> Estimate:
    """The tail that keeps to itself most clearly, and the fringe behind it.

    A tail of a share x is no clump when a share STRAY (1 - x) of its neighbours lies outside: the larger it is, the
    fewer are there to lie outside. It ends where the neighbours inside exceed that by the most.
    """
    n = len(scores)
    if scores.max() == scores.min():
        return Estimate(0, math.nan, STRAY, 0, math.inf, float(np.median(scores)))
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    size = np.arange(1, n + 1)
    # Two neighbours are both in the tail as soon as the later of them is.
    later = np.maximum(rank[:, None], rank[company])
    outside = 1 - np.cumsum(np.bincount(later.ravel(), minlength=n)) / company.shape[1] / size
    usual = STRAY * (1 - size / n)
    excess = (size * (usual - outside))[: int(MOST * n)]
    clump = int(excess.argmax()) + 1 if len(excess) and excess.max() > 0 else 0
    fringe = min(round(BEHIND * clump + FRINGE * n), int(LARGEST * n) - clump)
    at = max(clump - 1, 0)
    limit = float(scores[order[clump + fringe - 1]]) if clump + fringe else math.inf
    return Estimate(
        clump=clump,
        outside=float(outside[at]) if clump else math.nan,
        usual=float(usual[at]),
        fringe=fringe,
        limit=limit,
        typical=float(np.median(scores)),
    )
