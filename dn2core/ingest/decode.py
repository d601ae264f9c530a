"""Bytes of one file -> one checked image.

The whole picture is decoded here, so what is damaged is found now and never in the middle of a job.
Nothing global is touched: any number of threads may decode at once, and they do run side by side,
because the decoders release the interpreter.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from dn2core.errors import Rejected
from dn2core.ingest.formats import INSPECT
from dn2core.ingest.formats.header import Header
from dn2core.ingest.limits import Limits, check_size
from dn2core.ingest.pixels import to_array, to_rgb
from dn2core.ingest.sniff import sniff
from dn2core.ingest.whole import check_jpeg, check_png

# The plugins by themselves and not Image.open: no other format can be reached, and its own size limit,
# a global, is not in the way of ours.
_OPEN = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Decoded:
    """A checked image.

    `image` is (h, w, 3) uint8 RGB, upright, owned by nobody else; with `at_least` it may be smaller than
    the original. `width` and `height` are the upright original's. `mode` is Pillow's name of the stored
    pixels. `notes` are the codes of the rules that were applied, parameters after a space.
    """

    image: np.ndarray
    width: int
    height: int
    format: str
    mode: str
    notes: tuple[str, ...] = ()


def decode(data: bytes, *, limits: Limits | None = None, at_least: int | None = None) -> Decoded:
    """Check and decode one file, whatever its name.

    Args:
        data: the whole file.
        at_least: where a smaller picture will do: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as
            no side falls below this. A side that is shorter from the start is never made smaller.

    Raises:
        Rejected: with the code and sentence of what is wrong with the file.
        ValueError: if `at_least` is below 1.
    """
    if at_least is not None and at_least < 1:
        raise ValueError(f"expected at_least of 1 pixel or more, got {at_least}")
    limits = limits or Limits()
    format = sniff(data)
    if len(data) > limits.file_bytes:
        raise Rejected("FILE_TOO_BIG", megabytes=len(data) / 1e6, limit=limits.file_bytes / 1e6)
    try:
        header = INSPECT[format](data, limits)
        picture = _load(format, header, limits, at_least)
        mode = picture.mode
        picture, notes = to_rgb(picture, header)
        if header.orientation in _UPRIGHT:
            picture = picture.transpose(_UPRIGHT[header.orientation])
        image = to_array(picture)
    except Rejected:
        raise
    except MemoryError as error:
        raise Rejected("DECODER_MEMORY") from error
    except Exception as error:  # decoders raise whatever they like; one file must not stop a batch
        code = "TRUNCATED" if "truncated" in str(error).lower() else "NOT_DECODABLE"
        raise Rejected(code, format=format) from error
    height, width = image.shape[:2]
    if format == "JPEG":  # may have been decoded smaller
        width, height = header.width, header.height
        if header.orientation >= 5:
            width, height = height, width
    return Decoded(image, width, height, format, mode, (*header.notes, *notes))


def _load(format: str, header: Header, limits: Limits, at_least: int | None) -> Image.Image:
    def load(data: bytes) -> Image.Image:
        picture = _OPEN[format](io.BytesIO(data))
        check_size(*picture.size, limits)  # what the decoder read, should it differ from what we read
        if format == "JPEG" and at_least is not None:
            picture.draft(None, (at_least, at_least))
        picture.load()
        return picture

    picture = load(header.data)
    if format == "PNG":
        check_png(picture, header.data)
    elif format == "JPEG":
        check_jpeg(picture, header.data, load)
    elif format == "BMP":
        picture.info["dn2_alpha_optional"] = True  # many writers leave BMP's fourth byte at 0
    return picture
