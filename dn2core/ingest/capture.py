"""How a picture was taken: its light, contrast, sharpness, colour and framing, measured without knowing the part.

The camera and its light change all of a picture, a defect some of it. So sharpness and colour are told of what three
quarters of the picture have, tile by tile; a defect on less than a quarter of it moves them little. And for larger ones
the picture is kept in cells, so that whoever compares it with others can ask where it differs from them.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

RECIPE = 2  # of what is measured: pictures measured by another one are measured anew
SIDE = 192  # pictures are measured at the area of a square of this side
BLACK, WHITE = 5, 250  # a pixel's brightest channel up to / from which nothing is left to see
_LUMA = np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255)  # ITU-R BT.601, to 0 ... 1
DECODED = 224  # a decoder may give so few pixels a side: of a JPEG that moves sharpness by 4 %, the rest less
CELLS = 4  # a side, of what is kept place by place
_TILES = 6  # a side, for sharpness and colour
_MOST = 0.75  # of a picture
_FAINT = 1 / 255  # of the full scale: below it detail and colour are rounding


@dataclass(frozen=True)
class Capture:
    """Measures of one picture. Light runs from 0 (black) to 1 (white) on the stored, gamma-encoded scale.

    Attributes:
        brightness: mean luma.
        contrast: standard deviation of luma over its mean, so that less light alone does not change it.
        sharpness, grain: finest detail over contrast, which three quarters of the picture have at most (it falls only
            when most of it is blurred, out of focus or by motion), and at least (it rises with noise). Of each of
            6 x 6 tiles it is the root mean square of the Laplacian over the standard deviation of luma, and a tile
            counts by its contrast; how strongly the part is lit cancels.
        dark, burnt: shares (0 to 1) of pixels whose brightest channel is at most 5 / at least 250 of 255.
        redness, greenness: (R - G) / (R + G + B) and its negative, which three quarters of the picture have at least;
            of the mean colour of each tile, which counts by its R + G + B.
        yellowness, blueness: ((R + G) / 2 - B) / (R + G + B) and its negative, likewise.
        centre_x, centre_y: where the edges lie on average, from 0 (left, top) to 1 (right, bottom).
        extent: how far they spread about that place: root mean square distance, in shares of the picture's sides.
        cells: of each of 4 x 4 cells, row by row: "light" (mean luma), "spread" (its standard deviation), "detail"
            (root mean square of the Laplacian), "red" and "yellow" (redness and yellowness of the mean colour).
    """

    brightness: float
    contrast: float
    sharpness: float
    grain: float
    dark: float
    burnt: float
    redness: float
    greenness: float
    yellowness: float
    blueness: float
    centre_x: float
    centre_y: float
    extent: float
    cells: dict[str, list[float]]


def measure(image: np.ndarray) -> Capture:
    """Measure a (h, w, 3) uint8 RGB picture.

    It is first reduced to the area of 192 x 192 pixels, keeping its aspect; a smaller one is taken as it is. So it
    does not matter at which size a picture was decoded, and pictures of one kind can be compared. It also means that
    blur counts only as far as it shows at this size: of a picture of 2,000 x 2,000 a blur below some ten pixels is
    averaged away, as it is for a network that sees 224 x 224. Clipped specks smaller than that are, too.
    """
    planes = _reduced(image).transpose(2, 0, 1).astype(np.float32, order="C")
    brightest = np.maximum(np.maximum(planes[0], planes[1]), planes[2])
    luma = np.tensordot(_LUMA, planes, 1)
    brightness = float(luma.mean(dtype=np.float64))
    laplacian = _laplacian(luma)
    sharpness, grain = _sharpness(luma, laplacian)
    centre_x, centre_y, extent = _framing(_halved(luma))
    return Capture(
        brightness=brightness,
        contrast=float(luma.std(dtype=np.float64)) / max(brightness, _FAINT),
        sharpness=sharpness,
        grain=grain,
        dark=float(np.mean(brightest <= BLACK)),
        burnt=float(np.mean(brightest >= WHITE)),
        **_colour(planes),
        centre_x=centre_x,
        centre_y=centre_y,
        extent=extent,
        cells=_cells(planes, luma, laplacian),
    )


def _reduced(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8, of no more than SIDE x SIDE pixels or so."""
    height, width = image.shape[:2]
    scale = SIDE / (height * width) ** 0.5
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))


def _halved(luma: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; a side of one pixel stays."""
    rows, columns = (side // 2 * 2 for side in luma.shape)
    if rows:
        luma = (luma[:rows:2] + luma[1:rows:2]) / 2
    if columns:
        luma = (luma[:, :columns:2] + luma[:, 1:columns:2]) / 2
    return luma


def _colour(planes: np.ndarray) -> dict[str, float]:
    reddish, yellowish, total = _tint(planes, _TILES)
    return {
        "redness": _quantile(reddish, total, 1 - _MOST),
        "greenness": _quantile(-reddish, total, 1 - _MOST),
        "yellowness": _quantile(yellowish, total, 1 - _MOST),
        "blueness": _quantile(-yellowish, total, 1 - _MOST),
    }


def _tint(planes: np.ndarray, tiles: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(t,) redness and yellowness of the mean colour of each tile, and its R + G + B."""
    red, green, blue = (_tiled(plane, tiles) for plane in planes)
    total = red + green + blue
    seen = np.maximum(total, 1)  # black has no colour, and no weight
    return (red - green) / seen, ((red + green) / 2 - blue) / seen, total


def _cells(planes: np.ndarray, luma: np.ndarray, laplacian: np.ndarray) -> dict[str, list[float]]:
    light = _tiled(luma, CELLS)
    red, yellow, _ = _tint(planes, CELLS)
    cells = {
        "light": light,
        "spread": np.sqrt(np.maximum(_tiled(luma**2, CELLS) - light**2, 0)),
        "detail": np.sqrt(_tiled(laplacian**2, CELLS)),
        "red": red,
        "yellow": yellow,
    }
    return {name: values.round(4).tolist() for name, values in cells.items()}


def _laplacian(luma: np.ndarray) -> np.ndarray:
    """(h - 2, w - 2): the four neighbours less four times the pixel; one 0 where a side is too short."""
    if min(luma.shape) < 3:
        return np.zeros((1, 1), luma.dtype)
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return around - 4 * luma[1:-1, 1:-1]


def _sharpness(luma: np.ndarray, laplacian: np.ndarray) -> tuple[float, float]:
    if min(luma.shape) < 3:
        return 1.0, 1.0
    inner = luma[1:-1, 1:-1]
    detail = np.sqrt(_tiled(laplacian**2, _TILES))
    contrast = np.sqrt(np.maximum(_tiled(inner**2, _TILES) - _tiled(inner, _TILES) ** 2, 0))
    ratio = (detail + _FAINT) / (contrast + _FAINT)
    return _quantile(ratio, contrast, _MOST), _quantile(ratio, contrast, 1 - _MOST)


def _tiled(values: np.ndarray, tiles: int) -> np.ndarray:
    """Means over tiles x tiles of (h, w) values, float64; where a side has fewer pixels than tiles some repeat."""
    for axis, side in enumerate(values.shape):
        starts = np.arange(tiles) * side // tiles
        pixels = np.maximum(np.diff(starts, append=side), 1)
        sums = np.add.reduceat(values, starts, axis=axis, dtype=np.float64)
        values = sums / (pixels[:, None] if axis == 0 else pixels)
    return values.ravel()


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The value at which a share of the weight is reached; the least one where there is no weight."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order[np.searchsorted(reached, reached[-1] * share)]])


def _framing(luma: np.ndarray) -> tuple[float, float, float]:
    """Centre (x, y) and extent of the edges.

    Edges and not bright pixels, because the light then cancels: twice as much of it makes every gradient twice as
    strong and moves no mean. Gradients of a few grey levels, or up to three times those of the quieter quarter of the
    picture, do not count, so that the noise of a plain background does not draw the centre to the middle; and above
    the median of the others all count alike, so that no glint outweighs the outline of the part.
    """
    if min(luma.shape) < 3:
        return 0.5, 0.5, 0.0
    across = luma[1:-1, 2:] - luma[1:-1, :-2]
    down = luma[2:, 1:-1] - luma[:-2, 1:-1]
    gradient = np.hypot(across, down)
    surplus = np.maximum(gradient - max(3 * float(np.quantile(gradient, 0.25)), 3 * _FAINT), 0)
    if not surplus.any():
        return 0.5, 0.5, 0.0
    weights = np.minimum(surplus, np.median(surplus[surplus > 0])).astype(np.float64)
    total = weights.sum()
    rows, columns = weights.sum(axis=1) / total, weights.sum(axis=0) / total
    y, x = ((np.arange(len(line)) + 1.5) / (len(line) + 2) for line in (rows, columns))
    centre_x, centre_y = float(columns @ x), float(rows @ y)
    extent = (columns @ (x - centre_x) ** 2 + rows @ (y - centre_y) ** 2) ** 0.5
    return centre_x, centre_y, float(extent)
