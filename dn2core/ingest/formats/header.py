"""What the structure of a file tells before a pixel is decoded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """The stored picture: size before any rotation, and the bytes that the decoder may see.

    `data` may leave out metadata, so that no parser but ours meets it. `bits` is per channel.
    `orientation` is EXIF's 1..8 where the decoder does not apply it. `inverted`: 0 is white.
    """

    width: int
    height: int
    data: bytes
    orientation: int = 1
    bits: int = 8
    inverted: bool = False
    notes: tuple[str, ...] = ()
