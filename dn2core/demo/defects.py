"""Defects drawn into a view: each takes (h, w, 3) float32 from 0 to 255 and returns the same, changed.

`Ground` says what a product's material is like below and beside its surface, so that one drawing
function serves all products.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dn2core.demo.surfaces import Surface, clouds, view

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Ground:
    """`scuffed`: the colour of a fresh scratch. `faded`: what the surface fades to. `bed`: the colour of
    what lies below it. `intruder`: where foreign pieces come from. `extent`: how large defects are drawn;
    a lively surface hides small ones from a look at the whole picture."""

    scuffed: Colour
    faded: Colour
    bed: Colour
    intruder: Surface
    extent: float = 1.0


def scratch(image: np.ndarray, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Long bright strokes with a dark edge."""
    side = len(image)
    for _ in range(rng.integers(1, 4)):
        line = _stroke(side, rng)
        width = ground.extent * rng.uniform(3.0, 5.5)
        core, edge = _drawn(side, line, width), _drawn(side, line + width * 0.45, width * 0.9)
        image = image * (1 - 0.6 * edge[:, :, None])
        grain = (0.75 + 0.4 * clouds(side, side // 4, rng))[:, :, None]
        image = _mixed(image, np.float32(ground.scuffed) * grain, 0.9 * core)
    return image


def stain(image: np.ndarray, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Oil that soaked in: darker, the structure still showing, a rim where it dried."""
    area = _blob(len(image), rng, radius=ground.extent * rng.uniform(0.18, 0.28), ragged=0.35)
    soft = _softened(area, 5)
    rim = np.clip(soft - _softened(area, 14), 0, 1)
    dark = np.float32([0.40, 0.36, 0.32])
    return image * (1 - soft[:, :, None] * (1 - dark)) * (1 - 0.4 * rim[:, :, None])


def hole(image: np.ndarray, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Deep round holes: black inside, lit on the far edge."""
    side = len(image)
    for _ in range(rng.integers(1, 3)):
        area = _blob(side, rng, radius=ground.extent * rng.uniform(0.06, 0.10), ragged=0.2)
        inside = _softened(area, 1.5)
        lit = np.clip(np.roll(inside, (3, 3), (0, 1)) - inside, 0, 1)
        image = _mixed(image, np.float32([14, 12, 11]) + 0.15 * image, inside)
        image = _mixed(image, np.minimum(image * 1.7, 255), lit)
    return image


def foreign(image: np.ndarray, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """A piece of another material lying on the surface, with its shadow."""
    area = _blob(len(image), rng, radius=ground.extent * rng.uniform(0.09, 0.17), ragged=0.35)
    shadow = np.roll(_softened(area, 7), (8, 6), (0, 1))
    image = image * (1 - 0.55 * shadow[:, :, None])
    return _mixed(image, view(ground.intruder, "new", rng), _softened(area, 1.2))


def blur(image: np.ndarray, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """The lens was out of focus."""
    radius = rng.uniform(1.2, 2.6)
    pixels = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    return np.asarray(pixels.filter(ImageFilter.GaussianBlur(radius)), np.float32)


def discolouration(image: np.ndarray, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """A large faded area without a clear edge; light and dark stay where they are."""
    area = _softened(_blob(len(image), rng, radius=ground.extent * rng.uniform(0.26, 0.40), ragged=0.4), 22)
    luminance = image @ np.float32([0.299, 0.587, 0.114])
    faded = np.float32(ground.faded) * (0.45 + luminance / 200)[:, :, None]
    return _mixed(image, faded, rng.uniform(0.4, 0.75) * area)


def missing(image: np.ndarray, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """A part broken away: the bed below shows, in the shadow of the edge."""
    side = len(image)
    area = _blob(side, rng, radius=ground.extent * rng.uniform(0.14, 0.24), ragged=0.35)
    inside = _softened(area, 1.5)
    bed = np.float32(ground.bed) * _grain(side, rng)[:, :, None]
    shade = np.clip(inside - np.roll(_softened(area, 6), (9, 7), (0, 1)), 0, 1)
    return _mixed(image, bed * (1 - 0.6 * shade[:, :, None]), inside)


DEFECTS: dict[str, Callable[[np.ndarray, np.random.Generator, Ground], np.ndarray]] = {
    function.__name__: function for function in (scratch, stain, hole, foreign, blur, discolouration, missing)
}


def _mixed(image: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return image + (other - image) * share[:, :, None]


def _softened(area: np.ndarray, radius: float) -> np.ndarray:
    mask = Image.fromarray((255 * area).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(mask, np.float32) / 255


def _blob(side: int, rng: np.random.Generator, *, radius: float, ragged: float) -> np.ndarray:
    """A filled shape with an uneven outline around a random middle; radius as a share of the side."""
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    outline = np.ones_like(turn)
    for wave in range(2, 9):
        outline += ragged / wave * rng.normal() * np.cos(wave * turn + rng.uniform(0, 2 * np.pi))
    outline *= radius * side
    middle = rng.uniform(0.3, 0.7, 2) * side
    points = middle + np.stack([np.cos(turn), np.sin(turn)], axis=1) * outline[:, None]
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in points.tolist()], fill=255)
    return np.asarray(canvas, np.float32) / 255


def _stroke(side: int, rng: np.random.Generator) -> np.ndarray:
    """Points of a slightly curved line through the picture: (24, 2)."""
    middle, angle = rng.uniform(0.35, 0.65, 2) * side, rng.uniform(0, np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    steps = np.linspace(-1, 1, 24)[:, None]
    bow = rng.uniform(-0.12, 0.12) * side
    jitter = rng.normal(0, 0.6, (24, 1))
    return middle + steps * along * rng.uniform(0.33, 0.48) * side + (bow * (1 - steps**2) + jitter) * across


def _drawn(side: int, points: np.ndarray, width: float) -> np.ndarray:
    """A line of this width with smooth edges that thins out towards its ends."""
    fine = 2
    canvas = Image.new("L", (side * fine, side * fine))
    draw = ImageDraw.Draw(canvas)
    for (x, y), share in zip(_dense(points) * fine, np.linspace(-1, 1, 400), strict=True):
        radius = fine * width / 2 * (1 - 0.75 * abs(share) ** 3)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX), np.float32) / 255


def _dense(points: np.ndarray) -> np.ndarray:
    given, wanted = np.linspace(0, 1, len(points)), np.linspace(0, 1, 400)
    return np.stack([np.interp(wanted, given, column) for column in points.T], axis=1)


def _grain(side: int, rng: np.random.Generator) -> np.ndarray:
    """Brightness of rough earth or mortar, around 1: (side, side) float32."""
    rough = 0.9 * clouds(side, 40, rng) + 0.6 * clouds(side, 110, rng) + 0.5 * clouds(side, 9, rng)
    return 0.2 + 0.8 * rough + 0.1 * rng.standard_normal((side, side), dtype=np.float32)
