"""How much one image and one archive may cost, and the check of a picture's size."""

from dataclasses import dataclass

from dn2core.errors import Rejected


@dataclass(frozen=True)
class Limits:
    """Bounds of the intake; a value equal to its limit still passes.

    Sizes are bytes (1 MB = 1,000,000). `aspect` is the longer side over the shorter. `zip_ratio` (unpacked
    over packed) is a second line only: plain images pack 1000:1, so the byte limits are what protects.
    """

    file_bytes: int = 50_000_000
    pixels: int = 50_000_000
    side: int = 20_000
    aspect: float = 100
    metadata_bytes: int = 16_000_000
    zip_entries: int = 20_000
    zip_bytes: int = 8_000_000_000
    zip_ratio: float = 2_000


def check_size(width: int, height: int, limits: Limits) -> None:
    """Refuse a picture by the size that its header tells, before any pixel is decoded.

    Raises:
        Rejected: TOO_MANY_PIXELS, TOO_LONG or TOO_NARROW; NOT_AN_IMAGE if a side is below 1.
    """
    size = {"width": width, "height": height}
    if width < 1 or height < 1:
        raise Rejected("NOT_AN_IMAGE")
    if width * height > limits.pixels:
        raise Rejected("TOO_MANY_PIXELS", **size, limit=limits.pixels / 1e6)
    if max(width, height) > limits.side:
        raise Rejected("TOO_LONG", **size, limit=limits.side)
    if max(width, height) > limits.aspect * min(width, height):
        raise Rejected("TOO_NARROW", **size, limit=limits.aspect)
