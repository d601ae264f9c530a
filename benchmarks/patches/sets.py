"""Pictures of textures and of parts with defects drawn in, and where each defect lies.

The textures are photographs that scikit-image carries, 512 x 512 grey; pictures are 160 x 160 cut from them, normals
from one side of SPLIT and new ones from the other, so that no pixel is in both. Parts are drawn: their outline and
holes are geometry, their material is cut from a photograph by the same rule.

A defect is one that a person sees at a glance: inside its mask the picture changes by VISIBLE grey levels or more on
the average, and by LIVELY times the standard deviation of the part's own grey levels, else another place is drawn: on
gravel a change must be larger than on a painted plate to be seen. (A tint shows on grey by itself.) Foreign pieces
come from another photograph.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFilter

SIDE = 160
SPLIT = 320  # rows or columns of a photograph; 192 are left for new pictures
VISIBLE = 20.0  # grey levels
LIVELY = 0.7
SIZES = ("small", "medium", "large")
_LENGTH = dict(zip(SIZES, (40, 60, 90), strict=True))  # of a scratch, 3 px wide
_RADIUS = dict(zip(SIZES, (5, 7, 10), strict=True))  # of a spot
_EXTENT = dict(zip(SIZES, (16, 22, 30), strict=True))  # of a patch
_BY_ROWS = ("brick",)  # its rows of stones lean more and more from left to right
_INTRUDER = {"brick": "gravel", "grass": "brick", "gravel": "brick"}


@dataclass(frozen=True)
class Made:
    """A picture, (160, 160, 3) uint8, and its defect: (160, 160) bool, kind and size; no pixel and "" when good."""

    image: np.ndarray
    mask: np.ndarray
    kind: str = ""
    size: str = ""


def normals(name: str, n: int, seed: int) -> list[np.ndarray]:
    """(160, 160, 3) uint8 pictures of good parts, of the photograph's part for normals."""
    rng = np.random.default_rng([seed, 0])
    return [_shot(SETS[name](rng, "normal")[0], rng) for _ in range(n)]


def tests(name: str, seed: int, *, good: int, each: int) -> Iterator[Made]:
    """`good` good parts, then `each` pictures of every kind and size of defect, of the part for new pictures."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(good):
        yield Made(_shot(SETS[name](rng, "new")[0], rng), np.zeros((SIDE, SIDE), bool))
    for kind in KINDS:
        for size in SIZES:
            for _ in range(each):
                yield _defective(name, KINDS[kind], size, rng, kind=kind)


def spots(name: str, seed: int, *, radius: float, n: int) -> Iterator[Made]:
    """`n` new pictures with a spot of this radius in pixels, also ones that no one sees at a glance."""
    rng = np.random.default_rng([seed, 2])

    def one(good, part, size, rng, ground):
        return _round(good, part, radius, rng)

    for _ in range(n):
        yield _defective(name, one, "", rng, kind="spot", least=1)


def _defective(name: str, change: Callable, size: str, rng: np.random.Generator, *, kind: str, least: int = 20) -> Made:
    """A picture whose defect is visible and has that many pixels at least."""
    for _ in range(1_000):
        good, part, ground = SETS[name](rng, "new")
        changed, area = change(good, part, size, rng, ground)
        mask = area > 0.5
        visible = VISIBLE if kind == "colour" else max(VISIBLE, LIVELY * good[part].std())
        if mask.sum() >= least and np.abs(changed - good)[mask].mean() >= visible:
            return Made(_shot(changed, rng), mask, kind, size)
    raise RuntimeError(f"no visible {size} {kind} on {name} in 1,000 tries")


# kinds: (h, w, 3) float32 picture, (h, w) bool where the part is -> the picture changed, (h, w) share changed


def scratch(good, part, size, rng, ground):
    middle = _place(part, rng)
    angle, bow = rng.uniform(0, np.pi), rng.uniform(-0.1, 0.1) * _LENGTH[size]
    steps = np.linspace(-1, 1, 24)[:, None]
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    line = middle + steps * along * _LENGTH[size] / 2 + bow * (1 - steps**2) * across
    area = _drawn(
        lambda draw, zoom: draw.line([tuple(p) for p in line * zoom], fill=255, width=3 * zoom, joint="curve")
    )
    return _mixed(good, _contrast(good, area, rng), area * part), area * part


def spot(good, part, size, rng, ground):
    return _round(good, part, _RADIUS[size], rng)


def _round(good, part, r, rng):
    x, y = _place(part, rng)
    area = part * _drawn(lambda draw, z: draw.ellipse([z * (x - r), z * (y - r), z * (x + r), z * (y + r)], fill=255))
    return _mixed(good, _contrast(good, area, rng), area), area


def foreign(good, part, size, rng, ground):
    area = part * _ragged(_place(part, rng), _EXTENT[size] / 2, rng)
    other = _cut(_INTRUDER[ground], "new", rng)
    return _mixed(good, other, area), area


def blur(good, part, size, rng, ground):
    area = part * _ragged(_place(part, rng), _EXTENT[size] / 2, rng)
    soft = np.asarray(Image.fromarray(good.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(5)))
    return _mixed(good, soft.astype(np.float32), area), area


def colour(good, part, size, rng, ground):
    area = part * _ragged(_place(part, rng), _EXTENT[size] / 2, rng)
    tint = np.float32(((1.25, 0.8, 0.7), (0.75, 0.9, 1.3), (0.8, 1.2, 0.75))[rng.integers(3)])
    return _mixed(good, good * tint, area), area


def missing(good, part, size, rng, ground):
    """A piece broken out: the dark ground shows, with a little noise."""
    area = part * _ragged(_place(part, rng), _EXTENT[size] / 2, rng)
    bed = np.float32(28) + 6 * rng.standard_normal((SIDE, SIDE, 1), dtype=np.float32)
    return _mixed(good, np.repeat(bed, 3, axis=2), area), area


KINDS: dict[str, Callable] = {one.__name__: one for one in (scratch, spot, foreign, blur, colour, missing)}


# sets: -> picture (160, 160, 3) float32 0 to 255, where the part is (160, 160) bool, its photograph's name


def _texture(name: str) -> Callable:
    return lambda rng, part: (_cut(name, part, rng), np.ones((SIDE, SIDE), bool), name)


def _plate(rng: np.random.Generator, part: str) -> tuple:
    """A plate with four holes, a slot and a bar, nearly in the same place each time."""

    def draw(canvas, z):
        canvas.rounded_rectangle([z * 22, z * 34, z * 138, z * 126], radius=z * 12, fill=255)
        for x, y in ((38, 50), (122, 50), (38, 110), (122, 110)):
            canvas.ellipse([z * (x - 6), z * (y - 6), z * (x + 6), z * (y + 6)], fill=0)
        canvas.rounded_rectangle([z * 62, z * 74, z * 98, z * 86], radius=z * 6, fill=0)

    def relief(canvas, z):
        canvas.rectangle([z * 56, z * 100, z * 104, z * 108], fill=255)
        canvas.rectangle([z * 56, z * 48, z * 104, z * 52], fill=255)

    return _posed(draw, relief, "brick", rng, part, turn=2.0)


def _washer(rng: np.random.Generator, part: str) -> tuple:
    """A ring with a groove and three notches, turned any way."""

    def draw(canvas, z):
        canvas.ellipse([z * 24, z * 24, z * 136, z * 136], fill=255)
        canvas.ellipse([z * 60, z * 60, z * 100, z * 100], fill=0)

    def relief(canvas, z):
        canvas.arc([z * 42, z * 42, z * 118, z * 118], 0, 360, fill=255, width=3 * z)
        for start in (0, 120, 240):
            canvas.arc([z * 30, z * 30, z * 130, z * 130], start, start + 24, fill=255, width=6 * z)

    return _posed(draw, relief, "gravel", rng, part, turn=180.0)


SETS: dict[str, Callable] = {
    "brick": _texture("brick"),
    "grass": _texture("grass"),
    "gravel": _texture("gravel"),
    "plate": _plate,
    "washer": _washer,
}


def _posed(draw, relief, material: str, rng, part: str, *, turn: float) -> tuple:
    angle, shift = rng.uniform(-turn, turn), rng.uniform(-3, 3, 2)

    def placed(drawing) -> np.ndarray:
        canvas = Image.fromarray((255 * _drawn(drawing)).astype(np.uint8))
        moved = canvas.rotate(angle, Image.Resampling.BICUBIC, translate=tuple(shift))
        return np.asarray(moved, np.float32) / 255

    shape, raised = placed(draw), placed(relief)
    # Painted: the photograph's grain at a third of its contrast.
    surface = 120 + 0.35 * (_cut(material, part, rng) - 128)
    surface += 45 * raised[:, :, None]
    shaded = np.clip(shape - np.roll(shape, (2, 2), (0, 1)), 0, 1)
    surface += 60 * shaded[:, :, None]
    ground = np.full((SIDE, SIDE, 3), 205, np.float32) + 3 * rng.standard_normal((SIDE, SIDE, 1), dtype=np.float32)
    return _mixed(ground, surface, shape), shape > 0.5, material


@cache
def _photograph(name: str) -> np.ndarray:
    return np.asarray(getattr(skimage.data, name)(), np.float32)


def _cut(name: str, part: str, rng: np.random.Generator) -> np.ndarray:
    photograph = _photograph(name)
    low, high = (0, SPLIT) if part == "normal" else (SPLIT, len(photograph))
    along, across = rng.integers(low, high - SIDE + 1), rng.integers(0, len(photograph) - SIDE + 1)
    y, x = (along, across) if name in _BY_ROWS else (across, along)
    return np.repeat(photograph[y : y + SIDE, x : x + SIDE, None], 3, axis=2)


def _shot(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As a camera takes it: a little more or less light, a little noise."""
    noise = rng.standard_normal((SIDE, SIDE, 1), dtype=np.float32)
    return np.clip(picture * np.float32(rng.uniform(0.95, 1.05)) + 2 * noise, 0, 255).astype(np.uint8)


def _place(part: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(x, y) of a pixel of the part, 16 px or more from the picture's edge."""
    ys, xs = np.nonzero(part[16:-16, 16:-16])
    at = rng.integers(len(xs))
    return np.array([xs[at] + 16, ys[at] + 16], float)


def _contrast(picture: np.ndarray, area: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nearly black or nearly white, whatever lies farther from what was there; on middle grey either."""
    there = picture[area > 0.5].mean() if (area > 0.5).any() else 128.0
    dark = there > 140 or (there > 110 and rng.random() < 0.5)
    return np.full_like(picture, 8 if dark else 247)


def _ragged(middle: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    outline = np.ones_like(turn)
    for wave in range(2, 6):
        outline += 0.2 / wave * rng.normal() * np.cos(wave * turn + rng.uniform(0, 2 * np.pi))
    points = middle + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1) * outline[:, None]
    return _drawn(lambda draw, zoom: draw.polygon([tuple(p) for p in points * zoom], fill=255))


def _drawn(drawing: Callable, zoom: int = 4) -> np.ndarray:
    """(160, 160) float32 from 0 to 1, smooth edges."""
    canvas = Image.new("L", (SIDE * zoom, SIDE * zoom))
    drawing(ImageDraw.Draw(canvas), zoom)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255


def _mixed(image: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return image + (other - image) * share[:, :, None]
