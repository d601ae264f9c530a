"""The lots of a project's scored images, each judged as a whole: which went wrong, and since when.

Scores need no budget, and are what takes time; limits, verdicts and the order follow from them at once.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from dn2core.detect import Judgement
from dn2core.detect.calibration import check_budget, conformal_limit
from dn2core.detect.group_verdicts import GroupVerdict, Since, first_bad_lot, judge_groups
from dn2core.detect.groups import pool_groups
from dn2core.errors import Refused
from dn2core.project.lot_order import lot_order
from dn2core.project.snapshot import Snapshot

METHOD = "mean"  # the paper's


@dataclass(frozen=True)
class Lot:
    """A lot of scored images and its verdict. Positions are those of scored images.

    Where `refused` says why there is no verdict, limit and percentile are NaN and nothing is flagged; the score is
    NaN, too, unless it needs no normals.
    """

    name: str
    positions: np.ndarray  # (size,) int64, in the order in which they came
    drivers: np.ndarray  # (size,) int64, those first that bring the most to the lot's score
    shares: np.ndarray  # (size,) float64, of the score, that each of `drivers` brings; sums to 1
    worst: int  # the image that is the most unusual one by itself
    flagged_images: int  # by themselves, at the limit for images
    arrived: float  # seconds since 1970: the first of its images
    namesakes: int  # normals, held-out ones among them, that belong to the lot by name
    inside: int  # scored images of it that are normals themselves: left out of what it is compared with
    score: float  # higher = more anomalous; means something beside its own limit only
    limit: float  # lots that score above it are flagged
    flagged: bool
    p_value: float  # how often a good lot of this size would score as high or higher; 1 without a verdict
    percentile: float  # percent of the good groups strictly below
    calibrated_on: str  # "lots", "drawn" or ""
    calibration_scores: np.ndarray  # (c,) float64 of good groups, ascending
    calibration_size: int  # images in each of them, at most
    refused: Refused | None

    @property
    def size(self) -> int:
        return len(self.positions)

    @property
    def judged(self) -> bool:
        return self.refused is None

    @property
    def times_limit(self) -> float:
        """How far the lot lies, as a multiple of how far the limit lies; NaN where there is none or it is 0.

        Scores are squared distances, so this is the root of their ratio. Lots of different sizes can be compared by
        it: 1 is the limit of each.
        """
        return float(np.sqrt(self.score / self.limit)) if self.limit > 0 else float("nan")


@dataclass(frozen=True)
class LotVerdicts:
    """All lots in order, the first first."""

    method: str
    budget: float  # share of good lots that may be flagged
    order: str  # one of ORDERS
    lots: tuple[Lot, ...]
    since: Since | None  # `lot` is a position in `lots`; lots without a verdict count neither way

    @property
    def judged(self) -> tuple[Lot, ...]:
        return tuple(lot for lot in self.lots if lot.judged)

    @property
    def flagged(self) -> tuple[Lot, ...]:
        return tuple(lot for lot in self.lots if lot.flagged)

    def named(self, name: str) -> int | None:
        """Where a lot stands; None when it is not among these."""
        return next((at for at, lot in enumerate(self.lots) if lot.name == name), None)


def lots_by_size(view: Snapshot) -> dict[int, tuple[str, ...]]:
    """The lots of scored images, those together that have as many images: they are compared with the same groups."""
    sizes = Counter(lot for lot in view.scored.lots if lot)
    alike: dict[int, list[str]] = {}
    for lot, size in sizes.items():
        alike.setdefault(size, []).append(lot)
    return {size: tuple(alike[size]) for size in sorted(alike)}


def lot_scores(view: Snapshot, *, method: str = METHOD, lots: Collection[str] | None = None) -> list[GroupVerdict]:
    """What `judge_groups` finds of each lot of scored images; its rows are positions of scored images.

    Args:
        method: a key of POOLINGS.
        lots: only these; each is judged as if the others were not there. All by default.

    Raises:
        Refused: UNKNOWN_POOLING. What befalls one lot alone stands in its verdict.
    """
    wanted = [lot if lot and (lots is None or lot in lots) else None for lot in view.scored.lots]
    if not any(wanted):
        return []
    order = np.argsort(view.normals.image_ids, kind="stable")
    at = order[np.searchsorted(view.normals.image_ids, view.scored.image_ids, sorter=order).clip(max=len(order) - 1)]
    return judge_groups(
        view.bank.features,
        view.scored_features,
        wanted,
        method=method,
        normal_groups=view.normals.lots,
        normal_rows=np.where(view.same_as_normal, at, -1),
        k=view.settings.k,
    )


def lot_verdicts(
    view: Snapshot,
    images: Judgement,
    scores: list[GroupVerdict],
    *,
    budget: float,
    order: str = "arrival",
    method: str = METHOD,
) -> LotVerdicts:
    """Verdicts at a budget, from scores that are there.

    Args:
        images: the scored images judged one by one.
        scores: as `lot_scores` gives them for `method`.
        budget: share of good lots that may be flagged.
        order: one of ORDERS.

    Raises:
        Refused: BUDGET_OUT_OF_RANGE, UNKNOWN_LOT_ORDER.
    """
    check_budget(budget)
    named = Counter(lot for lot in (*view.normals.lots, *view.held.lots) if lot)
    made = [_lot(view, images, found, budget, method, named[found.name]) for found in scores]
    ranked = lot_order([lot.name for lot in made], [lot.arrived for lot in made], order)
    lots = tuple(made[at] for at in ranked)
    return LotVerdicts(method, budget, order, lots, _since(lots))


def _lot(view: Snapshot, images: Judgement, found: GroupVerdict, budget: float, method: str, namesakes: int) -> Lot:
    good = found.calibration_scores
    limit = conformal_limit(good, budget)
    score = found.score
    if found.refused is not None and method == "covariance":
        # How much images differ from each other is known without normals, only not how much is too much.
        score = float(pool_groups(view.scored_features[found.rows], [0] * found.size, method).vectors[0, 0])
    rank = np.argsort(-found.shares, kind="stable")
    return Lot(
        name=found.name,
        positions=found.rows,
        drivers=found.rows[rank],
        shares=found.shares[rank],
        worst=int(found.rows[np.argmax(images.scores[found.rows])]),
        flagged_images=int(images.flagged[found.rows].sum()),
        arrived=float(view.scored.added[found.rows].min()),
        namesakes=namesakes,
        inside=found.normals_inside,
        score=score,
        limit=limit,
        flagged=bool(score > limit),
        p_value=found.p_value,
        percentile=100 * float((good < score).mean()) if len(good) else float("nan"),
        calibrated_on=found.calibrated_on,
        calibration_scores=good,
        calibration_size=found.calibration_size,
        refused=found.refused,
    )


def _since(lots: tuple[Lot, ...]) -> Since | None:
    judged = [at for at, lot in enumerate(lots) if lot.judged]
    since = first_bad_lot(range(len(judged)), [lots[at].flagged for at in judged])
    return None if since is None else Since(judged[since.lot], since.lots, since.flagged, since.over)
