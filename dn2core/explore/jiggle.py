"""Jiggle test: what tiny changes of a picture do to its score.

The changes are those of handling: the part lies a little differently, the lamp is a little older, the focus a little
off. No defect appears and none goes. So an image whose verdict turns was not judged by what it shows.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import correlate1d, rotate
from scipy.special import ive

from dn2core.detect import Bank, Found, form_scores
from dn2core.errors import Refused
from dn2core.explore.evaluation import Share, clopper_pearson

TURNS = (1.0, 2.0)  # degrees, each way
SHIFT = 0.01  # of the width or height, each way; whole pixels, one at least
LIGHT = 0.04  # of every pixel's value, more and less
BLUR = 0.0015  # standard deviation as a share of the shorter side: a third of a pixel of 224
RESAMPLED = "resampled"  # the control, no small change: see `resampled`


@dataclass(frozen=True)
class Change:
    """One small change: its name, what it belongs to, and the function from image to image."""

    kind: str
    family: str  # "turned", "shifted", "lit" or "blurred"
    made: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Spread:
    """The score of one image, and those under small changes; above the limit it is flagged."""

    score: float  # as taken
    limit: float
    scores: dict[str, float]  # by kind, in the order of `CHANGES`
    resampled: float  # under the control: what drawing the pixels anew does by itself

    @property
    def low(self) -> float:
        """The lowest score, as taken or changed."""
        return min(self.score, *self.scores.values())

    @property
    def high(self) -> float:
        """The highest score, as taken or changed."""
        return max(self.score, *self.scores.values())

    @property
    def flagged(self) -> bool:
        return self.score > self.limit

    @property
    def flipped(self) -> tuple[str, ...]:
        """The kinds of change under which the verdict is the other one."""
        return tuple(kind for kind, score in self.scores.items() if (score > self.limit) != self.flagged)

    @property
    def holds(self) -> bool:
        """Whether the verdict is the same under all changes."""
        return not self.flipped

    @property
    def share(self) -> float:
        """The share of the changes under which the verdict holds, 0 to 1."""
        return 1 - len(self.flipped) / len(self.scores)


@dataclass(frozen=True)
class Handling:
    """What small changes do to the verdicts on n good parts.

    Every share has its exact 95 % interval for n images, however many changes each was put through.
    """

    n: int
    limit: float
    as_taken: Share  # flagged as they were taken
    changed: Share  # flagged under a change drawn at random; its count is the sum of each image's share of changes
    added: Share  # likewise, of those alone that pass as taken
    removed: Share  # pass under a change drawn at random although flagged as taken
    unsteady: Share  # pass as taken and are flagged under one change at least
    by_kind: dict[str, Share]  # flagged under that change
    added_by_family: dict[str, Share]  # as `added`, by the changes that belong together


def jiggled(image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The image under every small change, as (kind, image) in the order of `CHANGES`; never as it is.

    What leaves the frame is lost, and the border is filled by the mirrored image, so that no edge appears.

    A shift by whole pixels, another brightness and a blur leave alone what they do not mean to change. Only a turn has
    to draw pixels between pixels, which blurs by itself. Cubic splines (Unser, IEEE Signal Processing Magazine 16(6),
    1999) keep that small up to half the finest detail. Hence an image with twice the pixels that a network asks for,
    halved afterwards, loses next to nothing; what remains is measured by `resampled`.

    Args:
        image: (h, w, 3) uint8.

    Returns:
        (h, w, 3) uint8 each, the same for the same image.

    Raises:
        Refused: IMAGE_ARRAY.
    """
    image = _checked(image)
    return [(change.kind, change.made(image)) for change in CHANGES]


def resampled(image: np.ndarray) -> np.ndarray:
    """The control for turns: turned as far as any of them and back, so it lies as it lay but was drawn anew twice.

    Its score differs from the image's by twice the resampling of a turn, and by the border that left the frame twice.
    Where that is a large part of what turns do, they tell of blur and not of how the part lies.
    """
    return _turned(_turned(_checked(image), max(TURNS)), -max(TURNS))


def scores_without(
    form: str, bank: Bank, loo: Found | None, queries: np.ndarray, k: int, row: int | None = None
) -> np.ndarray:
    """Scores of images as those of new ones, but with one normal out of the bank: the one that they were made from.

    That normal counts neither as a neighbour nor in its neighbours' own scores, as in `form_scores` with `own`.

    Args:
        form: a key of `FORMS`.
        loo: each normal's neighbours among the others, of the same bank.
        queries: (q, d) raw vectors.
        k: neighbours to use; at most one less than the bank holds where one is out.
        row: the normal's row in the bank; None: all are in.

    Returns:
        (q,) float32, higher = more anomalous.

    Raises:
        Refused: TWO_NORMALS_NEEDED where no normal would be left.
    """
    if row is None:
        return form_scores(form, bank.search(queries, k), loo, k)
    if bank.n < 2:
        raise Refused("TWO_NORMALS_NEEDED")
    found = bank.search(queries, k + 1)
    own = found.indices == row
    own[:, -1] |= ~own.any(axis=1)
    shape = len(own), found.k - 1
    distances, indices = found.distances[~own].reshape(shape), found.indices[~own].reshape(shape)
    near, at = np.unique(indices, return_inverse=True)
    others = Found(_distances_without(loo, near, row), loo.indices[near], loo.k, loo.k_asked)
    return form_scores(form, Found(distances, at.reshape(shape), shape[1], k), others, k)


def handling(
    as_taken: np.ndarray, changed: np.ndarray, limit: float, *, kinds: Sequence[str], families: Sequence[str]
) -> Handling:
    """How many good parts are flagged as taken, and how many more once handling changes the pictures a little.

    The changed versions of an image resemble each other, so images are counted and not versions. What is flagged under
    a change drawn at random is the mean over images of each one's share of changes. Its interval is Clopper and
    Pearson's with the sum of these shares as the count: of all shares with the same mean those of 0 and 1 vary most,
    so it is rather too wide; and unlike a bootstrap's it has a width where no verdict turned.

    Args:
        as_taken: (n,) scores of good parts, normals leave-one-out.
        changed: (n, c) their scores under the changes.
        kinds: (c,) names of the changes.
        families: (c,) what each belongs to.
    """
    before, after = np.asarray(as_taken) > limit, np.asarray(changed) > limit
    n = len(before)
    added, removed = after & ~before[:, None], ~after & before[:, None]
    names = np.asarray(families)
    return Handling(
        n=n,
        limit=limit,
        as_taken=clopper_pearson(int(before.sum()), n),
        changed=_of_images(after),
        added=_of_images(added),
        removed=_of_images(removed),
        unsteady=clopper_pearson(int(added.any(axis=1).sum()), n),
        by_kind={kind: clopper_pearson(int(of.sum()), n) for kind, of in zip(kinds, after.T, strict=True)},
        added_by_family={name: _of_images(added[:, names == name]) for name in dict.fromkeys(families)},
    )


def _of_images(marks: np.ndarray) -> Share:
    """(n, c) bool: the mean share of an image's changes."""
    return clopper_pearson(float(marks.mean(axis=1).sum()), len(marks))


def _distances_without(loo: Found, rows: np.ndarray, row: int) -> np.ndarray:
    """(r, L) distances of some normals to their others, one of these left out.

    The place that falls vacant at the end takes the mean of the rest, so that a sum up to there keeps its mean: nothing
    is known beyond the table. A normal with no other one keeps it.
    """
    near = loo.distances[rows].astype(np.float64)
    if loo.k == 1:
        return near
    for one in np.flatnonzero((loo.indices[rows] == row).any(axis=1)):
        rest = near[one, loo.indices[rows[one]] != row]
        near[one] = *rest, rest.mean()
    return near


def _turned(image: np.ndarray, degrees: float) -> np.ndarray:
    """Counter-clockwise around the middle."""
    return _pixels(rotate(image.astype(np.float32), degrees, reshape=False, order=3, mode="reflect"))


def _shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """By `SHIFT` in the direction given by -1, 0 or 1."""
    height, width = image.shape[:2]
    down, right = down * max(1, round(SHIFT * height)), right * max(1, round(SHIFT * width))
    sides = [(max(0, by), max(0, -by)) for by in (down, right)]
    wide = np.pad(image, (*sides, (0, 0)), mode="symmetric")
    top, left = max(0, -down), max(0, -right)
    return np.ascontiguousarray(wide[top : top + height, left : left + width])


def _lit(image: np.ndarray, factor: float) -> np.ndarray:
    return _pixels(image * np.float32(factor))


def _blurred(image: np.ndarray) -> np.ndarray:
    """By the discrete Gaussian, whose variance is right far below a pixel, too (Lindeberg, IEEE PAMI 12(3), 1990)."""
    variance = (BLUR * min(image.shape[:2])) ** 2
    reach = 3 + int(4 * variance**0.5)
    weights = ive(np.abs(np.arange(-reach, reach + 1)), variance)
    values = image.astype(np.float32)
    for axis in (0, 1):
        values = correlate1d(values, weights / weights.sum(), axis=axis, mode="reflect")
    return _pixels(values)


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _checked(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise Refused("IMAGE_ARRAY", got=f"{image.shape} {image.dtype}")
    return image


CHANGES: tuple[Change, ...] = (
    *(Change(f"turned left {by:g}", "turned", partial(_turned, degrees=by)) for by in reversed(TURNS)),
    *(Change(f"turned right {by:g}", "turned", partial(_turned, degrees=-by)) for by in TURNS),
    Change("shifted left", "shifted", partial(_shifted, down=0, right=-1)),
    Change("shifted right", "shifted", partial(_shifted, down=0, right=1)),
    Change("shifted up", "shifted", partial(_shifted, down=-1, right=0)),
    Change("shifted down", "shifted", partial(_shifted, down=1, right=0)),
    Change("darker", "lit", partial(_lit, factor=1 - LIGHT)),
    Change("brighter", "lit", partial(_lit, factor=1 + LIGHT)),
    Change("blurred", "blurred", _blurred),
)
KINDS = tuple(change.kind for change in CHANGES)
FAMILIES = tuple(change.family for change in CHANGES)
RECIPE = hashlib.sha256(repr((KINDS, SHIFT, LIGHT, BLUR)).encode()).hexdigest()[:8]  # another one for other changes
