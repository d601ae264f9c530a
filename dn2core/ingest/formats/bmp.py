"""BMP: size and whether all rows are there."""

import struct

from dn2core.errors import Rejected
from dn2core.ingest.formats.header import Header
from dn2core.ingest.limits import Limits, check_size

_UNCOMPRESSED = (0, 3, 6)  # plain, and plain with bit masks


def inspect(data: bytes, limits: Limits) -> Header:
    """Read the two headers.

    Raises:
        Rejected: by size, or TRUNCATED.
    """
    if len(data) < 26:
        raise Rejected("TRUNCATED", format="BMP")
    offset, header = struct.unpack_from("<II", data, 10)
    compression = 0
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        if len(data) < 14 + header:
            raise Rejected("TRUNCATED", format="BMP")
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
        if header >= 40:
            (compression,) = struct.unpack_from("<I", data, 30)
    height = abs(height)  # negative: stored from the top
    check_size(width, height, limits)
    if compression in _UNCOMPRESSED and offset + (width * bits + 31) // 32 * 4 * height > len(data):
        raise Rejected("TRUNCATED", format="BMP")
    return Header(width, height, data)
