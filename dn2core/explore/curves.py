"""How well scores tell good from defective images at every threshold, where the truth is known.

Everywhere an image is flagged when its score lies above the threshold, as the verdicts do it.
"""

from dataclasses import dataclass

import numpy as np

from dn2core.errors import Refused


@dataclass(frozen=True)
class RocCurve:
    """P points from "nothing is flagged" to "all is flagged", one for each distinct score and one more."""

    thresholds: np.ndarray  # (P,) float64, falling; the last is -inf
    false_alarms: np.ndarray  # (P,) float64: share of the good images that are flagged, 0 to 1
    hits: np.ndarray  # (P,) float64: share of the defects that are flagged, 0 to 1


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """The same P points; where nothing is flagged the precision is 1 by convention."""

    thresholds: np.ndarray  # (P,) float64, falling; the last is -inf
    precision: np.ndarray  # (P,) float64: share of the flagged that are defects
    recall: np.ndarray  # (P,) float64: share of the defects that are flagged


def roc_auc(normal_scores: np.ndarray, anomalous_scores: np.ndarray) -> float | None:
    """Chance that an anomalous image scores above a normal one, a tie counting half; 0 to 1.

    Args:
        normal_scores: (n,) scores of normal images, higher = more anomalous.
        anomalous_scores: (m,) scores of anomalous images.

    Returns:
        The area under the ROC curve, None where one side is empty: it is not defined then.

    Raises:
        Refused: when a score is not finite.
    """
    normal_scores, anomalous_scores = checked_scores(normal_scores, anomalous_scores)
    if len(normal_scores) == 0 or len(anomalous_scores) == 0:
        return None
    ranked = np.sort(normal_scores)
    below = np.searchsorted(ranked, anomalous_scores, side="left").sum(dtype=np.int64)
    up_to = np.searchsorted(ranked, anomalous_scores, side="right").sum(dtype=np.int64)
    return float((below + up_to) / (2 * len(normal_scores) * len(anomalous_scores)))


def roc_curve(good_scores: np.ndarray, defect_scores: np.ndarray) -> RocCurve | None:
    """Share of false alarms and of hits at every threshold that makes a difference.

    Args:
        good_scores: (n,) scores of good images, higher = more anomalous.
        defect_scores: (m,) scores of defects.

    Returns:
        The curve, None where one side is empty: it is not defined then.

    Raises:
        Refused: when a score is not finite.
    """
    good_scores, defect_scores = checked_scores(good_scores, defect_scores)
    if len(good_scores) == 0 or len(defect_scores) == 0:
        return None
    thresholds, false_alarms, hits = _flagged_counts(good_scores, defect_scores)
    return RocCurve(thresholds, false_alarms / len(good_scores), hits / len(defect_scores))


def precision_recall_curve(good_scores: np.ndarray, defect_scores: np.ndarray) -> PrecisionRecallCurve | None:
    """Precision and recall at every threshold that makes a difference; arguments and None as `roc_curve`."""
    good_scores, defect_scores = checked_scores(good_scores, defect_scores)
    if len(good_scores) == 0 or len(defect_scores) == 0:
        return None
    thresholds, false_alarms, hits = _flagged_counts(good_scores, defect_scores)
    flagged = false_alarms + hits
    precision = np.where(flagged > 0, hits / np.maximum(flagged, 1), 1.0)
    return PrecisionRecallCurve(thresholds, precision, hits / len(defect_scores))


def average_precision(good_scores: np.ndarray, defect_scores: np.ndarray) -> float | None:
    """Precision averaged over the steps of recall, without interpolation; 0 to 1.

    The sum of (R_i - R_i-1) P_i over the distinct scores from the highest down, as scikit-learn has it.
    It depends on the share of defects among the images: compare it only between scores of the same images.
    Arguments and None as `roc_curve`.
    """
    curve = precision_recall_curve(good_scores, defect_scores)
    if curve is None:
        return None
    return float((np.diff(curve.recall) * curve.precision[1:]).sum())


def checked_scores(*many: np.ndarray) -> list[np.ndarray]:
    """Scores as float64 vectors; refuses those that are not finite."""
    many = [np.asarray(scores, np.float64) for scores in many]
    bad = sum(int((~np.isfinite(scores)).sum()) for scores in many)
    if bad:
        raise Refused("SCORES_NOT_FINITE", count=bad)
    return many


def _flagged_counts(good_scores: np.ndarray, defect_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(P,) thresholds, and how many good images and defects lie above each."""
    thresholds = np.append(np.unique(np.concatenate([good_scores, defect_scores]))[::-1], -np.inf)
    counts = [len(s) - np.searchsorted(np.sort(s), thresholds, side="right") for s in (good_scores, defect_scores)]
    return thresholds, *counts
