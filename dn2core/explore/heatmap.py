"""Where a picture is unusual, as a person sees it: colours on a fixed scale, outlines, crops and differences.

A distance map is (rows, columns) float32 over the whole picture; higher = more anomalous, NaN where a mask hides the
cell. Its limit is the project's limit on the patches of an image, so that one colour means one thing in every
picture. Places are shares of the picture's width and height, from its left upper corner.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import distance_transform_edt, gaussian_filter, label
from skimage.color import rgb2lab
from skimage.measure import find_contours

LONGEST = 640  # pixels of the longer side of what is drawn

# Distances as multiples of the limit at which the colours end. The places of most pictures, of good parts and of those
# with a defect that is hard to see, lie between; the same on both sides, so that the limit is the middle.
LOWEST, HIGHEST = 0.5, 1.5

# The ends are blue and vermilion of the Okabe-Ito palette (Okabe and Ito, Color Universal Design, 2008), the middle is
# a light grey, and the stops between divide each arm into equal steps of the Oklab space (Ottosson, 2020), so that
# equal steps look equal.
_COLOURS = ("#0072B2", "#5391C2", "#88B0D2", "#BBCFE0", "#EEEEEE", "#ECCCBC", "#E7A98A", "#DF8555", "#D55E00")
# Faint below the limit, so that a good part looks like itself.
_OPACITIES = (0, 0.01, 0.03, 0.06, 0.12, 0.55, 0.68, 0.75, 0.8)

# Seven stops of cividis, as matplotlib has it (Nuñez, Anderton and Renslow, 2018): even, and the same to colour-blind
# readers.
_DIFFERENCE_COLOURS = ("#00224E", "#2A3F6D", "#575D6D", "#7D7C78", "#A59C74", "#D2C060", "#FEE838")
MOST_DIFFERENT = 50.0  # in units of CIELAB: the end of the colours; 2 can just be seen, 100 lie from black to white

_HATCH = ((70, 74, 80, 120), (180, 184, 190, 90))
_SMALLEST = 1e-30  # of normals that are all the same the limit is 0, and anything above it is far above it
_SURROUNDINGS = 1.6  # side of a crop, as a multiple of what it shows
_EIGHT = np.ones((3, 3), bool)  # cells that touch by a corner belong together


@dataclass(frozen=True)
class Stop:
    """A colour of a scale, at a share of its length; `word` says in English what it means, "" for nothing."""

    at: float
    colour: str
    word: str = ""


class Box(Protocol):
    """Anything with left, top, right and bottom, in shares of a picture."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Region:
    """A part of a picture with its most anomalous place: (x, y), the distance there, and the share of the area."""

    left: float
    top: float
    right: float
    bottom: float
    x: float
    y: float
    value: float
    area: float


def heat(distances: np.ndarray, limit: float, size: tuple[int, int], *, longest: int = LONGEST) -> np.ndarray:
    """The colours that lie over a picture: (h, w, 4) uint8 RGBA, hatched in grey where the map is hidden.

    Args:
        size: width and height of the picture; what is drawn has its aspect, and `longest` as its longer side.

    Raises:
        ValueError: a limit that is NaN or negative, or no map of two axes.
    """
    distances = _checked(distances, limit)
    shape = _fitted(size, longest)[::-1]
    hidden = np.isnan(distances)
    if hidden.all():
        return _hatched(shape)
    multiples = _smooth(_filled(distances), shape) / max(limit, _SMALLEST)
    at = (np.clip(multiples, LOWEST, HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
    drawn = _TABLE[np.rint(at * _STEPS).astype(int)]
    if hidden.any():
        rows, columns = (np.arange(n) * cells // n for n, cells in zip(shape, hidden.shape, strict=True))
        drawn = np.where(hidden[np.ix_(rows, columns)][..., None], _hatched(shape), drawn)
    return drawn


def legend() -> tuple[Stop, ...]:
    """The scale of `heat`, from half the limit to one and a half of it, as opaque colours."""
    words = {0: "half the limit or less", 0.5: "limit", 1: "1.5 times or more"}
    return tuple(Stop(at, colour, words.get(at, "")) for at, colour in zip(_STOPS, _COLOURS, strict=True))


def outlines(distances: np.ndarray, limit: float) -> tuple[np.ndarray, ...]:
    """Closed lines around what lies above the limit: each (n, 2) float64, x and y in shares of width and height.

    Cells above the limit have their centres inside of an odd number of them, all others do not. Along the border
    of the picture, and of what is hidden, a line follows it.
    """
    distances = _checked(distances, limit)
    hidden = np.isnan(distances)
    if hidden.all() or np.nanmax(distances) <= limit:
        return ()
    # An odd number of pixels a cell, so that one of them is its very centre.
    finer = max(1, LONGEST // 2 // max(distances.shape)) | 1
    fine = _smooth(_filled(distances), (distances.shape[0] * finer, distances.shape[1] * finer))
    nothing = limit - 1000 * (fine.max() - limit)  # so low that the line runs at what lies above the limit
    fine[np.repeat(np.repeat(hidden, finer, 0), finer, 1)] = nothing
    framed = np.pad(np.pad(fine, 1, mode="edge"), 1, constant_values=nothing)
    return tuple(
        ((line[:, ::-1] - 1.5) / fine.shape[::-1]).clip(0, 1) for line in find_contours(framed, max(limit, _SMALLEST))
    )


def worst_region(distances: np.ndarray, limit: float) -> Region | None:
    """The connected cells above the limit that hold the largest distance; None where all is hidden.

    Where nothing is above, or there is no limit (NaN), it is the cell with the largest distance and its neighbours.
    """
    distances = np.asarray(distances, np.float64)
    shown = ~np.isnan(distances)
    if not shown.any():
        return None
    row, column = np.unravel_index(np.nanargmax(distances), distances.shape)
    peak = distances[row, column]
    if peak > limit:
        regions, _ = label(np.nan_to_num(distances, nan=-np.inf) > limit, structure=_EIGHT)
        cells = regions == regions[row, column]
    else:
        cells = np.zeros(distances.shape, bool)
        cells[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    rows, columns = (np.flatnonzero(cells.any(axis=axis)) for axis in (1, 0))
    height, width = distances.shape
    return Region(
        left=int(columns[0]) / width,
        top=int(rows[0]) / height,
        right=int(columns[-1] + 1) / width,
        bottom=int(rows[-1] + 1) / height,
        x=(int(column) + 0.5) / width,
        y=(int(row) + 0.5) / height,
        value=float(peak),
        area=int((cells & shown).sum()) / distances.size,
    )


def crop_box(box: Box, width: int, height: int, least: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels of a square around a box with its surroundings.

    Where the picture of `width` x `height` pixels ends, the square is moved inside, and cut if it is larger.

    Args:
        least: pixels of the square's side at least.
    """
    side = max(least, _SURROUNDINGS * max((box.right - box.left) * width, (box.bottom - box.top) * height))
    left, right = _span((box.left + box.right) / 2 * width, side, width)
    top, bottom = _span((box.top + box.bottom) / 2 * height, side, height)
    return left, top, right, bottom


def difference(image: np.ndarray, normal: np.ndarray, *, longest: int = LONGEST) -> np.ndarray:
    """How far apart two pictures look, pixel by pixel: (h, w) float32 CIELAB distances (CIE 1976), 0 = the same.

    The normal is brought to the image's size. What the median pixel differs by, channel by channel, counts as light
    or white balance and is taken off; a slight blur forgives a shift of a pixel or two.

    Args:
        image, normal: (., ., 3) uint8 RGB of any sizes.
        longest: pixels of the longer side of the result; an image that is smaller keeps its size.
    """
    size = _fitted((image.shape[1], image.shape[0]), min(longest, max(image.shape[:2])))
    blur = max(size) / LONGEST
    one, other = (
        gaussian_filter(rgb2lab(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)), (blur, blur, 0))
        for picture in (image, normal)
    )
    apart = one - other
    apart -= np.median(apart, axis=(0, 1))
    return np.linalg.norm(apart, axis=2).astype(np.float32)


def difference_picture(apart: np.ndarray) -> np.ndarray:
    """A `difference` in colours, from dark blue (alike) to yellow (`MOST_DIFFERENT` or more): (h, w, 3) uint8."""
    stops = np.linspace(0, MOST_DIFFERENT, len(_DIFFERENCE_COLOURS))
    return np.stack([np.interp(apart, stops, one) for one in _channels(_DIFFERENCE_COLOURS)], axis=2).astype(np.uint8)


def difference_legend() -> tuple[Stop, ...]:
    """The scale of `difference_picture`."""
    last = len(_DIFFERENCE_COLOURS) - 1
    words = {0: "alike", last: "very different"}
    return tuple(Stop(i / last, colour, words.get(i, "")) for i, colour in enumerate(_DIFFERENCE_COLOURS))


def heat_over(picture: np.ndarray, distances: np.ndarray, limit: float, *, outlined: bool = True) -> np.ndarray:
    """A picture, (h, w, 3) uint8, under its heat and outlines, for paper: the same shape."""
    height, width = picture.shape[:2]
    under = Image.fromarray(picture).convert("RGBA")
    over = Image.fromarray(heat(distances, limit, (width, height), longest=max(width, height)))
    drawn = Image.alpha_composite(under, over).convert("RGB")
    if not outlined:
        return np.asarray(drawn)
    pen = ImageDraw.Draw(drawn)
    lines = [[tuple(point) for point in line * (width, height)] for line in outlines(distances, limit)]
    for colour, thick in (("#101418", 3), ("#FFFFFF", 1)):  # seen on dark and on light pictures
        for line in lines:
            pen.line(line, fill=colour, width=thick, joint="curve")
    return np.asarray(drawn)


def _checked(distances: np.ndarray, limit: float) -> np.ndarray:
    distances = np.asarray(distances, np.float64)
    if distances.ndim != 2 or not distances.size:
        raise ValueError(f"expected a map of rows and columns, got the shape {distances.shape}")
    if not limit >= 0:
        raise ValueError(f"expected a limit of 0 or more, got {limit}")
    return distances


def _fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """A size of the same aspect with that longer side."""
    return tuple(max(1, round(longest * side / max(size))) for side in size)


def _filled(distances: np.ndarray) -> np.ndarray:
    """The map with the nearest shown cell in place of each hidden one."""
    nearest = distance_transform_edt(np.isnan(distances), return_distances=False, return_indices=True)
    return distances[tuple(nearest)]


def _smooth(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The map on a finer grid, through the value of each cell at its centre.

    Monotone cubics along one axis, then the other (Fritsch and Carlson, 1980): no ripples, so nothing between two
    cells lies beyond both of them.
    """
    for axis, n in enumerate(shape):
        cells = values.shape[axis]
        around = [(1, 1) if one == axis else (0, 0) for one in (0, 1)]  # level at the border
        curve = PchipInterpolator(np.arange(-1, cells + 1), np.pad(values, around, mode="edge"), axis=axis)
        values = curve((np.arange(n) + 0.5) * cells / n - 0.5)
    return values


def _span(centre: float, side: float, extent: int) -> tuple[int, int]:
    side = min(max(1, round(side)), extent)
    start = min(max(round(centre - side / 2), 0), extent - side)
    return start, start + side


def _hatched(shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.array(_HATCH, np.uint8)[(rows + columns) // 6 % 2]


def _channels(colours: Iterable[str]) -> np.ndarray:
    """(3, n) red, green and blue of n colours."""
    return np.array([[int(colour[at : at + 2], 16) for colour in colours] for at in (1, 3, 5)])


_STOPS = np.linspace(0, 1, len(_COLOURS)).tolist()  # shares of the scale's length
_STEPS = 1024  # of the colours
_TABLE = (
    np.stack(
        [
            np.interp(np.arange(_STEPS + 1) / _STEPS, _STOPS, channel)
            for channel in (*_channels(_COLOURS), 255 * np.array(_OPACITIES))
        ],
        axis=1,
    )
    .round()
    .astype(np.uint8)
)
