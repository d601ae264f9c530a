"""JPEG: size, orientation, a whole end, and only the segments that the pixels need."""

import re

from dn2core.errors import Rejected
from dn2core.ingest.formats import exif
from dn2core.ingest.formats.header import Header
from dn2core.ingest.limits import Limits, check_size

MAX_SCANS = 100
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
# \xff\xff* is \xff+ with a literal first byte: the search runs over the pixels' data ten times as fast by it.
_AFTER_SCAN = re.compile(rb"\xff\xff*([^\x00\xff\xd0-\xd7])", re.DOTALL)
_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_ALONE = {0x01, 0xD8, *range(0xD0, 0xD8)}  # markers without a length
_KNOWN = {*range(0xC0, 0x100)} - {*range(0xF0, 0xFE), 0xC8}


def inspect(data: bytes, limits: Limits) -> Header:
    """Walk the segments to the end of the (first) picture.

    Raises:
        Rejected: by size, TRUNCATED, METADATA_TOO_BIG, TOO_MANY_SCANS or NOT_DECODABLE.
    """
    view = memoryview(data)
    kept = [view[:2]]
    size, bits, metadata, scans, held, notes = None, 8, 0, 0, 1, []
    position, first_scan = 2, None
    while True:
        found = (_AFTER_SCAN if scans else _MARKER).search(data, position)
        if not found:
            raise Rejected("TRUNCATED", format="JPEG")
        marker, start, position = found[1][0], found.end() - 2, found.end()
        if marker == _EOI:
            break
        if marker in _ALONE and not scans:
            continue
        if marker not in _KNOWN or (scans and marker in _SOF | _ALONE):
            raise Rejected("NOT_DECODABLE", format="JPEG")
        length = int.from_bytes(data[position : position + 2], "big")
        if position + length > len(data):
            raise Rejected("TRUNCATED", format="JPEG")
        if length < 2:
            raise Rejected("NOT_DECODABLE", format="JPEG")
        body, position = data[position + 2 : position + length], position + length

        if marker in _SOF:
            if size or len(body) < 6:
                raise Rejected("NOT_DECODABLE", format="JPEG")
            bits = body[0]
            size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
            check_size(*size, limits)
        elif marker == _SOS:
            scans += 1
            if scans > MAX_SCANS:
                raise Rejected("TOO_MANY_SCANS", limit=MAX_SCANS)
            first_scan = first_scan or start
        elif marker == _COM or 0xE0 <= marker <= 0xEF:
            metadata += length
            if metadata > limits.metadata_bytes:
                raise Rejected("METADATA_TOO_BIG", format="JPEG", limit=limits.metadata_bytes / 1e6)
            if marker == 0xE1 and body.startswith(b"Exif\0\0") and not scans:
                try:
                    held = exif.orientation(body)
                except ValueError:
                    notes.append("BROKEN_EXIF")
        if not scans and _needed(marker, body):
            kept.append(view[start:position])
    if not size or not scans:
        raise Rejected("NOT_DECODABLE", format="JPEG")
    kept.append(view[first_scan:position])
    return Header(*size, b"".join(kept), orientation=held, bits=bits, notes=tuple(dict.fromkeys(notes)))


def _needed(marker: int, body: bytes) -> bool:
    """Tables and frame always; of the metadata only what tells the meaning of the colours."""
    if 0xE0 <= marker <= 0xEF:
        return body.startswith((b"JFIF\0", b"Adobe", b"ICC_PROFILE\0"))
    return marker != _COM
