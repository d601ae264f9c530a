"""The photographs behind the demo, in colour, and views of them as a camera above a line would take them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

SIDE = 352  # pixels of a view
ENLARGED = 2  # a photograph is enlarged once, so that its views need no strong magnification
QUARTERS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Surface:
    """A photograph that scikit-image carries, and how it is straightened, coloured and cut.

    `colours` maps grey values to RGB between the stops given. Normals are cut from the columns left of
    `split` (a share of the width), new images from those right of it, so no pixel is in both.
    """

    photograph: str
    colours: tuple[tuple[int, tuple[int, int, int]], ...]
    split: float = 0.59
    turns: tuple[int, ...] = QUARTERS  # quarter turns a view may have
    straighten: tuple[float, ...] | None = None  # Pillow's eight perspective coefficients


@cache
def coloured(surface: Surface) -> Image.Image:
    """The whole photograph, straightened, enlarged and in colour."""
    grey = _photograph(surface)
    stops, colours = zip(*surface.colours, strict=True)
    table = np.stack([np.interp(np.arange(256), stops, channel) for channel in zip(*colours, strict=True)], axis=1)
    rgb = table.astype(np.float32)[np.asarray(grey)]
    rgb *= _mottle(grey.width, np.random.default_rng(len(surface.photograph)))
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))


def view(surface: Surface, part: str, rng: np.random.Generator) -> np.ndarray:
    """A slightly turned and scaled cut from the part "normal" or "new": (SIDE, SIDE, 3) float32, 0 to 255."""
    photograph = coloured(surface)
    width, height = photograph.size
    edge = surface.split * width
    left, right = (0, edge) if part == "normal" else (edge, width)

    scale, tilt = rng.uniform(0.94, 1.04), np.deg2rad(rng.uniform(-4, 4))
    across, along = scale * np.cos(tilt), scale * np.sin(tilt)
    reach = SIDE / 2 * (abs(across) + abs(along)) + 2
    x, y = rng.uniform(left + reach, right - reach), rng.uniform(reach, height - reach)
    mirrored = rng.choice((-1, 1))
    # Pillow asks where each pixel of the result comes from: the middle of the result from (x, y).
    row_x, row_y = np.array([mirrored * across, along]), np.array([-mirrored * along, across])
    middle = np.full(2, SIDE / 2)
    matrix = (*row_x, x - row_x @ middle, *row_y, y - row_y @ middle)
    cut = photograph.transform((SIDE, SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.rot90(np.asarray(cut), rng.choice(surface.turns)).astype(np.float32)


def exposed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The view in this shot's light: brightness, a fall-off to one side, white balance, noise; uint8."""
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)
    fall = np.float32(rng.uniform(0.02, 0.08))
    light = 1 + fall * (np.float32(np.cos(angle)) * ramp[None, :] + np.float32(np.sin(angle)) * ramp[:, None])
    balance = (rng.uniform(0.93, 1.07) * rng.uniform(0.985, 1.015, 3)).astype(np.float32)
    noise = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    shot = image * light[:, :, None]
    shot *= balance
    shot += 2 * noise[:, :, None]
    return np.clip(shot, 0, 255, out=shot).astype(np.uint8)


def clouds(side: int, hills: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random values from 0 to 1 with about `hills` hills across: (side, side) float32."""
    coarse = Image.fromarray(rng.random((hills + 2, hills + 2), dtype=np.float32))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    return (smooth - smooth.min()) / max(float(np.ptp(smooth)), 1e-6)


def _photograph(surface: Surface) -> Image.Image:
    import skimage.data

    grey = Image.fromarray(getattr(skimage.data, surface.photograph)())
    if surface.straighten:
        grey = grey.transform(grey.size, Image.Transform.PERSPECTIVE, surface.straighten, Image.Resampling.BICUBIC)
    large = grey.resize((grey.width * ENLARGED, grey.height * ENLARGED), Image.Resampling.LANCZOS)
    return large.filter(ImageFilter.UnsharpMask(radius=2.5, percent=140, threshold=2))


def _mottle(side: int, rng: np.random.Generator) -> np.ndarray:
    """Small differences in hue from place to place, as a natural material has: (side, side, 3)."""
    warm = 0.06 * (clouds(side, 28, rng) - 0.5) + 0.05 * (clouds(side, 9, rng) - 0.5)
    return np.stack([1 + warm, np.ones_like(warm), 1 - warm], axis=2)
