"""Did all of a picture go along? The camera and its light change every place of a picture, a defect some of them.

Each cell of a picture is compared with the same cell of the normals. What the whole picture shows holds everywhere
when of what is seen only little stays behind it: a cell stays behind where it changed by less than three quarters of
the mean change, and by 1.5 spreads less than that, namely of what the normals differ by in that place. So normals that
differ widely from place to place, such as parts that lie anywhere, contradict little.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NAMES = ("light", "spread", "detail", "red", "yellow")  # of `dn2core.ingest.capture.Capture.cells`
_SHARE = 0.85  # of what is seen, that has to go along
_PART, _ROOM = 0.75, 1.5
_FEW = 10  # the room grows by the factor 1 + 10 / n, as the limits do
_FAINT, _DIM = 1 / 255, 0.02  # of the full scale: rounding; light below which a ratio says little
_WHITE = 0.97  # light from which a cell cannot become brighter
_TENTHS = 2.5631  # standard deviations of a normal distribution between the outer tenths


@dataclass(frozen=True)
class Aspect:
    """What is compared cell by cell: its value, and how much each cell has to say, of (n, 5, c) cells."""

    value: Callable[[np.ndarray], np.ndarray]
    weight: Callable[[np.ndarray], np.ndarray]


def _layer(name: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda cells: cells[:, NAMES.index(name)]


_light, _spread, _detail = (_layer(name) for name in NAMES[:3])

ASPECTS: dict[str, Aspect] = {
    "light": Aspect(lambda cells: np.log(_light(cells) + _DIM), _light),
    "contrast": Aspect(lambda cells: np.log((_spread(cells) + _FAINT) / (_light(cells) + _DIM)), _spread),
    "sharpness": Aspect(lambda cells: np.log((_detail(cells) + _FAINT) / (_spread(cells) + _FAINT)), _spread),
    "red": Aspect(_layer("red"), _light),
    "yellow": Aspect(_layer("yellow"), _light),
}


def everywhere(normals: np.ndarray, pictures: np.ndarray, aspect: str, sign: int) -> np.ndarray:
    """(q,) bool: nothing much of a picture stays behind what it shows on the whole.

    Args:
        normals, pictures: (n, 5, c) and (q, 5, c) float64 cells in the order of NAMES, all of them measured.
        aspect: a key of ASPECTS.
        sign: 1 where there is more of it than usual, -1 where there is less.
    """
    one = ASPECTS[aspect]
    known, seen = one.value(normals), one.value(pictures)
    weights = np.median(one.weight(normals), axis=0) + 1e-9
    weights /= weights.sum()
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9), axis=0)
    change = sign * (seen - middle)
    mean = np.maximum((change * weights).sum(axis=1, keepdims=True), 0)
    room = _ROOM * (1 + _FEW / max(len(normals), 1))
    least = np.minimum(_PART * mean, mean - room * (high - low) / _TENTHS)
    along = change >= least
    if aspect == "light" and sign > 0:
        along |= _light(pictures) >= _WHITE
    return (along * weights).sum(axis=1) >= _SHARE
