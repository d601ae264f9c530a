"""Verdicts on lots: each as a whole against good groups of its size, at a false-alarm budget."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Bank
from dn2core.detect.calibration import check_budget, conformal_limit, p_values
from dn2core.detect.group_scores import GroupReference, reference_of_groups, reference_of_images
from dn2core.detect.groups import check_method, checked_features, rows_of_groups
from dn2core.detect.scores import knn_scores
from dn2core.detect.verdicts import BUDGET
from dn2core.errors import Refused

ENOUGH_LOTS = 10  # real lots of normals from which on they are what a lot is calibrated on
NORMALS_FOR_GROUPS = 4  # a reference of two and a held-out half of two

_DRAWN = 1_000  # groups drawn to set a limit
_SPLITS = 20  # of the normals into a reference and a held-out part; the groups are drawn from the latter
_SPLITS_OF_LARGE = 200
_HELD_OUT = 5  # one in so many normals, or more where the lot is larger
_GROUPS_IN_BANK = 100  # drawn from each reference
_NUMBERS_IN_BANK = 2_000_000  # at most, where vectors are long
_IMAGES_LEARNED = 512  # what a reference learns a composition from; over the splits all normals count
_FOLDS = 10


@dataclass(frozen=True)
class GroupVerdict:
    """A lot and what was found; the arrays are for its images, in the order of `rows`.

    Where `refused` says why there is no verdict, score and limit are NaN, the p-value is 1 and nothing is flagged.
    """

    name: Hashable
    rows: np.ndarray  # (size,) int64 among the images that were given
    score: float  # higher = more anomalous; to be compared with the limit only, for it depends on method and size
    limit: float  # lots that score above it are flagged
    p_value: float  # how often a good lot of this size would score as high or higher
    flagged: bool
    calibrated_on: str  # "lots" (real lots of normals), "drawn" (groups drawn from the normals) or "" (refused)
    calibration_scores: np.ndarray  # (c,) float64 of these groups, ascending; empty where refused
    calibration_size: int  # images in each, at most; less than the lot's where the normals allow no more
    normals_inside: int  # images of the lot that are normals themselves: left out of what it was compared with
    image_scores: np.ndarray  # (size,) float32, each image by itself: mean squared distance to its k nearest normals
    shares: np.ndarray  # (size,) float64, of the score, that each image brings; sums to 1
    refused: Refused | None = None

    @property
    def size(self) -> int:
        return len(self.rows)

    @property
    def calibration_groups(self) -> int:
        """How many good groups the limit rests on."""
        return len(self.calibration_scores)

    @property
    def worst(self) -> int:
        """The row of the image that is the most unusual one by itself."""
        return int(self.rows[self.image_scores.argmax()])

    @property
    def drivers(self) -> np.ndarray:
        """(size,) int64 rows of the images, those first that bring the most to the lot's score."""
        return self.rows[np.argsort(-self.shares, kind="stable")]


def judge_groups(
    normals: np.ndarray,
    features: np.ndarray,
    groups: Sequence[Hashable] | np.ndarray,
    *,
    method: str = "mean",
    normal_groups: Sequence[Hashable] | np.ndarray | None = None,
    normal_rows: np.ndarray | None = None,
    k: int = 2,
    budget: float = BUDGET,
    seed: int = 0,
) -> list[GroupVerdict]:
    """Judges each lot as a whole, so that one is found whose images all pass one by one.

    Every lot is compared with a part of the normals, and so are good groups of its size that come from the part
    that was held out; over many splits, both scores are those of a group that the reference does not know. Where
    ENOUGH_LOTS real lots of normals are known, the held-out groups are those (parts of them where they are larger
    than the lot), else they are drawn from the normals. A drawn group is as varied as the normals as a whole: lots
    of a process that wanders differ more from each other than drawn ones, and only real lots can tell.

    A lot of more than half the normals is compared with groups of half of them. Their scores vary more than those
    of groups of its own size, so it is flagged less often than the budget says.

    Args:
        normals: (n, d) float32, as the bank compares them (unit length where it normalises).
        features: (q, d) float32 of the images to judge.
        groups: (q,) the lot of each; images of None belong to no lot.
        method: a key of POOLINGS. "composition" is compared by Mahalanobis distance, "covariance" is a score by
            itself, the others are compared with the k nearest good groups.
        normal_groups: (n,) the lots of the normals, None where not known.
        normal_rows: (q,) int64, which normal an image is; -1 for none. A lot's own normals are left out of what it
            is compared with.
        k: nearest groups, and nearest normals of single images.
        budget: share of good lots that may be flagged.
        seed: of what is drawn.

    Returns:
        a verdict for each lot, in the order of their first images.

    Raises:
        Refused: UNKNOWN_POOLING, BUDGET_OUT_OF_RANGE, K_TOO_SMALL, VECTORS_SHAPE, VECTORS_NOT_FINITE, GROUPS_DIFFER,
            BANK_EMPTY; what befalls one lot alone stands in its verdict.
    """
    check_method(method)
    check_budget(budget)
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    normals, features = checked_features(normals), checked_features(features)
    if len(normals) == 0:
        raise Refused("BANK_EMPTY")
    names, lots = rows_of_groups(groups, len(features))
    if normal_groups is not None:
        _, normal_lots = rows_of_groups(normal_groups, len(normals))
    else:
        normal_lots = ()
    own = np.full(len(features), -1) if normal_rows is None else np.asarray(normal_rows, np.int64)
    verdicts: dict[int, GroupVerdict] = {}
    for inside, by_size in _alike(lots, own).items():
        left = np.setdiff1d(np.arange(len(normals)), inside)
        try:
            good = _Good(normals, left, normal_lots, method, k, seed)
        except Refused as refusal:
            good = refusal
        for size, which in by_size.items():
            found = _judged(good, size, features, [lots[each] for each in which], budget)
            for each, verdict in zip(which, found, strict=True):
                verdicts[each] = GroupVerdict(name=names[each], normals_inside=len(inside), **verdict)
    return [verdicts[each] for each in range(len(lots))]


def _alike(lots: Sequence[np.ndarray], own: np.ndarray) -> dict[tuple[int, ...], dict[int, list[int]]]:
    """Lots by the normals that they hold (mostly none) and by size: those can be compared with the same groups."""
    alike: dict[tuple[int, ...], dict[int, list[int]]] = {}
    for number, rows in enumerate(lots):
        inside = tuple(np.unique(own[rows][own[rows] >= 0]).tolist())
        alike.setdefault(inside, {}).setdefault(len(rows), []).append(number)
    return alike


@dataclass(frozen=True)
class _Split:
    """A reference, and good groups that it does not know."""

    reference: np.ndarray  # rows of normals
    reference_groups: tuple[np.ndarray, ...] | None  # real lots among them
    held_out: list[np.ndarray]  # rows of normals of each group


class _Good:
    """The normals that lots are compared with, and the groups of them."""

    def __init__(self, normals: np.ndarray, left: np.ndarray, lots: Sequence, method: str, k: int, seed: int):
        if len(left) < NORMALS_FOR_GROUPS:
            raise Refused("NORMALS_TOO_FEW", wanted=NORMALS_FOR_GROUPS, n=len(left))
        self.normals, self.left, self.method, self.k, self.seed = normals, left, method, k, seed
        self.bank = Bank(normals[left])
        stays = np.isin(np.arange(len(normals)), left)
        lots = [rows[stays[rows]] for rows in lots]
        self.lots = tuple(rows for rows in lots if len(rows))
        self.by_lots = len(self.lots) >= ENOUGH_LOTS
        self.largest = max(map(len, self.lots)) if self.by_lots else len(left) // 2

    def splits(self, size: int) -> Iterator[_Split]:
        rng = np.random.default_rng(self.seed)
        return self._folds(size, rng) if self.by_lots else self._draws(size, rng)

    def whole(self, size: int) -> GroupReference:
        """What all normals give, to tell what each image brings."""
        return self.reference(_Split(self.left, self.lots if self.by_lots else None, []), size)

    def reference(self, split: _Split, size: int, number: int = 0) -> GroupReference:
        groups = split.reference_groups
        if groups is None and self.method == "composition":
            return reference_of_images(self.normals[split.reference[:_IMAGES_LEARNED]])
        if groups is None:
            rng = np.random.default_rng((self.seed, number))
            groups = _drawn(split.reference, size, self._groups_in_bank(size), rng)
        return reference_of_groups(self.normals, groups, self.method, self.k)

    def _folds(self, size: int, rng: np.random.Generator) -> Iterator[_Split]:
        for fold in np.array_split(rng.permutation(len(self.lots)), min(_FOLDS, len(self.lots))):
            held_out = [self.lots[lot] for lot in fold]
            known = tuple(lot for number, lot in enumerate(self.lots) if number not in fold)
            parts = [rng.choice(lot, min(size, len(lot)), replace=False) for lot in held_out]
            yield _Split(np.concatenate(known), known, parts)

    def _draws(self, size: int, rng: np.random.Generator) -> Iterator[_Split]:
        held = max(size, len(self.left) // _HELD_OUT)
        # Groups that are more than half of what is held out are nearly one group.
        splits = _SPLITS if 2 * size <= held else _SPLITS_OF_LARGE
        for _ in range(splits):
            order = rng.permutation(self.left)
            yield _Split(order[held:], None, _drawn(order[:held], size, _DRAWN // splits, rng))

    def _groups_in_bank(self, size: int) -> int:
        if self.method != "concat":
            return _GROUPS_IN_BANK
        return int(np.clip(_NUMBERS_IN_BANK // (size * self.normals.shape[1]), 10, _GROUPS_IN_BANK))


def _judged(
    good: _Good | Refused, size: int, features: np.ndarray, lots: Sequence[np.ndarray], budget: float
) -> list[dict]:
    """What is found of lots of one size."""
    if isinstance(good, Refused):
        return [_refused(rows, good) for rows in lots]
    used = min(size, good.largest)
    if good.method == "concat":
        sizes = {size, used} | ({len(lot) for lot in good.lots} if good.by_lots else set())
        if len(sizes) > 1:
            refusal = Refused("GROUP_SIZES", least=min(sizes), most=max(sizes))
            return [_refused(rows, refusal) for rows in lots]
    calibration, scores = [], []
    for number, split in enumerate(good.splits(used)):
        reference = good.reference(split, used, number)
        calibration.append(reference.score(good.normals, split.held_out))
        scores.append(reference.score(features, lots))
    calibration, scores = np.sort(np.concatenate(calibration)), np.mean(scores, axis=0)
    limit = conformal_limit(calibration, budget)
    whole = good.whole(used)
    return [
        dict(
            rows=rows,
            score=float(score),
            limit=limit,
            p_value=float(chance),
            flagged=bool(score > limit),
            calibrated_on="lots" if good.by_lots else "drawn",
            calibration_scores=calibration,
            calibration_size=used,
            image_scores=knn_scores(good.bank.search(features[rows], good.k).distances, good.k),
            shares=whole.shares(features[rows]),
        )
        for rows, score, chance in zip(lots, scores, p_values(calibration, scores), strict=True)
    ]


def _refused(rows: np.ndarray, refusal: Refused) -> dict:
    return dict(
        rows=rows,
        score=np.nan,
        limit=np.nan,
        p_value=1.0,
        flagged=False,
        calibrated_on="",
        calibration_scores=np.empty(0),
        calibration_size=0,
        image_scores=np.zeros(len(rows), np.float32),
        shares=np.full(len(rows), 1 / len(rows)),
        refused=refusal,
    )


def _drawn(rows: np.ndarray, size: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Groups of `size` of the rows, none twice in a group."""
    return [rng.choice(rows, size, replace=False) for _ in range(count)]


@dataclass(frozen=True)
class Since:
    """The first lot of a run in which, at every point of it, more lots were flagged than passed."""

    lot: int  # position of the first lot, among those given
    lots: int  # lots from it up to the last
    flagged: int  # of them
    over: bool  # as many have passed since


def first_bad_lot(order: Sequence, flagged: Sequence[bool] | np.ndarray) -> Since | None:
    """Since when? The lot from which on, at every point, more lots were flagged than passed.

    Each flagged lot adds one to a sum, each that passes takes one off, never below 0 (Page's cumulative sum,
    Biometrika 41, 1954). The run begins where the sum left 0 for the last time.

    Args:
        order: (g,) what the lots are ordered by, ascending; equal ones stay as they are given.
        flagged: (g,) bool.

    Returns:
        None when no lot is flagged.
    """
    in_order = sorted(range(len(order)), key=lambda lot: order[lot])
    total, first, over = 0, None, False
    for place, lot in enumerate(in_order):
        if flagged[lot]:
            if total == 0:
                first = place
            total, over = total + 1, False
        elif total > 0:
            total -= 1
            over = total == 0
    if first is None:
        return None
    run = in_order[first:]
    return Since(in_order[first], len(run), int(sum(bool(flagged[lot]) for lot in run)), over)
