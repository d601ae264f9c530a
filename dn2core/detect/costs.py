"""What a limit costs: the price of missed defects against the price of good parts that are rejected."""

import math
from dataclasses import dataclass

import numpy as np

from dn2core.detect.calibration import good_share, p_values
from dn2core.errors import Refused

_PARTS = 1_000


@dataclass(frozen=True)
class Prices:
    """What an escape (a defect that passes) and a false reject (a good part that is flagged) cost, in one currency.

    Raises:
        Refused: when a price is negative or not finite, or both are 0.
    """

    escape: float
    false_reject: float

    def __post_init__(self):
        both = (self.escape, self.false_reject)
        if not all(math.isfinite(price) and price >= 0 for price in both) or not any(both):
            raise Refused("PRICES_OUT_OF_RANGE", escape=self.escape, false_reject=self.false_reject)


@dataclass(frozen=True)
class Costs:
    """Expected per 1,000 parts for every limit that would give other verdicts; (c,) float64 each, limits ascending.

    The first limit lies below all scores (everything is flagged), the last is the largest (nothing is).
    """

    limits: np.ndarray
    cost: np.ndarray
    false_rejects: np.ndarray
    escapes: np.ndarray
    defect_share: float  # share of defects that was given, or estimated
    best: int  # position of the cheapest limit; of several, the highest

    @property
    def best_limit(self) -> float:
        return float(self.limits[self.best])


def costs_of_labelled(
    prices: Prices, good_scores: np.ndarray, defect_scores: np.ndarray, defect_share: float
) -> Costs | None:
    """Costs from images that are known to be good or defective.

    Assumes that the parts to come score like these, and that `defect_share` of them are defective: the labelled
    images are usually picked and do not tell how rare defects are.

    Args:
        good_scores: (n,) of good parts that are not among the normals, or leave-one-out.
        defect_scores: (m,) of defects.
        defect_share: 0 to 1.

    Returns:
        None (not defined) where there is no good part or no defect.

    Raises:
        Refused: when the share is out of its range or a score is not finite.
    """
    if not 0 <= defect_share <= 1:
        raise Refused("SHARE_OUT_OF_RANGE", what="the share of defects", share=defect_share)
    good_scores, defect_scores = _finite(good_scores), _finite(defect_scores)
    if len(good_scores) == 0 or len(defect_scores) == 0:
        return None
    limits = _candidates(good_scores, defect_scores)
    false_rejects = (1 - defect_share) * _share_above(good_scores, limits)
    escapes = defect_share * (1 - _share_above(defect_scores, limits))
    return _costs(prices, limits, false_rejects, escapes, defect_share)


def costs_of_unlabelled(
    prices: Prices, reference_scores: np.ndarray, scores: np.ndarray, share_of_good: float | None = None
) -> Costs | None:
    """Costs from scored images whose labels nobody knows.

    Of the flagged ones, as many are taken to be good as the normals let expect; the rest are defects that were
    found. Assumes that the parts to come are like the scored ones, with as many defects, and that good parts
    score like the normals: where they do not (another lot), false alarms count as defects found, and the cheapest
    limit comes out too low.

    Args:
        reference_scores: (n,) of normals, held out or leave-one-out.
        scores: (q,) of the scored images.
        share_of_good: 0 to 1; None estimates it (`good_share`), which counts hidden defects as good.

    Returns:
        None (not defined) where no image is scored or there is no normal.

    Raises:
        Refused: when the share is out of its range or a score is not finite.
    """
    if share_of_good is not None and not 0 <= share_of_good <= 1:
        raise Refused("SHARE_OUT_OF_RANGE", what="the share of good parts", share=share_of_good)
    reference_scores, scores = _finite(reference_scores), _finite(scores)
    if len(reference_scores) == 0 or len(scores) == 0:
        return None
    if share_of_good is None:
        share_of_good = good_share(p_values(reference_scores, scores))
    limits = _candidates(reference_scores, scores)
    false_rejects = share_of_good * _share_above(reference_scores, limits)
    found = _share_above(scores, limits) - false_rejects
    escapes = 1 - share_of_good - np.clip(found, 0, 1 - share_of_good)
    return _costs(prices, limits, false_rejects, escapes, 1 - share_of_good)


def _costs(
    prices: Prices, limits: np.ndarray, false_rejects: np.ndarray, escapes: np.ndarray, defect_share: float
) -> Costs:
    cost = _PARTS * (prices.escape * escapes + prices.false_reject * false_rejects)
    # Equal costs differ by their rounding.
    cheapest = np.flatnonzero(cost <= cost.min() + 1e-9 * max(prices.escape, prices.false_reject))
    return Costs(
        limits=limits.astype(np.float64),
        cost=cost,
        false_rejects=_PARTS * false_rejects,
        escapes=_PARTS * escapes,
        defect_share=float(defect_share),
        best=int(cheapest[-1]),
    )


def _candidates(*scores: np.ndarray) -> np.ndarray:
    """All scores once, ascending, and before them a limit that flags all, also when compared as float32."""
    every = np.unique(np.concatenate(scores))
    return np.concatenate([np.nextafter(every[:1], -np.inf, dtype=every.dtype), every])


def _share_above(scores: np.ndarray, limits: np.ndarray) -> np.ndarray:
    return 1 - np.searchsorted(np.sort(scores), limits, side="right") / len(scores)


def _finite(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores)
    scores = scores if scores.dtype.kind == "f" else scores.astype(np.float64)
    bad = ~np.isfinite(scores)
    if bad.any():
        raise Refused("SCORES_NOT_FINITE", count=int(bad.sum()))
    return scores
