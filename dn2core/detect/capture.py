"""Is it the part or the camera? How a picture was taken, against how the normals were taken.

Each measure has its usual place among the normals, the median, and a spread on either side of it, taken from where
the outer tenth begins, so that up to a tenth of oddly taken normals do not make the odd usual. How far a picture lies
from the median, in spreads, is compared with one limit for all measures: 5 spreads; where the normals' measures have
long tails up to 10, namely 1.25 times what all but 2.5 % of the normals stay within; and more the fewer normals.
What light, colour, contrast and sharpness show on the whole has to hold in nearly all of the picture, too, or it is a
matter of the part: see `capture_cells`.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from dn2core.detect.capture_cells import everywhere

LEAST_NORMALS = 5  # below, only what needs no distribution is said
FEW_NORMALS = 20  # below, only large differences are told
LIMIT = 5.0  # spreads; in a normal distribution a spread is the standard deviation
_TAILS, _BEYOND_TAILS = 0.975, 1.25
_FEW = 10  # the limit grows by the factor 1 + 10 / n: the spreads of few normals are rough
_OUTER = 0.1
_BLACK_AND_BLANK = (0.08, 0.04)  # brightness, and its standard deviation, up to which a lamp may be off,
_FALLEN = 0.25  # if they are at most this share of what is usual
_FULL = 0.38  # extent of edges that fill the picture, which have 0.41 all over it: nothing shows a shift then


@dataclass(frozen=True)
class Measure:
    """How one measure is compared.

    Attributes:
        low, high: the kind of finding below and above what is usual; None where that side is nothing to look at.
        floor: least spread, so that very even normals do not make every small difference a finding.
        ratio: compared by ratio; spread and floor are of the logarithm then.
        along: the aspect of the cells that must go along, and its sign (1 or -1) where the measure rises.
        most: the greatest value that a picture can have, where the least is 0; None where any limit can be reached.
    """

    low: str | None
    high: str | None
    floor: float
    ratio: bool = False
    along: tuple[str, int] | None = None
    most: float | None = None


# By the names of `dn2core.ingest.capture.Capture`, then two of the file's size.
MEASURES: dict[str, Measure] = {
    "brightness": Measure("dark", "bright", 0.012, along=("light", 1), most=1),
    "contrast": Measure("flat", None, 0.06, ratio=True, along=("contrast", 1)),
    "sharpness": Measure("blurred", None, 0.035, ratio=True, along=("sharpness", 1)),
    "grain": Measure(None, "grainy", 0.035, ratio=True, along=("sharpness", 1)),
    "dark": Measure(None, "dark", 0.01, along=("light", -1), most=1),
    "burnt": Measure(None, "burnt", 0.01, along=("light", 1), most=1),
    "redness": Measure(None, "reddish", 0.005, along=("red", 1)),
    "greenness": Measure(None, "greenish", 0.005, along=("red", -1)),
    "yellowness": Measure(None, "yellowish", 0.005, along=("yellow", 1)),
    "blueness": Measure(None, "bluish", 0.005, along=("yellow", -1)),
    "centre_x": Measure("left", "right", 0.01, most=1),
    "centre_y": Measure("up", "down", 0.01, most=1),
    "extent": Measure("farther", "closer", 0.03, ratio=True),
    "size": Measure("smaller", "larger", 0.05, ratio=True),  # root of width times height, in pixels
    "aspect": Measure("taller", "wider", 0.02, ratio=True),  # width over height
}
_FLOORS = np.array([measure.floor for measure in MEASURES.values()])
_RATIO = np.array([measure.ratio for measure in MEASURES.values()])
_LOW, _HIGH = (np.array([getattr(one, side) is not None for one in MEASURES.values()]) for side in ("low", "high"))
_FRAMING = np.isin(list(MEASURES), ("centre_x", "centre_y", "extent"))
_MOST = np.array([np.inf if measure.most is None else measure.most for measure in MEASURES.values()])
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
        cells: (n, 5, c) float64 in the order of `capture_cells.NAMES`; NaN likewise.
        kinds: (n,) what kind of file each is, in words, such as "JPEG, colour".
    """

    values: np.ndarray
    cells: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows) -> "Taken":
        """Those in these rows, a slice or an array."""
        return Taken(self.values[rows], self.cells[rows], self.kinds[rows])


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
    """What is usual among the normals: (m,) medians and spreads below and above, ratios as logarithms.

    A side that is nothing to look at is infinitely wide, and so is the framing where edges fill the pictures.
    """

    middle: np.ndarray
    below: np.ndarray
    above: np.ndarray
    limit: float  # spreads

    def medians(self) -> np.ndarray:
        """(m,) medians as they were measured."""
        return _plain(self.middle)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(m,) lowest and highest values without a finding, as they were measured; NaN where no picture has one."""
        low, high = _plain(self.middle - self.limit * self.below), _plain(self.middle + self.limit * self.above)
        low[np.isinf(self.below) | (np.isfinite(_MOST) & (low <= 0))] = np.nan
        high[np.isinf(self.above) | (high >= _MOST)] = np.nan
        return low, high


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
        _add_unusual(found, normals, pictures, usual)
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
    unframed = _FRAMING & (_plain(middle)[list(MEASURES).index("extent")] >= _FULL)
    below[unframed | ~_LOW], above[unframed | ~_HIGH] = np.inf, np.inf
    farthest = np.abs(_spreads(seen, middle, below, above)).max(axis=1)
    limit = float(np.clip(_BEYOND_TAILS * np.quantile(farthest, _TAILS), LIMIT, 2 * LIMIT))
    return Usual(middle, below, above, limit * (1 + _FEW / len(seen)))


def _spreads(seen: np.ndarray, middle: np.ndarray, below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """(n, m) spreads from the median, negative below it."""
    away = seen - middle
    return np.where(away < 0, away / below, away / above)


def not_judged(normals: Taken) -> dict[str, tuple[str, ...]]:
    """Kinds of findings that no picture can have beside these normals, by the reason.

    Returns:
        only reasons that hold: "few" (fewer than 5 measured normals), "full" (edges fill the pictures, so that nothing
        shows a shift), "wide" (the normals differ so much that the limit lies beyond any picture), "files" (they are
        of many kinds of files).
    """
    usual, reasons = usual_of(normals), {}
    if usual is None:
        return {"few": tuple(kind for kinds in GROUPS.values() for kind in kinds if kind != "lamp_off")}
    if np.isinf(usual.below[_FRAMING]).all():
        reasons["full"] = GROUPS["framing"]
    told: dict[str, bool] = {}
    sides = zip(MEASURES.values(), usual.below, usual.above, *usual.bounds(), strict=True)
    for measure, below, above, low, high in sides:
        for kind, width, bound in ((measure.low, below, low), (measure.high, above, high)):
            if np.isfinite(width):
                told[kind] = told.get(kind, False) or np.isfinite(bound)
    if wide := tuple(kind for kind, some in told.items() if not some):
        reasons["wide"] = wide
    if _many_kinds(normals.kinds):
        reasons["files"] = ("kind",)
    return reasons


def _add_unusual(found: list[list[Finding]], normals: Taken, pictures: Taken, usual: Usual) -> None:
    spreads = _spreads(_compared(pictures.values), usual.middle, usual.below, usual.above)
    unusual = _held_everywhere(np.where(np.abs(spreads) > usual.limit, np.sign(spreads), 0), normals, pictures)
    lowest, highest = usual.bounds()
    medians = usual.medians()
    for row, column in np.argwhere(unusual).tolist():
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


def _held_everywhere(unusual: np.ndarray, normals: Taken, pictures: Taken) -> np.ndarray:
    """(n, m) -1, 0 or 1, low or high: without what holds in a part of the picture only."""
    known = normals.cells[np.isfinite(normals.values).all(axis=1)]
    held = unusual.copy()
    for column, measure in enumerate(MEASURES.values()):
        for side in (-1, 1) if measure.along else ():
            rows = np.flatnonzero(unusual[:, column] == side)
            aspect, sign = measure.along
            held[rows, column] *= everywhere(known, pictures.cells[rows], aspect, side * sign)
    return held


def _strange(known: np.ndarray, kinds: np.ndarray, own: bool) -> np.ndarray:
    """(n,) bool: no normal, or with `own` no other one, is such a file; nothing where normals are of many kinds."""
    names, counts = np.unique(known, return_counts=True)
    if _many_kinds(known):
        return np.zeros(len(kinds), bool)
    return np.isin(kinds, names[counts > own], invert=True)


def _many_kinds(known: np.ndarray) -> bool:
    return len(known) < LEAST_NORMALS * len(np.unique(known))


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
