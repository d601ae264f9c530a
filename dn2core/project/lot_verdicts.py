"""The lots of a project's scored images, each judged as a whole: which went wrong, and since when.

Scores need no budget, and are what takes time; limits, verdicts and the order follow from them at once.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect import Judgement
from dn2core.detect.calibration import check_budget, limits_of_rows
from dn2core.detect.group_verdicts import (
    GroupVerdict,
    Since,
    calibration_sizes,
    first_bad_lot,
    judge_groups,
    size_among,
)
from dn2core.detect.groups import pool_groups
from dn2core.errors import Refused
from dn2core.project.lot_order import lot_order
from dn2core.project.snapshot import Items, Snapshot

if TYPE_CHECKING:
    from dn2core.project.project import Project

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
    calibration_least: int  # images in the smallest of them
    few_normals: bool  # whether they allow no larger groups, or know no larger real lot
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


@dataclass(frozen=True)
class LotNormals:
    """What lots are compared with: all normals, kept in the bank or not, in the order in which they came.

    Kept ones were chosen to lie far from each other, so groups of them are nothing like lots of good parts.
    """

    items: Items
    features: np.ndarray  # (n, d) float32, as the bank compares them


def all_normals(view: Snapshot) -> Items:
    """The normals, kept in the bank or not, in the order in which they came; those held out by hand are not in it."""
    if not view.reduced:
        return view.normals
    items = view.normals.and_then(view.checks).and_then(view.left_out)
    return items.some(np.argsort(items.ids))


def lot_normals(project: "Project", view: Snapshot) -> LotNormals:
    """The normals that lots are compared with; those out of the bank are read anew.

    Raises:
        StorageError: VECTORS_DAMAGED.
    """
    items = all_normals(view)
    if not view.reduced:
        return LotNormals(items, view.bank.features)
    return LotNormals(items, view.bank.prepare(project.features(items.image_ids.tolist(), view.state.fingerprint)))


def lots_by_size(view: Snapshot, method: str = METHOD) -> dict[int, tuple[str, ...]]:
    """The lots of scored images by the size of the groups that they are calibrated on, ascending."""
    lots = Counter(lot for lot in view.scored.lots if lot)
    sizes = calibration_sizes(set(lots.values()), method)
    alike: dict[int, list[str]] = {size: [] for size in sizes}
    for lot, size in lots.items():
        alike[size_among(sizes, size)].append(lot)
    return {size: tuple(names) for size, names in alike.items()}


def lot_scores(
    view: Snapshot, normals: LotNormals, *, method: str = METHOD, lots: Collection[str] | None = None
) -> list[GroupVerdict]:
    """What `judge_groups` finds of each lot of scored images; its rows are positions of scored images.

    Args:
        normals: as `lot_normals` gives them.
        method: a key of POOLINGS.
        lots: only these; each is judged as it is among all, which is the default.

    Raises:
        Refused: UNKNOWN_POOLING. What befalls one lot alone stands in its verdict.
    """
    some = None if lots is None else set(lots)
    wanted = [lot if lot and (some is None or lot in some) else None for lot in view.scored.lots]
    if not any(wanted):
        return []
    return judge_groups(
        normals.features,
        view.scored_features,
        wanted,
        method=method,
        normal_groups=[lot or None for lot in normals.items.lots],
        normal_rows=_same_content(normals.items, view.scored),
        k=view.settings.k,
        sizes=tuple(lots_by_size(view, method)),
        by_image=False,
    )


def _same_content(normals: Items, scored: Items) -> np.ndarray:
    """(q,) int64, which normal a scored image is; -1 for none."""
    order = np.argsort(normals.image_ids, kind="stable")
    at = np.searchsorted(normals.image_ids, scored.image_ids, sorter=order)
    at = order[at.clip(max=len(order) - 1)]
    return np.where(normals.image_ids[at] == scored.image_ids, at, -1)


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
    named = Counter(lot for lot in (*all_normals(view).lots, *view.held.lots) if lot)
    made = [_lot(view, images, found, budget, method, named[found.name]) for found in scores]
    ranked = lot_order([lot.name for lot in made], [lot.arrived for lot in made], order)
    lots = tuple(made[at] for at in ranked)
    return LotVerdicts(method, budget, order, lots, _since(lots))


def _lot(view: Snapshot, images: Judgement, found: GroupVerdict, budget: float, method: str, namesakes: int) -> Lot:
    good = found.calibration_scores
    limit = float(limits_of_rows(good[None], budget)[0])
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
        percentile=100 * float(np.searchsorted(good, score)) / len(good) if len(good) else float("nan"),
        calibrated_on=found.calibrated_on,
        calibration_scores=good,
        calibration_size=found.calibration_size,
        calibration_least=found.calibration_least,
        few_normals=found.few_normals,
        refused=found.refused,
    )


def _since(lots: tuple[Lot, ...]) -> Since | None:
    judged = [at for at, lot in enumerate(lots) if lot.judged]
    since = first_bad_lot(range(len(judged)), [lots[at].flagged for at in judged])
    return None if since is None else Since(judged[since.lot], since.lots, since.flagged, since.over)
