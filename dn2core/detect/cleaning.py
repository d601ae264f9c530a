"""Cleaning contaminated normals: what is unlike the other normals is dropped before anything is compared with them."""

import math
from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Bank
from dn2core.detect.near_duplicates import automatic_cutoff, check_cutoff
from dn2core.detect.scores import knn_scores, leave_one_out
from dn2core.errors import Refused

COMPARED = 4_000  # normals that each one is compared with in the first stage; of more, so many are drawn
FAR = 0.2  # the automatic k, as a share of those compared with: more than any clump of contaminants
BEYOND = 3.0  # spreads above the typical score where the tail begins

_LEAST = 3  # normals: two to compare, and one to compare with them
_CELLS = 1 << 22  # (normal, neighbour) pairs held at once


@dataclass(frozen=True)
class Estimate:
    """How the share was read off the first-stage scores.

    The half of the scores below the typical one tells how far the good ones scatter; above it they are taken to
    scatter alike, on a logarithmic scale. Where that explains nothing any more, the tail begins.
    """

    typical: float  # median score
    spread: float  # factor >= 1 from a low score (at one standard deviation, where scores were normal) to the typical
    limit: float  # scores above it are the tail
    observed: int  # normals above the limit
    expected: float  # good ones among them, as the lower half of the scores predicts


@dataclass(frozen=True)
class Cleaning:
    """Which normals to drop, and why.

    scores: (n,) float32, mean squared distance to the k nearest others that are no near-duplicates;
        higher = more suspicious.
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

    The paper (section on contaminated training sets) drops half by the distances to two neighbours. Contaminants of
    one kind are each other's nearest neighbours and hide each other from that, so this stage has a k of its own.

    Args:
        share: of the normals to drop, from 0 up to below 1; the paper's is 0.5. None estimates it.
        k: neighbours of the first stage; reduced to what there is. None takes a fifth of those compared with.
        cutoff: L2 distance up to which normals are near-duplicates, which do not count as neighbours here.
            None takes a fifth of the usual distance between neighbours, see `automatic_cutoff`.

    Raises:
        Refused: fewer than 3 normals, a share that is none or leaves fewer than two normals, k < 1, or a cutoff
            that is no distance.
    """
    _check(bank, share, k)
    cutoff = automatic_cutoff(bank) if cutoff is None else check_cutoff(cutoff)
    compared = _compared(bank)
    k = min(compared.n - 1, math.ceil(FAR * compared.n) if k is None else int(k))
    scores = _first_stage(bank, compared, k, cutoff)
    order = np.argsort(-scores, kind="stable")
    estimate = _estimate(scores) if share is None else None
    count = estimate.observed if share is None else round(share * bank.n)
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


def _compared(bank: Bank) -> Bank:
    """The normals that all are compared with: a bank of all, or of some drawn at random where there are many."""
    if bank.n <= COMPARED:
        return bank
    drawn = np.zeros(bank.n, bool)
    drawn[np.random.default_rng(0).choice(bank.n, COMPARED, replace=False)] = True
    return bank.changed(drawn)


def _first_stage(bank: Bank, compared: Bank, k: int, cutoff: float) -> np.ndarray:
    """(n,) float32, mean squared distance to the k nearest that lie beyond the cutoff: neither itself nor a copy.

    A normal with fewer than k such others is compared with those there are; one that has none scores 0.
    """
    scores = np.empty(bank.n, np.float32)
    step = max(1, _CELLS // compared.n)
    for start in range(0, bank.n, step):
        rows = np.arange(start, min(bank.n, start + step))
        scores[rows], certain = _beyond(compared, bank.features[rows], k, cutoff, min(compared.n, 2 * k + 1))
        again = rows[~certain]
        if len(again):
            scores[again], _ = _beyond(compared, bank.features[again], k, cutoff, compared.n)
    return scores


def _beyond(compared: Bank, queries: np.ndarray, k: int, cutoff: float, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores by the first k of `width` neighbours that lie beyond the cutoff, and for which queries these are k."""
    near = compared.search_prepared(queries, width).distances.astype(np.float64)
    beyond = near > cutoff**2
    rank = np.cumsum(beyond, axis=1)
    used = beyond & (rank <= k)
    count = used.sum(axis=1)
    mean = np.divide(np.where(used, near, 0).sum(axis=1), count, out=np.zeros(len(near)), where=count > 0)
    return mean.astype(np.float32), (count == k) | (width == compared.n)


def _estimate(scores: np.ndarray) -> Estimate:
    logs = np.log(np.maximum(scores.astype(np.float64), np.finfo(np.float32).tiny))
    typical = np.median(logs)
    spread = typical - np.quantile(logs, 0.1587)
    limit = typical + BEYOND * spread
    observed = int((logs > limit).sum()) if spread > 0 else 0
    expected = float((logs < typical - BEYOND * spread).sum())
    return Estimate(float(np.exp(typical)), float(np.exp(spread)), float(np.exp(limit)), observed, expected)
