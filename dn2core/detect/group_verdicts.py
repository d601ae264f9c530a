"""Verdicts on lots: each as a whole against good groups of its size, at a false-alarm budget."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

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
_CALIBRATIONS = 12  # sizes that lots are calibrated at: each takes seconds where normals are many
_CONSERVATIVE = ("mean", "covariance", "composition")  # scores of smaller groups vary more, and lie no lower


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
    calibration_size: int  # images in each, at most; less than the lot's as `calibration_sizes` says or normals are few
    calibration_least: int  # images in the smallest of them: real lots may be smaller than the lot
    few_normals: bool  # whether they allow no larger groups, or know no larger real lot
    normals_inside: int  # images of the lot that are normals themselves: left out of what it was compared with
    image_scores: np.ndarray  # (size,) float32, each image by itself: mean squared distance to its k nearest normals;
    # (0,) where that was not asked for
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
    sizes: Collection[int] | None = None,
    by_image: bool = True,
) -> list[GroupVerdict]:
    """Judges each lot as a whole, so that one is found whose images all pass one by one.

    Every lot is compared with a part of the normals, and so are good groups of its size that come from the part
    that was held out; over many splits, both scores are those of a group that the reference does not know. Where
    ENOUGH_LOTS real lots of normals are known, the held-out groups are those (parts of them where they are larger
    than the lot), else they are drawn from the normals. A drawn group is as varied as the normals as a whole: lots
    of a process that wanders differ more from each other than drawn ones, and only real lots can tell. A real lot of
    normals that has the lot's own name is part of it, and what a lot is compared with does not know that one either.

    A lot of more than half the normals is compared with groups of half of them. Their scores vary more than those
    of groups of its own size, so it is flagged less often than the budget says.

    Args:
        normals: (n, d) float32, as the bank compares them (unit length where it normalises).
        features: (q, d) float32 of the images to judge.
        groups: (q,) the lot of each; images of None belong to no lot.
        method: a key of POOLINGS. "composition" is compared by Mahalanobis distance, "covariance" is a score by
            itself, the others are compared with the k nearest good groups.
        normal_groups: (n,) the lots of the normals, None where not known; named as in `groups`.
        normal_rows: (q,) int64, which normal an image is; -1 for none. A lot's own normals are left out of what it
            is compared with.
        k: nearest groups, and nearest normals of single images.
        budget: share of good lots that may be flagged.
        seed: of what is drawn.
        sizes: of the good groups, see `calibration_sizes`; a lot takes the largest that is not above its own, which
            is also what it takes by default.
        by_image: whether images are scored by themselves, too, by a search among all normals.

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
    known = [None] * len(normals) if normal_groups is None else normal_groups
    normal_lots = dict(zip(*rows_of_groups(known, len(normals)), strict=True))
    own = np.full(len(features), -1) if normal_rows is None else np.asarray(normal_rows, np.int64)
    verdicts: dict[int, GroupVerdict] = {}
    for inside, by_size in _alike(lots, own).items():
        left = np.setdiff1d(np.arange(len(normals)), inside)
        try:
            good = _Good(normals, left, normal_lots, method, k, seed)
        except Refused as refusal:
            good = refusal
        for size, which in by_size.items():
            wanted = size_among(sizes, size)
            some = {names[each]: lots[each] for each in which}
            found = _judged(good, size, wanted, features, some, budget, by_image)
            for each, verdict in zip(which, found, strict=True):
                verdicts[each] = GroupVerdict(name=names[each], normals_inside=len(inside), **verdict)
    return [verdicts[each] for each in range(len(lots))]


def calibration_sizes(sizes: Collection[int], method: str = "mean") -> tuple[int, ...]:
    """The sizes of the good groups that lots are calibrated on, where lots have many sizes.

    Up to a dozen sizes each has groups of its own. Of more, a dozen at even ratios stand for the rest, each being the
    smallest of those it stands for: smaller groups vary more, so a lot is flagged no more often than the budget says.
    Single images stand for themselves alone, for they have no spread. The largest value grows with the images, and
    vectors one behind the other need as many of them, so "max" and "concat" keep all sizes.

    Args:
        sizes: of the lots, in any order and as often as they come.
        method: a key of POOLINGS.

    Returns:
        ascending; every size has one that is not larger.
    """
    distinct = np.unique(np.array(list(sizes), np.int64))
    if len(distinct) <= _CALIBRATIONS or method not in _CONSERVATIVE:
        return tuple(distinct.tolist())
    singles, more = distinct[distinct == 1], distinct[distinct > 1]
    edges = np.geomspace(more[0], more[-1] + 1, _CALIBRATIONS - len(singles) + 1)
    _, first = np.unique(np.digitize(more, edges), return_index=True)
    return (*singles.tolist(), *more[first].tolist())


def size_among(sizes: Collection[int] | None, size: int) -> int:
    """The largest of the sizes that is not above this one; this one itself where there is none."""
    return max((each for each in sizes or () if each <= size), default=size)


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
    names: frozenset[Hashable] = frozenset()  # of the real lots that are held out


class _Good:
    """The normals that lots are compared with, and the groups of them."""

    def __init__(
        self, normals: np.ndarray, left: np.ndarray, lots: dict[Hashable, np.ndarray], method: str, k: int, seed: int
    ):
        if len(left) < NORMALS_FOR_GROUPS:
            raise Refused("NORMALS_TOO_FEW", wanted=NORMALS_FOR_GROUPS, n=len(left))
        self.normals, self.left, self.method, self.k, self.seed = normals, left, method, k, seed
        stays = np.isin(np.arange(len(normals)), left)
        lots = {name: rows[stays[rows]] for name, rows in lots.items() if stays[rows].any()}
        self.by_lots = len(lots) >= ENOUGH_LOTS
        self.names = tuple(lots) if self.by_lots else ()
        self.lots = tuple(lots.values()) if self.by_lots else ()
        self.largest = max(map(len, self.lots)) if self.by_lots else len(left) // 2

    @cached_property
    def bank(self) -> Bank:
        """All of them one by one."""
        return Bank(self.normals[self.left])

    def splits(self, size: int) -> Iterator[_Split]:
        rng = np.random.default_rng(self.seed)
        return self._folds(size, rng) if self.by_lots else self._draws(size, rng)

    def whole(self, size: int) -> GroupReference:
        """What all normals give, to tell what each image brings."""
        order = np.random.default_rng(self.seed).permutation(self.left)  # a composition is learned from the first
        return self.reference(_Split(order, self.lots if self.by_lots else None, []), size)

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
            yield _Split(np.concatenate(known), known, parts, frozenset(self.names[lot] for lot in fold))

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
    good: _Good | Refused,
    size: int,
    wanted: int,
    features: np.ndarray,
    lots: dict[Hashable, np.ndarray],
    budget: float,
    by_image: bool,
) -> list[dict]:
    """What is found of lots of one size, from good groups of the size that is wanted, if normals are enough."""
    if isinstance(good, Refused):
        return [_refused(rows, good) for rows in lots.values()]
    used = min(wanted, good.largest)
    if good.method == "concat":
        sizes = {size, used} | {len(lot) for lot in good.lots}
        if len(sizes) > 1:
            refusal = Refused("GROUP_SIZES", least=min(sizes), most=max(sizes))
            return [_refused(rows, refusal) for rows in lots.values()]
    calibration, scores, fair, least = [], [], [], used
    for number, split in enumerate(good.splits(used)):
        reference = good.reference(split, used, number)
        calibration.append(reference.score(good.normals, split.held_out))
        scores.append(reference.score(features, list(lots.values())))
        # A lot that has normals of its own is scored where those are held out, as good lots are.
        fair.append([name in split.names or name not in good.names for name in lots])
        least = min(least, *map(len, split.held_out))
    calibration, scores = np.sort(np.concatenate(calibration)), np.average(scores, axis=0, weights=fair)
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
            calibration_least=least,
            few_normals=used < wanted,
            image_scores=_image_scores(good, features[rows]) if by_image else np.empty(0, np.float32),
            shares=whole.shares(features[rows]),
        )
        for rows, score, chance in zip(lots.values(), scores, p_values(calibration, scores), strict=True)
    ]


def _image_scores(good: _Good, images: np.ndarray) -> np.ndarray:
    return knn_scores(good.bank.search(images, good.k).distances, good.k)


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
        calibration_least=0,
        few_normals=False,
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
