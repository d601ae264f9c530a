"""Whether to collect more normals, and of what."""

from dataclasses import dataclass

import numpy as np

from dn2core.detect.calibration import normals_needed
from dn2core.detect.scores import knn_scores
from dn2core.errors import Refused
from dn2core.explore.learning import LearningCurve, ratio

STOP, COLLECT = "stop", "collect"
_FALL = 0.05  # of the usual distance in a doubling: less is not worth the collecting
_GAIN = 0.005  # of ROC AUC in a doubling: likewise
_ENOUGH = 10  # labelled images of each class that make their ROC AUC count


@dataclass(frozen=True)
class Advice:
    """Whether to collect more normals.

    reason: "budget": `more_needed` are missing to claim the false-alarm budget at all;
        "few": there are too few to halve them and compare;
        "separation" or "distance" (collect): ROC AUC, or without enough labels the usual distance, still
        changed in the last doubling; "flat" (stop): it hardly did.
    """

    kind: str  # "stop" or "collect"
    reason: str
    more_needed: int  # normals; 0 where the budget is not the reason
    size_from: int  # the last doubling: from so many normals
    size_to: int  # to so many
    distance_fell: float  # by this share of the usual distance; NaN where there is nothing to compare
    auc_gained: float | None  # ROC AUC, -1 to 1; None without both classes


@dataclass(frozen=True)
class LeastCovered:
    """Normals that lie most alone, the loneliest first."""

    positions: np.ndarray  # (c,) int64 rows of the normals
    multiples: np.ndarray  # (c,) float64: root of the score over that of the median normal; 1 where both are 0
    visitors: np.ndarray  # (c,) int64: scored images whose nearest normal this is


def advice(curve: LearningCurve) -> Advice:
    """Stop or collect, by the budget first, then by what the last doubling of the normals brought.

    With ten labelled images of each class their ROC AUC decides, half a point being worth it, otherwise the
    usual distance, a twentieth being worth it. The distance falls without end: with Fashion-MNIST's classes by
    5 to 7 % a doubling up to 60 normals, and by 3 to 5 % from 300 on, where ROC AUC hardly moves any more. Where
    the last sizes are no doubling, the change is brought to one.
    """
    sizes = curve.sizes
    half = int(np.abs(sizes - sizes[-1] / 2).argmin())
    doublings = float(np.log2(sizes[-1] / sizes[half]))
    few = half == len(sizes) - 1
    usual = curve.usual_distance.mean
    # Where at least half of the normals have copies of themselves the usual distance can be 0.
    compared = not few and usual[half] > 0
    fell = 1 - float(usual[-1] / usual[half]) ** (1 / doublings) if compared else float("nan")
    gained = None
    if curve.roc_auc is not None and not few:
        gained = float(curve.roc_auc.mean[-1] - curve.roc_auc.mean[half]) / doublings
    more_needed = max(0, normals_needed(curve.budget) - curve.n)
    if more_needed:
        kind, reason = COLLECT, "budget"
    elif few:
        kind, reason = COLLECT, "few"
    elif gained is not None and min(curve.good, curve.defects) >= _ENOUGH:
        kind, reason = (COLLECT, "separation") if gained >= _GAIN else (STOP, "flat")
    else:
        kind, reason = (COLLECT, "distance") if fell >= _FALL else (STOP, "flat")
    return Advice(kind, reason, more_needed, int(sizes[half]), int(sizes[-1]), fell, gained)


def least_covered(
    loo_distances: np.ndarray, scored_indices: np.ndarray | None = None, *, k: int = 2, count: int = 12
) -> LeastCovered:
    """The normals whose nearest other normals are far: more of their kind would help most, or they are none.

    Args:
        loo_distances: (n, K) squared L2 of each normal to the nearest others, ascending.
        scored_indices: (q, K') rows of the normals nearest to each scored image, the nearest first: who comes
            there shows whether a lonely normal stands for parts that do occur.
        k: neighbours whose mean squared distance counts.
        count: how many to name at most.

    Raises:
        Refused: when k < 1, there is no column, or an index lies outside the normals.
    """
    distances = np.sqrt(knn_scores(loo_distances, k).astype(np.float64))
    n = len(distances)
    nearest = np.empty(0, np.int64) if scored_indices is None else np.asarray(scored_indices)[:, 0]
    strange = (nearest < 0) | (nearest >= n)
    if strange.any():
        raise Refused("INDICES_OUT_OF_RANGE", n=n, got=int(nearest[strange][0]))
    positions = np.argsort(-distances, kind="stable")[:count]
    usual = float(np.median(distances)) if n else 0.0
    return LeastCovered(
        positions=positions,
        multiples=np.array([ratio(distance, usual) for distance in distances[positions].tolist()]),
        visitors=np.bincount(nearest, minlength=n)[positions],
    )
