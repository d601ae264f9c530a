"""What every k would say: histograms, limits and verdicts for k = 1 to k_max at once."""

from dataclasses import dataclass

import numpy as np

from dn2core.detect import BUDGET, ScoreTable


@dataclass(frozen=True)
class Sweep:
    """One row for each k; K = the largest k that can be judged, B = bins.

    In each row the bins run from the smallest to the largest score of normals and scored images together.
    """

    k: np.ndarray  # (K,) int64: 1, 2, ..., K
    budget: float
    limits: np.ndarray  # (K,) float64, NaN below two normals
    edges: np.ndarray  # (K, B + 1) float64
    normal_hist: np.ndarray  # (K, B) int64, of what the limits rest on
    scored_hist: np.ndarray  # (K, B) int64
    flagged: np.ndarray  # (K, q) bool
    flagged_count: np.ndarray  # (K,) int64
    k_now: int  # the k in use, that the others are compared with
    newly_flagged: np.ndarray  # (K,) int64: flagged at this k, not at k_now
    no_longer_flagged: np.ndarray  # (K,) int64: flagged at k_now, not at this k

    @property
    def flips(self) -> np.ndarray:
        """(K,) int64: images whose verdict differs from the one at k_now."""
        return self.newly_flagged + self.no_longer_flagged


def sweep_table(table: ScoreTable, *, k_max: int = 50, budget: float = BUDGET, k_now: int = 2, bins: int = 60) -> Sweep:
    """Histograms, limits and verdicts for every k up to k_max, as `ScoreTable.judge` would give one by one.

    Args:
        table: the scores of normals and scored images for every k.
        k_now: the k in use.
        bins: of each histogram.
    """
    rows = min(k_max, table.k_max)
    normals, scored = table.reference_scores[:rows], table.scores[:rows]
    limits = table.limits(budget)[:rows]
    flagged = scored > limits[:, None].astype(np.float32)
    now = flagged[min(k_now, rows) - 1]
    low, high = _range(normals, scored)
    return Sweep(
        k=np.arange(1, rows + 1),
        budget=budget,
        limits=limits,
        edges=np.linspace(low, high, bins + 1, axis=1),
        normal_hist=_histograms(normals, low, high, bins),
        scored_hist=_histograms(scored, low, high, bins),
        flagged=flagged,
        flagged_count=flagged.sum(axis=1),
        k_now=k_now,
        newly_flagged=(flagged & ~now).sum(axis=1),
        no_longer_flagged=(~flagged & now).sum(axis=1),
    )


def _range(normals: np.ndarray, scored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest score of each row, (K,) float64 each; never an empty span."""
    filled = [scores for scores in (normals, scored) if scores.shape[1]]
    if not filled:
        return np.zeros(len(normals)), np.ones(len(normals))
    low = np.min([scores.min(axis=1) for scores in filled], axis=0).astype(np.float64)
    high = np.max([scores.max(axis=1) for scores in filled], axis=0).astype(np.float64)
    return low, np.where(high > low, high, low + np.maximum(np.abs(low) * 1e-6, 1e-6))


def _histograms(scores: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int) -> np.ndarray:
    """(K, B) counts of each row's scores in equal bins from low to high; the last bin keeps its upper end."""
    at = ((scores - low[:, None]) * (bins / (high - low))[:, None]).astype(np.int64)
    at = at.clip(0, bins - 1) + bins * np.arange(len(scores))[:, None]
    return np.bincount(at.ravel(), minlength=bins * len(scores)).reshape(len(scores), bins)
