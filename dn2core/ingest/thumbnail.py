"""Small pictures for galleries and whole ones for a browser: pixels only, never the file that was given."""

import io

import numpy as np
from PIL import Image

from dn2core.ingest.decode import decode
from dn2core.ingest.limits import Limits


def thumbnail(image: np.ndarray, side: int = 256) -> bytes:
    """JPEG bytes of a (h, w, 3) uint8 RGB image whose longer side is at most `side`; never enlarged."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _jpeg(picture, quality=85)


def safe_copy(data: bytes, *, limits: Limits | None = None) -> tuple[bytes, str]:
    """The whole picture re-encoded without metadata, upright: (bytes, mime type).

    A JPEG stays a JPEG; everything else becomes a PNG with exactly the decoded pixels.

    Raises:
        Rejected: as `decode`.
    """
    decoded = decode(data, limits=limits)
    picture = Image.fromarray(decoded.image)
    if decoded.format == "JPEG":
        return _jpeg(picture, quality=92), "image/jpeg"
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue(), "image/png"


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
