"""The one thing that we want from EXIF: how the camera was held."""

import struct

ORIENTATION = 0x0112


def orientation(block: bytes) -> int:
    """1..8 from an EXIF block (with or without its "Exif" prefix); 1 where it does not tell.

    Raises:
        ValueError: if the block is broken.
    """
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None or struct.unpack_from(order + "H", block, 2) != (42,):
            raise ValueError("expected a TIFF header")
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for i in range(count):
            tag, kind, length = struct.unpack_from(order + "HHI", block, start + 2 + 12 * i)
            if tag == ORIENTATION and kind == 3 and length == 1:
                (value,) = struct.unpack_from(order + "H", block, start + 10 + 12 * i)
                return value if 1 <= value <= 8 else 1
    except struct.error as broken:
        raise ValueError("the block ends too early") from broken
    return 1
