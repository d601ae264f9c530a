"""WebP: size, stillness and a whole end, before the decoder makes room for its canvas."""

import struct

from dn2core.errors import Rejected
from dn2core.ingest.formats import exif
from dn2core.ingest.formats.header import Header
from dn2core.ingest.limits import Limits, check_size

MAX_CHUNKS = 100_000


def inspect(data: bytes, limits: Limits) -> Header:
    """Walk the chunks of the RIFF container.

    Raises:
        Rejected: by size, TRUNCATED, ANIMATED, TOO_MANY_FRAMES, METADATA_TOO_BIG or NOT_DECODABLE.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) or len(data) < 20:
        raise Rejected("TRUNCATED", format="WEBP")
    size, frames, metadata, orientation, notes = None, 0, 0, 1, ()
    position, chunks = 12, 0
    while position + 8 <= end:
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise Rejected("TOO_MANY_FRAMES", limit=MAX_CHUNKS)
        kind, length = struct.unpack_from("<4sI", data, position)
        body = position + 8
        if body + length > end:
            raise Rejected("TRUNCATED", format="WEBP")
        if kind in (b"VP8X", b"VP8 ", b"VP8L") and size is None:
            size = _size(kind, data[body : body + min(length, 10)])
            check_size(*size, limits)
        elif kind == b"ANMF":
            frames += 1
        elif kind in (b"ICCP", b"EXIF", b"XMP "):
            metadata += length
            if metadata > limits.metadata_bytes:
                raise Rejected("METADATA_TOO_BIG", format="WEBP", limit=limits.metadata_bytes / 1e6)
            if kind == b"EXIF":
                try:
                    orientation = exif.orientation(data[body : body + length])
                except ValueError:
                    notes = ("BROKEN_EXIF",)
        position = body + length + length % 2
    if frames > 1:
        raise Rejected("ANIMATED", frames=frames)
    if size is None:
        raise Rejected("NOT_DECODABLE", format="WEBP")
    return Header(*size, data[:end], orientation=orientation, notes=notes)


def _size(kind: bytes, body: bytes) -> tuple[int, int]:
    if len(body) < (5 if kind == b"VP8L" else 10):
        raise Rejected("TRUNCATED", format="WEBP")
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF
