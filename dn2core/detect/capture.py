"""Is it the part or the camera? How a picture was taken, against how the normals were taken.

Each measure has its usual place among the normals, the median, and a spread on either side of it, taken from where
the outer tenth begins, so that up to a tenth of oddly taken normals do not make the odd usual. How far a picture lies
from the median, in spreads, is compared with one limit for all measures: 5 spreads; where the normals' measures have
long tails up to 10, namely 1.25 times what all but 2.5 % of the normals stay within; and more the fewer normals.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

LEAST_NORMALS = 5  # below, only what needs no distribution is said
LIMIT = 5.0  # spreads; in a normal distribution a spread is the standard deviation
_TAILS, _BEYOND_TAILS = 0.975, 1.25
_FEW = 10  # the limit grows by the factor 1 + 10 / n: the spreads of few normals are rough
_OUTER = 0.1
_BLACK_AND_BLANK = (0.08, 0.04)  # brightness, and its standard deviation, up to which a lamp may be off,
_FALLEN = 0.25  # if they are at most this share of what is usual


@dataclass(frozen=True)
class Measure:
    """How one measure is compared.

    Attributes:
        low, high: the kind of finding below and above what is usual; None where that side is nothing to look at.
        floor: least spread, so that very even normals do not make every small difference a finding.
        ratio: compared by ratio; spread and floor are of the logarithm then.
    """

    low: str | None
    high: str | None
    floor: float
    ratio: bool = False


# By the names of `dn2core.ingest.capture.Capture`, then two of the file's size.
MEASURES: dict[str, Measure] = {
    "brightness": Measure("dark", "bright", 0.012),
    "contrast": Measure("flat", None, 0.06, ratio=True),
    "sharpness": Measure("blurred", None, 0.035, ratio=True),
    "grain": Measure(None, "grainy", 0.035, ratio=True),
    "dark": Measure(None, "dark", 0.01),
    "burnt": Measure(None, "burnt", 0.01),
    "redness": Measure(None, "reddish", 0.005),
    "greenness": Measure(None, "greenish", 0.005),
    "yellowness": Measure(None, "yellowish", 0.005),
    "blueness": Measure(None, "bluish", 0.005),
    "centre_x": Measure("left", "right", 0.01),
    "centre_y": Measure("up", "down", 0.01),
    "extent": Measure("farther", "closer", 0.03, ratio=True),
    "size": Measure("smaller", "larger", 0.05, ratio=True),  # root of width times height, in pixels
    "aspect": Measure("taller", "wider", 0.02, ratio=True),  # width over height
}
_FLOORS = np.array([measure.floor for measure in MEASURES.values()])
_RATIO = np.array([measure.ratio for measure in MEASURES.values()])
_LOW, _HIGH = (np.array([getattr(one, side) is not None for one in MEASURES.values()]) for side in ("low", "high"))
_LEAST = 1e-3  # of what is compared by ratio

GROUPS: dict[str, tuple[str, ...]] = {
    "light": ("lamp_off", "dark", "bright", "burnt", "flat"),
    "focus": ("blurred", "grainy"),
    "colour": ("reddish", "greenish", "yellowish", "bluish"),
    "framing": ("left", "right", "up", "down", "closer", "farther"),
    "file": ("smaller", "larger", "taller", "wider", "kind"),
}


@dataclass(frozen=True)
class Taken:
    """How n pictures were taken.

    Attributes:
        values: (n, m) float64 in the order of MEASURES; a row of NaN where a picture could not be measured.
        kinds: (n,) what kind of file each is, in words, such as "JPEG, colour".
    """

    values: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Finding:
    """What is unusual about how a picture was taken.

    Attributes:
        kind: one of those in GROUPS.
        measure: a key of MEASURES, or "kind" for the kind of file, which has no numbers.
        value, usual, bound: the picture's, the median of the normals, and where a finding begins on this side.
        strength: spreads from the median over the limit of them, above 1; infinite for a lamp that is off.
    """

    kind: str
    measure: str
    value: float = math.nan
    usual: float = math.nan
    bound: float = math.nan
    strength: float = 1.0


@dataclass(frozen=True)
class Usual:
    """What is usual among the normals: (m,) medians and spreads below and above, ratios as logarithms."""

    middle: np.ndarray
    below: np.ndarray
    above: np.ndarray
    limit: float  # spreads

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(m,) lowest and highest values without a finding, as they were measured."""
        return _plain(self.middle - self.limit * self.below), _plain(self.middle + self.limit * self.above)


def capture_findings(normals: Taken, pictures: Taken | None = None) -> list[tuple[Finding, ...]]:
    """What is unusual about how each picture was taken, the gravest first; mostly nothing.

    Args:
        pictures: by default the normals themselves; the kind of file of each is looked for among the others then.

    Returns:
        a tuple for each picture, with one finding of each kind at most. Where a lamp is off, what follows from that
        is left out. With fewer than 5 measured normals there is nothing but lamps that are off.
    """
    own = pictures is None
    pictures = normals if pictures is None else pictures
    found: list[list[Finding]] = [[] for _ in range(len(pictures))]
    if (usual := usual_of(normals)) is not None:
        _add_unusual(found, pictures, usual)
        for row in np.flatnonzero(_strange(normals.kinds, pictures.kinds, own)):
            found[row].append(Finding("kind", "kind"))
    _put_lamps_off(found, normals, pictures)
    return [_gravest_first(findings) for findings in found]


def usual_of(normals: Taken) -> Usual | None:
    """What is usual; None below 5 normals that could be measured."""
    seen = _compared(normals.values[np.isfinite(normals.values).all(axis=1)])
    if len(seen) < LEAST_NORMALS:
        return None
    middle = np.median(seen, axis=0)
    low, high = np.quantile(seen, (_OUTER, 1 - _OUTER), axis=0)
    outer = NormalDist().inv_cdf(1 - _OUTER)
    below, above = (np.maximum(width / outer, _FLOORS) for width in (middle - low, high - middle))
    farthest = np.abs(_spreads(seen, middle, below, above)).max(axis=1)
    limit = float(np.clip(_BEYOND_TAILS * np.quantile(farthest, _TAILS), LIMIT, 2 * LIMIT))
    return Usual(middle, below, above, limit * (1 + _FEW / len(seen)))


def _spreads(seen: np.ndarray, middle: np.ndarray, below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """(n, m) spreads from the median, negative below it; 0 on a side that is nothing to look at."""
    away = seen - middle
    return np.where(away < 0, away / below * _LOW, away / above * _HIGH)


def _add_unusual(found: list[list[Finding]], pictures: Taken, usual: Usual) -> None:
    spreads = _spreads(_compared(pictures.values), usual.middle, usual.below, usual.above)
    lowest, highest = usual.bounds()
    medians = _plain(usual.middle)
    for row, column in np.argwhere(np.abs(spreads) > usual.limit).tolist():
        name, measure = list(MEASURES.items())[column]
        low = spreads[row, column] < 0
        found[row].append(
            Finding(
                kind=measure.low if low else measure.high,
                measure=name,
                value=float(pictures.values[row, column]),
                usual=float(medians[column]),
                bound=float((lowest if low else highest)[column]),
                strength=float(abs(spreads[row, column]) / usual.limit),
            )
        )


def _strange(known: np.ndarray, kinds: np.ndarray, own: bool) -> np.ndarray:
    """(n,) bool: no normal, or with `own` no other one, is such a file; nothing where normals are of many kinds."""
    names, counts = np.unique(known, return_counts=True)
    if len(known) < LEAST_NORMALS * len(names):
        return np.zeros(len(kinds), bool)
    return np.isin(kinds, names[counts > own], invert=True)


def _put_lamps_off(found: list[list[Finding]], normals: Taken, pictures: Taken) -> None:
    """Nearly black and blank, and far below what is usual in both: nothing else is to be said of the light then."""
    known = _light(normals)
    known = known[np.isfinite(known).all(axis=1)]
    if not len(known):
        return
    usual = np.median(known, axis=0)
    bound = np.minimum(_BLACK_AND_BLANK, _FALLEN * usual)
    seen = _light(pictures)
    for row in np.flatnonzero((seen <= bound).all(axis=1)):
        off = Finding("lamp_off", "brightness", float(seen[row, 0]), float(usual[0]), float(bound[0]), math.inf)
        found[row] = [off, *(finding for finding in found[row] if finding.kind in GROUPS["file"])]


def _light(pictures: Taken) -> np.ndarray:
    """(n, 2) mean and standard deviation of the brightness."""
    brightness, contrast = (pictures.values[:, list(MEASURES).index(name)] for name in ("brightness", "contrast"))
    return np.column_stack([brightness, brightness * contrast])


def _gravest_first(findings: list[Finding]) -> tuple[Finding, ...]:
    gravest: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda finding: -finding.strength):
        gravest.setdefault(finding.kind, finding)
    return tuple(gravest.values())


def _compared(values: np.ndarray) -> np.ndarray:
    return np.where(_RATIO, np.log(np.maximum(values, _LEAST)), values)


def _plain(compared: np.ndarray) -> np.ndarray:
    """From the scale of comparison back to what was measured."""
    return np.where(_RATIO, np.exp(compared), compared)
