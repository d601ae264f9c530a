"""Is every pixel really there? Two decoders fill up what is missing and say nothing.

Both fills are recognisable, so the costly proof is made only for the few pictures that look like one.
"""

import struct
import zlib
from collections.abc import Callable

from PIL import Image

from dn2core.errors import Rejected

_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PIECE = 1 << 20


def check_png(picture: Image.Image, data: bytes) -> None:
    """Rows that the file lacks stay 0: where the last row is, count what the pixels unpack to.

    Raises:
        Rejected: TRUNCATED.
    """
    interlaced = bool(data[28])
    last_row = picture.crop((0, picture.height - 1, picture.width, picture.height))
    if (interlaced or not any(last_row.tobytes())) and _unpacked(data) < _expected(data):
        raise Rejected("TRUNCATED", format="PNG")


def check_jpeg(picture: Image.Image, data: bytes, load: Callable[[bytes], Image.Image]) -> None:
    """Blocks that the file lacks become middle grey: where the last pixels are, decode with more bytes at the end.

    A whole picture does not look at them; a cut one takes them for its missing blocks and changes.

    Raises:
        Rejected: TRUNCATED.
    """
    width, height = picture.size
    corner = picture.crop((max(0, width - 4), height - 1, width, height)).tobytes()
    if set(corner) <= {127, 128}:
        for filling in (b"\x00", b"\x55"):
            if load(data[:-2] + filling * 64 + data[-2:]).tobytes() != picture.tobytes():
                raise Rejected("TRUNCATED", format="JPEG")


def _unpacked(data: bytes) -> int:
    """Bytes in all IDAT chunks once inflated, counted piece by piece."""
    inflater, total, position = zlib.decompressobj(), 0, 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            waiting = data[position + 8 : position + 8 + length]
            while waiting:
                total += len(inflater.decompress(waiting, _PIECE))
                waiting = inflater.unconsumed_tail
        position += 12 + length
    return total + len(inflater.flush())


def _expected(data: bytes) -> int:
    """Bytes of all rows with their filter bytes."""
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    pixel_bits = bits * _CHANNELS[colour]

    def rows(width: int, height: int) -> int:
        return ((width * pixel_bits + 7) // 8 + 1) * height if width > 0 and height > 0 else 0

    if not interlaced:
        return rows(width, height)
    return sum(rows(-((left - width) // across), -((top - height) // down)) for left, top, across, down in _PASSES)
