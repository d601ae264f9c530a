"""PNG: size, checksums and a whole end; the decoder sees only the chunks that make pixels."""

import struct
import zlib

from dn2core.errors import Rejected
from dn2core.ingest.formats import exif
from dn2core.ingest.formats.header import Header
from dn2core.ingest.limits import Limits, check_size

MAX_CHUNKS = 100_000
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"IEND"}
_PACKED_FROM = {b"zTXt": 1, b"iCCP": 1, b"iTXt": 3}  # zero bytes to skip before the compressed part


def inspect(data: bytes, limits: Limits) -> Header:
    """Walk the chunks to IEND; what follows it (a polyglot's other half) is left out.

    Raises:
        Rejected: by size, TRUNCATED, ANIMATED, METADATA_TOO_BIG or NOT_DECODABLE.
    """
    view = memoryview(data)
    if len(data) < 33:
        raise Rejected("TRUNCATED", format="PNG")
    length, kind, width, height, bits = struct.unpack_from(">I4sIIB", data, 8)
    if kind != b"IHDR" or length != 13:
        raise Rejected("NOT_DECODABLE", format="PNG")
    check_size(width, height, limits)

    kept, notes, metadata, orientation, position = [view[:8]], [], 0, 1, 8
    for _ in range(MAX_CHUNKS):
        if position + 12 > len(data):
            raise Rejected("TRUNCATED", format="PNG")
        length, kind = struct.unpack_from(">I4s", data, position)
        start, position = position, position + 12 + length
        if position > len(data):
            raise Rejected("TRUNCATED", format="PNG")
        (checksum,) = struct.unpack_from(">I", data, position - 4)
        whole = zlib.crc32(view[start + 4 : position - 4]) == checksum
        if kind in _PIXELS or kind[:1].isupper():
            if not whole:
                raise Rejected("NOT_DECODABLE", format="PNG")
            kept.append(view[start:position])
            if kind == b"IEND":
                break
            continue
        body = data[start + 8 : position - 4]
        metadata += length + (_unpacked(kind, body, limits.metadata_bytes - metadata, notes) if whole else 0)
        if metadata > limits.metadata_bytes:
            raise Rejected("METADATA_TOO_BIG", format="PNG", limit=limits.metadata_bytes / 1e6)
        if not whole:
            notes.append("BROKEN_METADATA")
        elif kind == b"acTL" and int.from_bytes(body[:4], "big") > 1:
            raise Rejected("ANIMATED", frames=int.from_bytes(body[:4], "big"))
        elif kind == b"eXIf":
            try:
                orientation = exif.orientation(body)
            except ValueError:
                notes.append("BROKEN_EXIF")
    else:
        raise Rejected("NOT_DECODABLE", format="PNG")
    return Header(width, height, b"".join(kept), orientation=orientation, bits=bits, notes=tuple(dict.fromkeys(notes)))


def _unpacked(kind: bytes, body: bytes, room: int, notes: list[str]) -> int:
    """How many bytes a compressed text or profile unpacks to, counted to just beyond `room`."""
    if kind not in _PACKED_FROM or room < 0:
        return 0
    packed = body.split(b"\0", _PACKED_FROM[kind])[-1]
    if kind == b"iTXt":
        flag = body.find(b"\0") + 1
        if body[flag : flag + 1] != b"\1":
            return 0
        packed = body[flag + 2 :].split(b"\0", 2)[-1]
    else:
        packed = packed[1:]  # the method, always deflate
    try:
        return len(zlib.decompressobj().decompress(packed, room + 1))
    except zlib.error:
        notes.append("BROKEN_METADATA")
        return 0
