"""Which part of a picture counts: areas drawn by a person, to be ignored or to be the only ones looked at.

A mask is a tuple of shapes, each `(kind, ((x, y), ...))`: a polygon with its corners in shares of the picture's
width and height, so that it fits pictures of every size. A polygon that crosses itself is filled by the even-odd rule.
"""

from functools import lru_cache
from numbers import Real

import numpy as np

from dn2core.errors import Refused

IGNORE, ONLY = KINDS = ("ignore", "only")
MOST_SHAPES = 40
MOST_POINTS = 200  # of one shape
OVERSHOOT = 0.001  # how far beyond the picture's edge a point may lie: it is taken to the edge
FINE = 8  # points looked at along each side of a cell
DENSE = 512  # points along each side of a picture whose areas are measured
COARSE = 40  # cells along each side: a mask must leave one of them

Shape = tuple[str, tuple[tuple[float, float], ...]]
Mask = tuple[Shape, ...]


def as_shapes(value) -> Mask:
    """A mask as it is kept, from tuples or from the lists that JSON makes of them.

    Raises:
        Refused: MASK_FORM, MASK_KIND, MASK_POINT, MASK_TOO_MANY, MASK_POINTS, or MASK_FLAT for a shape that covers
            nothing.
    """
    if not isinstance(value, list | tuple):
        raise Refused("MASK_FORM", got=type(value).__name__)
    if len(value) > MOST_SHAPES:
        raise Refused("MASK_TOO_MANY", limit=MOST_SHAPES, got=len(value))
    return tuple(_shape(one) for one in value)


def looked_at(
    shapes: Mask, rows: int, columns: int, part: tuple[float, float, float, float] = (0, 0, 1, 1)
) -> np.ndarray:
    """Which cells of a grid over the picture count: those of which at least half is looked at.

    Where shapes say "only", their union is looked at, else the whole picture; in both cases less what is ignored.

    Args:
        part: left, top, right and bottom of what the grid covers, in shares of the picture (see `seen_part`).

    Returns:
        (rows, columns) bool; the shares are measured at 8 x 8 points of each cell.
    """
    left, top, right, bottom = part
    seen = tuple(
        (kind, tuple(((x - left) / (right - left), (y - top) / (bottom - top)) for x, y in points))
        for kind, points in shapes
    )
    points = _points(seen, rows * FINE, columns * FINE)
    return points.reshape(rows, FINE, columns, FINE).mean(axis=(1, 3)) >= 0.5


@lru_cache(maxsize=256)
def share_looked_at(shapes: Mask) -> float:
    """The share of a picture's area that is looked at, from 0 to 1; exact to about 1 in 500."""
    return float(_points(shapes, DENSE, DENSE).mean())


@lru_cache(maxsize=256)
def check_leaves_some(shapes: Mask) -> None:
    """Raises Refused: MASK_HIDES_ALL where no cell of a 40 x 40 grid would be looked at."""
    some_left(looked_at(shapes, COARSE, COARSE))


def some_left(looked: np.ndarray) -> np.ndarray:
    """The cells that `looked_at` gave, as they are.

    Raises:
        Refused: MASK_HIDES_ALL where there is none.
    """
    if not looked.any():
        raise Refused("MASK_HIDES_ALL")
    return looked


def _shape(value) -> Shape:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Refused("MASK_FORM", got=type(value).__name__)
    kind, points = value
    if kind not in KINDS:
        raise Refused("MASK_KIND", got=str(kind)[:40], known=", ".join(KINDS))
    if not isinstance(points, list | tuple):
        raise Refused("MASK_FORM", got=type(points).__name__)
    if not 3 <= len(points) <= MOST_POINTS:
        raise Refused("MASK_POINTS", limit=MOST_POINTS, got=len(points))
    shape = (kind, tuple(_point(one) for one in points))
    if not _covers(shape[1]):
        raise Refused("MASK_FLAT")
    return shape


def _point(value) -> tuple[float, float]:
    two = isinstance(value, list | tuple) and len(value) == 2
    if not two or not all(isinstance(one, Real) and -OVERSHOOT <= one <= 1 + OVERSHOOT for one in value):
        raise Refused("MASK_POINT", got=str(value)[:60])
    return tuple(min(1.0, max(0.0, float(one))) for one in value)


@lru_cache(maxsize=1024)
def _covers(points: tuple) -> bool:
    """Whether a polygon holds any point of the dense grid."""
    return bool(_inside(points, DENSE, DENSE).any())


def _points(shapes: Mask, rows: int, columns: int) -> np.ndarray:
    """Which points in the middle of so many cells are looked at."""
    only = [_inside(points, rows, columns) for kind, points in shapes if kind == ONLY]
    looked = np.any(only, axis=0) if only else np.ones((rows, columns), bool)
    for kind, points in shapes:
        if kind == IGNORE:
            looked &= ~_inside(points, rows, columns)
    return looked


def _inside(points: tuple, rows: int, columns: int) -> np.ndarray:
    """Which cells have their middle in a polygon: each edge turns all that lies to the right of it in its rows."""
    x0, y0 = np.array(points, np.float64).T
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    y = (np.arange(rows) + 0.5)[:, None] / rows
    row, edge = np.nonzero((y0 <= y) != (y1 <= y))  # (rows, edges)
    along = (y[row, 0] - y0[edge]) / (y1[edge] - y0[edge])
    x = x0[edge] + along * (x1[edge] - x0[edge])
    first = np.clip(np.floor(x * columns - 0.5).astype(int) + 1, 0, columns)  # cell whose middle is to the right
    turns = np.zeros((rows, columns + 1), np.uint8)
    np.add.at(turns, (row, first), 1)
    return np.cumsum(turns, axis=1, dtype=np.uint8)[:, :columns] % 2 == 1
