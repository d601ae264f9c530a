"""An image of any size -> the square of pixels that the network sees."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from dn2core.errors import Refused


@dataclass(frozen=True)
class Preset:
    """A way to bring an image to the network's input.

    Attributes:
        margin: what the shorter side is resized to, as a multiple of the input's side, before the centre is cut
            out; None resizes the whole image to the square, cutting nothing.
    """

    name: str
    title: str
    margin: float | None

    def short_side(self, input_side: int) -> int:
        """What an image's shorter side is resized to. A decoder need not give more pixels than that."""
        return input_side if self.margin is None else round(input_side * self.margin)

    def describe(self, input_side: int) -> str:
        """The rule in words that name no library: it goes into the fingerprint."""
        draft = (
            f"JPEG decoded at the smallest of 1/8, 1/4, 1/2, 1 of its size with both sides at least"
            f" {self.short_side(input_side)}; "
        )
        scale = "triangle filter over the covered pixels, 8 bit, horizontally then vertically"
        if self.margin is None:
            return f"{draft}whole image to {input_side} x {input_side}, {scale}"
        return (
            f"{draft}shorter side to {self.short_side(input_side)} (the other rounded down), {scale};"
            f" centre {input_side} x {input_side}"
        )


PRESETS: dict[str, Preset] = {
    "whole": Preset("whole", "The whole image", None),
    "paper": Preset("paper", "As in the paper: shorter side 256, centre 224", 256 / 224),
}


def preset_of(name: str) -> Preset:
    if name not in PRESETS:
        raise Refused("UNKNOWN_PRESET", name=name, known=", ".join(PRESETS))
    return PRESETS[name]


def prepare(image: np.ndarray, preset: str, input_side: int) -> np.ndarray:
    """Exactly the pixels that the network sees: (input_side, input_side, 3) uint8.

    Args:
        image: (h, w, 3) uint8 RGB.

    Raises:
        Refused: another shape or dtype, or no pixels.
    """
    rule = preset_of(preset)
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise Refused("IMAGE_ARRAY", got=f"{image.shape} {image.dtype}")
    picture = Image.fromarray(np.ascontiguousarray(image))
    size, corner = _plan(*picture.size, rule, input_side)
    picture = _resized(picture, size)
    if size != (input_side, input_side):
        picture = picture.crop((*corner, corner[0] + input_side, corner[1] + input_side))
    return np.asarray(picture)


def seen_part(width: int, height: int, preset: str, input_side: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what `prepare` keeps of an image, in shares of its width and height."""
    size, corner = _plan(width, height, preset_of(preset), input_side)
    near = [at / extent for at, extent in zip(corner, size, strict=True)]
    far = [(at + input_side) / extent for at, extent in zip(corner, size, strict=True)]
    return (*near, *far)


def _plan(width: int, height: int, rule: Preset, input_side: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size that an image is resized to, and the left upper corner of what is cut out then."""
    if rule.margin is None:
        return (input_side, input_side), (0, 0)
    short = rule.short_side(input_side)
    size = (short, short * height // width) if width <= height else (short * width // height, short)
    left, top = (round((extent - input_side) / 2) for extent in size)
    return size, (left, top)


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.BILINEAR)
