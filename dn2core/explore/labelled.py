"""What the labelled images say for every k, all k on the same bootstrap draws."""

from dataclasses import dataclass

import numpy as np

from dn2core.explore.bootstrap import Ranking, check_draws, draw_counts, half_widths, interval
from dn2core.explore.curves import average_precision, checked_scores, roc_auc
from dn2core.explore.evaluation import labelled


@dataclass(frozen=True)
class Band:
    """A value for each k with an interval around it."""

    value: np.ndarray  # (K,) float64
    low: np.ndarray  # (K,) float64
    high: np.ndarray  # (K,) float64


@dataclass(frozen=True)
class LabelledSweep:
    """Figures of merit for k = 1, 2, ..., K. A band is None where a class that it needs is missing."""

    good: int
    defects: int
    excluded: int  # labelled images that lie among the normals, too: left out
    roc_auc: Band | None
    average_precision: Band | None
    misses: Band | None  # defects that are not flagged, as a count
    false_alarms: Band | None  # good images that are flagged, as a count
    gain: Band | None  # ROC AUC less the one at the k in use; this band holds for all k at once


def labelled_sweep(
    scores: np.ndarray,
    flagged: np.ndarray,
    labels: np.ndarray,
    exclude: np.ndarray | None = None,
    *,
    k_now: int,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> LabelledSweep:
    """ROC AUC, average precision, misses and false alarms for every k, with bootstrap bands.

    Every k meets the same draws, so that two of them are compared image by image.

    Args:
        scores: (K, q) row k - 1 at k neighbours, higher = more anomalous.
        flagged: (K, q) bool.
        labels: (q,) of "good", "defect", "unsure", "".
        exclude: (q,) bool: the image is one of the normals, too.
        k_now: the k in use, 1 to K.

    Raises:
        Refused: as `evaluate`.
    """
    check_draws(draws, level)
    good, defect, excluded = labelled(labels, exclude, scores.shape[1])
    goods, defects = checked_scores(scores[:, good], scores[:, defect])
    alarms, missed = flagged[:, good], ~flagged[:, defect]
    drawn = _drawn(goods, defects, alarms, missed, draws, seed)

    def band(value, of_draws) -> Band:
        return Band(np.asarray(value, np.float64), *interval(of_draws, level))

    both = len(good) and len(defect)
    area = np.array([roc_auc(g, d) for g, d in zip(goods, defects, strict=True)], np.float64) if both else None
    precision = [average_precision(g, d) for g, d in zip(goods, defects, strict=True)] if both else None
    return LabelledSweep(
        good=len(good),
        defects=len(defect),
        excluded=excluded,
        roc_auc=band(area, drawn["roc_auc"]) if both else None,
        average_precision=band(precision, drawn["average_precision"]) if both else None,
        misses=band(missed.sum(axis=1), drawn["misses"]) if len(defect) else None,
        false_alarms=band(alarms.sum(axis=1), drawn["false_alarms"]) if len(good) else None,
        gain=_gain(area, drawn["roc_auc"], k_now, level) if both else None,
    )


def _drawn(goods, defects, alarms, missed, draws: int, seed: int) -> dict[str, np.ndarray]:
    """(K, draws) of everything; the two areas stay empty where a class is missing."""
    rows, n, m = len(goods), goods.shape[1], defects.shape[1]
    found = {name: np.empty((rows, draws)) for name in ("roc_auc", "average_precision", "misses", "false_alarms")}
    rankings = [Ranking(g, d) for g, d in zip(goods, defects, strict=True)] if n and m else []
    alarms, missed = alarms.astype(np.float32), missed.astype(np.float32)
    start = 0
    for counts in draw_counts(n, m, draws, seed):
        block = slice(start, start + counts.shape[1])
        found["false_alarms"][:, block] = alarms @ counts[:n]
        found["misses"][:, block] = missed @ counts[n:]
        for row, ranking in enumerate(rankings):
            weighed = ranking.weigh(counts)
            found["roc_auc"][row, block] = weighed.roc_auc()
            found["average_precision"][row, block] = weighed.average_precision()
        start = block.stop
    return found


def _gain(area: np.ndarray, drawn: np.ndarray, k_now: int, level: float) -> Band:
    """The gain over the k in use, with a band that holds for all k together."""
    gain = area - area[k_now - 1]
    half = half_widths(drawn - drawn[k_now - 1] - gain[:, None], level)
    return Band(gain, gain - half, gain + half)
