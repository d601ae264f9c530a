"""What the labelled images say about scores and verdicts."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

from dn2core.detect import PASS, REJECT, REVIEW
from dn2core.errors import Refused
from dn2core.explore.bootstrap import Estimate, bootstrap, check_draws
from dn2core.explore.curves import (
    PrecisionRecallCurve,
    RocCurve,
    average_precision,
    checked_scores,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)

GOOD, DEFECT, UNSURE, UNLABELLED = LABELS = ("good", "defect", "unsure", "")
VERDICTS = (PASS, REVIEW, REJECT)


class Share(NamedTuple):
    """`count` of `of`, with an interval for the share behind it; the three are None where `of` is 0."""

    count: int
    of: int
    value: float | None  # 0 to 1
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Confusion:
    """Verdicts against the truth. Flagged is what does not pass: a person looks at it, or it is rejected."""

    counts: np.ndarray  # (2, 3) int64: good, defect x pass, review, reject
    escapes: Share  # defects that pass, of all defects
    false_alarms: Share  # good images that are flagged, of all good ones
    false_rejects: Share  # good images that are rejected outright, of all good ones

    @property
    def misses(self) -> int:
        """Defects that pass."""
        return self.escapes.count


@dataclass(frozen=True)
class Evaluation:
    """All that the labels say. Positions are those of the images that were handed in."""

    good: int  # images labelled good that count
    defects: int
    unsure: int  # images that somebody looked at and could not tell
    unlabelled: int
    excluded: int  # labelled images that lie among the normals, too: left out of everything here
    roc: RocCurve | None  # this and the next three: None where a class is missing
    precision_recall: PrecisionRecallCurve | None
    roc_auc: Estimate | None
    average_precision: Estimate | None
    confusion: Confusion
    misses: np.ndarray  # (.,) int64 positions of defects that pass, the least conspicuous first
    false_alarms: np.ndarray  # (.,) int64 positions of good images that are flagged, the highest score first


def evaluate(
    scores: np.ndarray,
    verdicts: np.ndarray,
    labels: np.ndarray,
    exclude: np.ndarray | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Evaluation:
    """Curves, areas and confusion of the labelled images.

    Args:
        scores: (q,) higher = more anomalous.
        verdicts: (q,) of "pass", "review", "reject".
        labels: (q,) of "good", "defect", "unsure", "" where nobody said.
        exclude: (q,) bool: the image is one of the normals, too, and would find itself at distance 0.
        draws: of the bootstrap; the same seed gives the same intervals.
        level: of all intervals.

    Raises:
        Refused: when lengths differ, a label or verdict is unknown, a labelled image's score is not finite,
            or draws or level are out of range.
    """
    check_draws(draws, level)
    scores, verdicts, labels = np.asarray(scores), np.asarray(verdicts), np.asarray(labels)
    good, defect, excluded = labelled(labels, exclude, len(scores))
    _check_length("verdict", verdicts, len(scores))
    confused = confusion(verdicts[good], verdicts[defect], level=level)
    good_scores, defect_scores = checked_scores(scores[good], scores[defect])
    options = {"draws": draws, "seed": seed, "level": level}
    missed, alarmed = defect[verdicts[defect] == PASS], good[verdicts[good] != PASS]
    return Evaluation(
        good=len(good),
        defects=len(defect),
        unsure=int((labels == UNSURE).sum()),
        unlabelled=int((labels == UNLABELLED).sum()),
        excluded=excluded,
        roc=roc_curve(good_scores, defect_scores),
        precision_recall=precision_recall_curve(good_scores, defect_scores),
        roc_auc=bootstrap(roc_auc, good_scores, defect_scores, **options),
        average_precision=bootstrap(average_precision, good_scores, defect_scores, **options),
        confusion=confused,
        misses=missed[np.argsort(scores[missed], kind="stable")],
        false_alarms=alarmed[np.argsort(-scores[alarmed], kind="stable")],
    )


def confusion(good_verdicts: np.ndarray, defect_verdicts: np.ndarray, *, level: float = 0.95) -> Confusion:
    """Counts of every verdict, and the shares that matter with their Clopper-Pearson intervals.

    Args:
        good_verdicts: (n,) of "pass", "review", "reject", of good images.
        defect_verdicts: (m,) the same of defects.

    Raises:
        Refused: when a verdict is unknown or the level out of its range.
    """
    counts = np.array([_count(good_verdicts), _count(defect_verdicts)])
    good, defects = counts.sum(axis=1).tolist()
    return Confusion(
        counts=counts,
        escapes=clopper_pearson(int(counts[1, 0]), defects, level=level),
        false_alarms=clopper_pearson(int(counts[0, 1:].sum()), good, level=level),
        false_rejects=clopper_pearson(int(counts[0, 2]), good, level=level),
    )


def clopper_pearson(count: int, of: int, *, level: float = 0.95) -> Share:
    """The exact interval of a share: it holds the true one in at least `level` of all samples.

    Clopper & Pearson (1934), by quantiles of the beta distribution.
    """
    check_draws(1, level)
    if of == 0:
        return Share(0, 0, None, None, None)
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, of - count + 1, tail))
    high = 1.0 if count == of else float(betaincinv(count + 1, of - count, 1 - tail))
    return Share(count, of, count / of, low, high)


def labelled(labels: np.ndarray, exclude: np.ndarray | None, images: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Positions (int64) of the good images and of the defects, and how many labelled ones were left out.

    Raises:
        Refused: when there is not one label for each image, or a label is unknown.
    """
    labels = np.asarray(labels)
    _check_length("label", labels, images)
    good, defect = labels == GOOD, labels == DEFECT
    strange = ~np.isin(labels, LABELS)
    if strange.any():
        raise Refused("UNKNOWN_LABEL", label=repr(str(labels[strange][0])), known=", ".join(LABELS[:-1]))
    left_out = np.zeros(images, bool) if exclude is None else np.asarray(exclude, bool)
    _check_length("mark of exclusion", left_out, images)
    excluded = int(((good | defect) & left_out).sum())
    return np.flatnonzero(good & ~left_out), np.flatnonzero(defect & ~left_out), excluded


def _count(verdicts: np.ndarray) -> list[int]:
    verdicts = np.asarray(verdicts)
    counts = [int((verdicts == verdict).sum()) for verdict in VERDICTS]
    if sum(counts) < len(verdicts):
        raise Refused("UNKNOWN_VERDICT", got=repr(str(verdicts[~np.isin(verdicts, VERDICTS)][0])))
    return counts


def _check_length(what: str, values: np.ndarray, images: int) -> None:
    if values.shape != (images,):
        raise Refused("NOT_ONE_EACH", what=what, images=images, got=str(values.shape))
