"""From scores to verdicts: the limit that the normals set, and what lies above it."""

import math
from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Found
from dn2core.detect.scores import scores_for_every_k
from dn2core.errors import Refused

PASS, REVIEW, REJECT = "pass", "review", "reject"
FEW_NORMALS = 20  # below this many, a percentile of their scores says little


@dataclass(frozen=True)
class Judgement:
    """Scores and verdicts of a set of images at one k and one percentile.

    `k` is what was used: a normal has only n - 1 others, so both sides are compared at
    min(k_asked, n - 1), and never beyond the columns that were searched for.
    """

    k_asked: int
    k: int
    percentile: float
    limit: float  # scores above it are rejected; NaN below two normals
    normal_scores: np.ndarray  # (n,) float32, each normal against the others; empty below two normals
    scores: np.ndarray  # (q,) float32
    percentiles: np.ndarray  # (q,) float64: percent of the normals strictly below; NaN below two normals
    verdicts: np.ndarray  # (q,) of "pass", "review", "reject"; "review" where there is no limit
    flagged: np.ndarray  # (q,) bool: rejected
    spacing: float  # usual distance (L2) of a normal to the nearest other one; NaN below two normals
    false_alarms: float  # share of good parts like the normals that lie above the limit, as expected; NaN without one
    reliable: bool  # enough normals for the limit to mean something


def limit_of(normal_scores: np.ndarray, percentile: float = 99.0) -> float:
    """The smallest of the normals' scores that at least `percentile` percent of the way lies at or below.

    It is always one of the scores (the "higher" quantile), so at 100 no normal lies above it.

    Args:
        normal_scores: (n,) leave-one-out scores.
        percentile: above 0, up to 100.

    Returns:
        The limit, NaN below two normals.

    Raises:
        Refused: when the percentile is out of its range.
    """
    _check_percentile(percentile)
    return _limit_of_sorted(np.sort(normal_scores), percentile)


def percentile_among(normal_scores: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Percent of the normals whose score is strictly below each of (q,) scores; (q,) float64, NaN without normals."""
    return _percentile_among_sorted(np.sort(normal_scores), np.asarray(scores))


def usual_spacing(loo: Found) -> float:
    """Median distance (L2, not squared) of a normal to the nearest other normal."""
    return float(np.median(np.sqrt(loo.distances[:, 0].astype(np.float64))))


class ScoreTable:
    """Scores for every k, computed once, so that another k or percentile is a look-up.

    Args:
        loo: the normals against each other; None below two normals.
        found: the scored images against the normals, of the same bank.
    """

    def __init__(self, loo: Found | None, found: Found):
        self.k_max = loo.k if loo is not None else found.k
        self.k_max = min(self.k_max, found.k)
        self.n = len(loo.indices) if loo is not None else 1
        self.spacing = usual_spacing(loo) if loo is not None else math.nan
        empty = np.empty((0, self.k_max), np.float32)
        normal_distances = loo.distances[:, : self.k_max] if loo is not None else empty
        self.normal_scores = _by_k(normal_distances)  # (k_max, n)
        self.scores = _by_k(found.distances[:, : self.k_max])  # (k_max, q)
        self.sorted_normal_scores = np.sort(self.normal_scores, axis=1)

    def limits(self, percentile: float = 99.0) -> np.ndarray:
        """(k_max,) float64: the limit for every k from 1; NaN below two normals."""
        _check_percentile(percentile)
        return np.array([_limit_of_sorted(row, percentile) for row in self.sorted_normal_scores])

    def judge(self, k: int, percentile: float = 99.0) -> Judgement:
        """Verdicts at k neighbours, the limit being a percentile of the normals' scores.

        Raises:
            Refused: when k < 1 or the percentile is out of its range.
        """
        if k < 1:
            raise Refused("K_TOO_SMALL", k=k)
        _check_percentile(percentile)
        used = min(int(k), self.k_max)
        ranked, scores = self.sorted_normal_scores[used - 1], self.scores[used - 1]
        limit = _limit_of_sorted(ranked, percentile)
        flagged = scores > limit
        return Judgement(
            k_asked=int(k),
            k=used,
            percentile=percentile,
            limit=limit,
            normal_scores=self.normal_scores[used - 1],
            scores=scores,
            percentiles=_percentile_among_sorted(ranked, scores),
            # With no limit both comparisons are false: nothing passes that was not compared.
            verdicts=np.where(flagged, REJECT, np.where(scores <= limit, PASS, REVIEW)),
            flagged=flagged,
            spacing=self.spacing,
            false_alarms=_expected_above(ranked, limit),
            reliable=self.n >= FEW_NORMALS,
        )


def judge(loo: Found | None, found: Found, *, k: int, percentile: float = 99.0) -> Judgement:
    """Verdicts of one k; who asks for many keeps a `ScoreTable`."""
    return ScoreTable(loo, found).judge(k, percentile)


def changes(before: Judgement, after: Judgement) -> np.ndarray:
    """(c,) int64 positions of the images whose verdict differs between two judgements of the same images."""
    if len(before.verdicts) != len(after.verdicts):
        raise Refused("JUDGEMENTS_DIFFER", before=len(before.verdicts), after=len(after.verdicts))
    return np.flatnonzero(before.verdicts != after.verdicts)


def _by_k(distances: np.ndarray) -> np.ndarray:
    table = np.ascontiguousarray(scores_for_every_k(distances).T)
    table.setflags(write=False)
    return table


def _limit_of_sorted(ranked: np.ndarray, percentile: float) -> float:
    if len(ranked) < 2:
        return math.nan
    # 99.9 % of 1,000 steps is 999, also where the product comes out a hair above it.
    return float(ranked[math.ceil((len(ranked) - 1) * percentile / 100 - 1e-9)])


def _expected_above(ranked: np.ndarray, limit: float) -> float:
    """Of n normals and one more good part each rank is as likely: above the limit are the ranks behind it."""
    if limit != limit:
        return math.nan
    return float((len(ranked) - np.searchsorted(ranked, limit, side="left")) / (len(ranked) + 1))


def _percentile_among_sorted(ranked: np.ndarray, scores: np.ndarray) -> np.ndarray:
    if len(ranked) == 0:
        return np.full(len(scores), np.nan)
    return np.searchsorted(ranked, scores, side="left") * (100 / len(ranked))


def _check_percentile(percentile: float) -> None:
    if not 0 < percentile <= 100:
        raise Refused("PERCENTILE_OUT_OF_RANGE", percentile=percentile)
