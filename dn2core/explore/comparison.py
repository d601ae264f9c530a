"""Several detectors on the same images: what labels say about each, and where none are, how far they agree."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from dn2core.errors import Refused
from dn2core.explore.bootstrap import Estimate, Ranking, check_draws, draw_counts, half_widths, interval
from dn2core.explore.curves import roc_auc
from dn2core.explore.evaluation import labelled

FEW_LABELS = 10  # of a kind: with fewer the bootstrap knows too little of how far a difference could be off


@dataclass(frozen=True)
class Standing:
    """One detector beside the reference."""

    roc_auc: Estimate | None  # None where a class is missing
    gain: Estimate | None  # ROC AUC less the reference's; the intervals of all detectors hold at once
    correlation: float | None  # Spearman's, with the reference; None where a detector ranks nothing
    shared: int  # of its `top` most unusual images, how many are among the reference's


@dataclass(frozen=True)
class Compared:
    """All detectors on the images that every one of them could score. Positions are those of the whole arrays."""

    reference: str
    good: int
    defects: int
    excluded: int  # labelled images that do not count, because they are left out by the caller
    unscored: int  # images that some detector could not score: left out
    top: int
    positions: np.ndarray  # (p,) int64: the images that are compared
    standings: dict[str, Standing]  # in the order of the scores given

    @property
    def telling(self) -> bool:
        """Enough images are labelled for a difference to mean something."""
        return min(self.good, self.defects) >= FEW_LABELS

    def word(self, name: str) -> str | None:
        """ "better" or "worse" than the reference, "open" where labels leave that open; None without ROC AUC."""
        gain = self.standings[name].gain
        if gain is None:
            return None
        return "open" if not self.telling else "better" if gain.low > 0 else "worse" if gain.high < 0 else "open"


def compared(
    scores: dict[str, np.ndarray],
    labels: np.ndarray,
    exclude: np.ndarray | None = None,
    *,
    reference: str,
    top: int,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Compared:
    """Each detector by the labels and beside the reference, on the same images and the same bootstrap draws.

    Args:
        scores: (q,) of each detector, higher = more anomalous; NaN where it could not score an image.
        labels: (q,) of "good", "defect", "unsure", "".
        exclude: (q,) bool: images that do not count, such as those that lie among the normals, too.
        reference: the detector that the others are compared with; where it has no scores, only ROC AUC are there.
        top: how many of the most unusual images to look at; as many as the reference flags, for instance.
        draws, seed, level: as `bootstrap`.

    Raises:
        Refused: as `evaluate`, and when `top` is negative.
    """
    check_draws(draws, level)
    labels = np.asarray(labels)
    left_out = np.zeros(len(labels), bool) if exclude is None else np.asarray(exclude, bool)
    for row in scores.values():
        if np.shape(row) != labels.shape:
            raise Refused("NOT_ONE_EACH", what="score", images=len(labels), got=str(np.shape(row)))
    unscored = np.any([np.isnan(row) for row in scores.values()], axis=0) if scores else np.zeros(len(labels), bool)
    good, defect, excluded = labelled(np.where(unscored, "", labels), left_out, len(labels))
    positions = np.flatnonzero(~left_out & ~unscored)
    if top < 0:
        raise Refused("TOP_OUT_OF_RANGE", top=top, most=len(positions))
    top = min(top, len(positions))
    drawn = _areas(scores, good, defect, draws, seed)
    beside = scores.get(reference)
    gains = {} if beside is None else _gains(scores, good, defect, drawn, reference, level)
    standings = {
        name: Standing(
            roc_auc=Estimate(roc_auc(row[good], row[defect]), *interval(drawn[name], level)) if drawn else None,
            gain=gains.get(name),
            correlation=None if beside is None else spearman(row[positions], beside[positions]),
            shared=0 if beside is None else _shared(row[positions], beside[positions], top),
        )
        for name, row in scores.items()
    }
    return Compared(
        reference=reference,
        good=len(good),
        defects=len(defect),
        excluded=excluded,
        unscored=int(unscored.sum()),
        top=top,
        positions=positions,
        standings=standings,
    )


def disagreements(scores: np.ndarray, reference: np.ndarray, positions: np.ndarray, count: int = 12) -> np.ndarray:
    """(., 2) int64: the images that one ranks higher than the other, the largest difference of ranks first.

    The first column holds those that the detector finds more unusual than the reference does, the second the others.

    Args:
        scores, reference: (q,) scores of the detector and of the reference.
        positions: (p,) images to compare.
        count: at most so many of each kind; as many as the rarer kind has.
    """
    moved = rankdata(scores[positions]) - rankdata(reference[positions])
    order = np.argsort(-moved, kind="stable")
    count = min(count, int((moved > 0).sum()), int((moved < 0).sum()))
    return positions[np.stack([order[:count], order[::-1][:count]], axis=1)]


def spearman(one: np.ndarray, other: np.ndarray) -> float | None:
    """Rank correlation from -1 to 1, equal scores sharing their mean rank; None where either ranks nothing."""
    ranks = [rankdata(scores) for scores in (one, other)]
    if len(one) < 2 or min(np.ptp(row) for row in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _areas(scores: dict, good: np.ndarray, defect: np.ndarray, draws: int, seed: int) -> dict[str, np.ndarray]:
    """(draws,) ROC AUC of each detector, draw by draw on the same images; nothing where a class is missing."""
    if not len(good) or not len(defect):
        return {}
    rankings = {name: Ranking(row[good], row[defect]) for name, row in scores.items()}
    blocks = list(draw_counts(len(good), len(defect), draws, seed))
    return {name: np.concatenate([of.weigh(block).roc_auc() for block in blocks]) for name, of in rankings.items()}


def _gains(
    scores: dict, good: np.ndarray, defect: np.ndarray, drawn: dict, reference: str, level: float
) -> dict[str, Estimate]:
    """ROC AUC less the reference's, with intervals that hold for all detectors at once."""
    if not drawn:
        return {}
    area = {name: roc_auc(row[good], row[defect]) for name, row in scores.items()}
    gain = np.array([area[name] - area[reference] for name in scores])
    moved = np.stack([drawn[name] - drawn[reference] for name in scores]) - gain[:, None]
    half = half_widths(moved, level)
    return {
        name: Estimate(float(value), float(value - wide), float(value + wide))
        for name, value, wide in zip(scores, gain, half, strict=True)
    }


def _shared(one: np.ndarray, other: np.ndarray, top: int) -> int:
    """How many images both have among their `top` highest scores; equal scores by position."""
    highest = [np.argsort(-scores, kind="stable")[:top] for scores in (one, other)]
    return len(np.intersect1d(*highest))
