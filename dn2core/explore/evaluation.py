"""How well scores tell normal from anomalous where the truth is known."""

import numpy as np

from dn2core.errors import Refused


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
    normal_scores, anomalous_scores = np.asarray(normal_scores), np.asarray(anomalous_scores)
    bad = sum(int((~np.isfinite(scores)).sum()) for scores in (normal_scores, anomalous_scores))
    if bad:
        raise Refused("SCORES_NOT_FINITE", count=bad)
    if len(normal_scores) == 0 or len(anomalous_scores) == 0:
        return None
    ranked = np.sort(normal_scores)
    below = np.searchsorted(ranked, anomalous_scores, side="left").sum(dtype=np.int64)
    up_to = np.searchsorted(ranked, anomalous_scores, side="right").sum(dtype=np.int64)
    return float((below + up_to) / (2 * len(normal_scores) * len(anomalous_scores)))
