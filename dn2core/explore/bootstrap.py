"""How far a figure of merit could be off by chance: the bootstrap, within each class."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dn2core.errors import Refused
from dn2core.explore.curves import average_precision, checked_scores, roc_auc

Statistic = Callable[[np.ndarray, np.ndarray], float | None]
_AT_ONCE = 64  # draws that are worked on together: their counts stay in the processor's cache


class Estimate(NamedTuple):
    """A value and the interval around it."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Statistic,
    good_scores: np.ndarray,
    defect_scores: np.ndarray,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate | None:
    """A statistic with its percentile interval; good images and defects are drawn each among themselves.

    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. With a handful of images in a class
    the interval is too narrow, and it has no width at all where the classes do not overlap.

    Args:
        statistic: of good and defect scores; `roc_auc` and `average_precision` are computed for all draws at
            once, any other function is called for each.
        good_scores: (n,) scores of good images, higher = more anomalous.
        defect_scores: (m,) scores of defects.
        level: of the interval, between 0 and 1.

    Returns:
        None where a class is missing: the statistic is not defined then.

    Raises:
        Refused: when a score is not finite, there is no draw, or the level is out of its range.
    """
    check_draws(draws, level)
    good_scores, defect_scores = checked_scores(good_scores, defect_scores)
    if len(good_scores) == 0 or len(defect_scores) == 0:
        return None
    counts = draw_counts(len(good_scores), len(defect_scores), draws, seed)
    if statistic in WEIGHTED:
        ranking = Ranking(good_scores, defect_scores)
        drawn = np.concatenate([WEIGHTED[statistic](ranking.weigh(block)) for block in counts])
    else:
        n = len(good_scores)
        drawn = np.array(
            [
                statistic(np.repeat(good_scores, of[:n]), np.repeat(defect_scores, of[n:]))
                for block in counts
                for of in block.T.astype(np.int64)
            ]
        )
    return Estimate(statistic(good_scores, defect_scores), *interval(drawn, level))


def draw_counts(goods: int, defects: int, draws: int, seed: int = 0) -> Iterator[np.ndarray]:
    """How often each image is in each draw: blocks of (goods + defects, b) float32, `draws` columns in all.

    In every column the good images add up to `goods` and the defects to `defects`. The same numbers give the
    same draws, so that several scores of the same images can be compared draw by draw.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, draws, _AT_ONCE):
        b = min(_AT_ONCE, draws - start)
        parts = []
        for size in (goods, defects):
            at = rng.integers(0, size, (b, size)) + size * np.arange(b)[:, None] if size else np.empty((b, 0), int)
            parts.append(np.bincount(at.ravel(), minlength=b * size).reshape(b, size))
        yield np.ascontiguousarray(np.concatenate(parts, axis=1).T, dtype=np.float32)


def interval(drawn: np.ndarray, level: float) -> tuple:
    """Low and high quantiles of (..., draws) values."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def half_widths(deviations: np.ndarray, level: float) -> np.ndarray:
    """(m,) half widths of intervals that hold for m values at once, from (m, draws) deviations from these values.

    The best of many looks better than it is. So each interval is as many standard errors wide as the most deviating
    value of a draw needs in `level` of the draws (the studentised maximum: Romano & Wolf, 2005).
    """
    error = deviations.std(axis=1)
    moves = error > 0
    half = np.zeros(len(deviations))
    if moves.any():
        largest = (np.abs(deviations[moves]) / error[moves, None]).max(axis=0)
        half = np.quantile(largest, level) * error
    return half


def check_draws(draws: int, level: float) -> None:
    """Refuses a number of draws or a level that gives no interval."""
    if draws < 1:
        raise Refused("DRAWS_TOO_FEW", draws=draws)
    if not 0 < level < 1:
        raise Refused("LEVEL_OUT_OF_RANGE", level=level)


class Ranking:
    """The order of good images and defects by score, worked out once, to weigh it anew in each draw.

    Args:
        good_scores: (n,) finite scores, n >= 1.
        defect_scores: (m,) finite scores, m >= 1.
    """

    def __init__(self, good_scores: np.ndarray, defect_scores: np.ndarray):
        self._goods = np.argsort(-good_scores)
        self._defects = len(good_scores) + np.argsort(-defect_scores)
        falling_goods, falling = -np.sort(-good_scores), -np.sort(-defect_scores)
        # Equal scores are flagged together: at a defect count all defects down to the last one of its score.
        self._last = np.searchsorted(-falling, -falling, side="right") - 1
        self._above = np.searchsorted(-falling_goods, -falling, side="left")
        self._up_to = np.searchsorted(-falling_goods, -falling, side="right")

    def weigh(self, counts: np.ndarray) -> "Weighed":
        """What each of b draws has at the defects' scores, from (n + m, b) float32 counts."""
        b = counts.shape[1]
        running = np.zeros((len(self._goods) + 1, b), np.float32)
        np.cumsum(counts[self._goods], axis=0, out=running[1:])
        steps = counts[self._defects]
        hits = np.cumsum(steps, axis=0)
        above = up_to = running[self._up_to]
        if not np.array_equal(self._above, self._up_to):
            above = running[self._above]
        if not np.array_equal(self._last, np.arange(len(hits))):
            hits = hits[self._last]
        return Weighed(steps, hits, above, up_to, len(self._goods))


@dataclass(frozen=True)
class Weighed:
    """Counts (m, b) float32 in b draws, at the scores of the m defects from the highest down."""

    steps: np.ndarray  # how often the defect was drawn
    hits: np.ndarray  # defects with its score or a higher one
    above: np.ndarray  # good images with a higher score
    up_to: np.ndarray  # good images with its score or a higher one
    goods: int  # good images in each draw

    def roc_auc(self) -> np.ndarray:
        """(b,) chances that a defect scores above a good image, a tie counting half."""
        flagged = self.up_to if self.above is self.up_to else (self.above + self.up_to) / 2
        return 1 - np.einsum("mb,mb->b", self.steps, flagged, dtype=np.float64) / (self.goods * len(self.steps))

    def average_precision(self) -> np.ndarray:
        """(b,) average precisions."""
        # Nothing at all is flagged where the first defects were not drawn, and there the step is 0, too.
        precision = self.hits / np.maximum(self.hits + self.up_to, 1)
        return np.einsum("mb,mb->b", self.steps, precision, dtype=np.float64) / len(self.steps)


WEIGHTED = {roc_auc: Weighed.roc_auc, average_precision: Weighed.average_precision}
