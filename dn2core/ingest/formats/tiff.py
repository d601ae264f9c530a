"""TIFF: the first directory, how many pages follow, and whether all that it points at is there."""

import struct
from dataclasses import dataclass

from dn2core.errors import Rejected
from dn2core.ingest.formats.header import Header
from dn2core.ingest.limits import Limits, check_size

MAX_DIRECTORIES = 1_000
MAX_PLACES = 1_000_000  # strips or tiles
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_TILE_WIDTH, _TILE_HEIGHT, _COMPRESSION, _CHANNELS, _DNG = 322, 323, 259, 277, 50706
_READ = {_CHANNELS, _SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _COMPRESSION, _TILE_WIDTH, _TILE_HEIGHT}
_PLACES = {_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES}
_REDUCED_OR_MASK = 0b101
_YCBCR = 6  # colour is stored for every second pixel


@dataclass(frozen=True)
class Layout:
    """The two ways to write a directory: classic, and BigTIFF with 8-byte numbers."""

    order: str
    count: str
    entry: str
    offset: str
    inline: int

    def read(self, form: str, data: bytes, position: int) -> tuple:
        try:
            return struct.unpack_from(self.order + form, data, position)
        except struct.error as short:
            raise Rejected("TRUNCATED", format="TIFF") from short


def inspect(data: bytes, limits: Limits) -> Header:
    """Read the directories.

    Raises:
        Rejected: by size, TRUNCATED, ANIMATED, TOO_MANY_FRAMES, METADATA_TOO_BIG, FORMAT_NOT_ALLOWED
            (camera raw) or NOT_DECODABLE.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    layout = Layout(order, "Q", "HHQ", "Q", 8) if big else Layout(order, "H", "HHI", "I", 4)
    (first,) = layout.read(layout.offset, data, 8 if big else 4)
    tags, following = _directory(data, layout, first, limits)

    def tag(name: int, default: int) -> int:
        return tags.get(name, (default,))[0]

    if _DNG in tags or tag(_SUBFILE, 0) & 1:
        raise Rejected("FORMAT_NOT_ALLOWED", found="a camera raw file")
    width, height = tag(_WIDTH, 0), tag(_HEIGHT, 0)
    check_size(width, height, limits)
    # a decoder makes room for one whole tile, however small the picture
    if tag(_TILE_WIDTH, 1) * tag(_TILE_HEIGHT, 1) > max(limits.pixels, 1 << 20):
        raise Rejected("NOT_DECODABLE", format="TIFF")
    pages = 1 + _more_pages(data, layout, first, following)
    if pages > 1:
        raise Rejected("ANIMATED", frames=pages)
    _check_places(data, tags)
    return Header(width, height, data, bits=tag(_BITS, 1), inverted=tag(_PHOTOMETRIC, 1) == 0)


def _directory(data: bytes, layout: Layout, start: int, limits: Limits) -> tuple[dict, int]:
    """The numbers of the tags that we read, and where the next directory is (0: nowhere)."""
    (count,) = layout.read(layout.count, data, start)
    width = struct.calcsize("=" + layout.entry) + layout.inline
    place = start + struct.calcsize("=" + layout.count)
    (following,) = layout.read(layout.offset, data, place + count * width)
    tags, metadata, outside = {}, 0, 0
    for entry in range(place, place + count * width, width):
        name, kind, length = layout.read(layout.entry, data, entry)
        size = length * _SIZES.get(kind, 0)
        value = entry + width - layout.inline
        if size > layout.inline:
            (value,) = layout.read(layout.offset, data, value)
            if value + size > len(data):
                raise Rejected("TRUNCATED", format="TIFF")
            outside += size
            metadata += 0 if name in _PLACES else size
        if name in _PLACES and length > MAX_PLACES:
            raise Rejected("NOT_DECODABLE", format="TIFF")
        if kind in _NUMBERS and length and (name in _READ or name in _PLACES or name == _DNG):
            tags[name] = layout.read(f"{length if name in _PLACES else 1}{_NUMBERS[kind]}", data, value)
    if metadata > limits.metadata_bytes:
        raise Rejected("METADATA_TOO_BIG", format="TIFF", limit=limits.metadata_bytes / 1e6)
    if outside > len(data):  # values that share bytes: no writer does that
        raise Rejected("NOT_DECODABLE", format="TIFF")
    return tags, following


def _more_pages(data: bytes, layout: Layout, first: int, following: int) -> int:
    """Pages after the first; previews and masks of the first do not count."""
    width = struct.calcsize("=" + layout.entry) + layout.inline
    seen, pages = {first}, 0
    while following:
        if following in seen or len(seen) >= MAX_DIRECTORIES:
            raise Rejected("TOO_MANY_FRAMES", limit=MAX_DIRECTORIES)
        seen.add(following)
        (count,) = layout.read(layout.count, data, following)
        place = following + struct.calcsize("=" + layout.count)
        subfile = 0
        if count:
            name, kind, _ = layout.read(layout.entry, data, place)  # tags are sorted: this one comes first
            if name == _SUBFILE and kind in _NUMBERS:
                (subfile,) = layout.read(_NUMBERS[kind], data, place + width - layout.inline)
        pages += not subfile & _REDUCED_OR_MASK
        (following,) = layout.read(layout.offset, data, place + count * width)
    return pages


def _check_places(data: bytes, tags: dict) -> None:
    places = tags.get(_STRIPS) or tags.get(_TILES)
    sizes = tags.get(_STRIP_BYTES) or tags.get(_TILE_BYTES)
    if not places:
        raise Rejected("NOT_DECODABLE", format="TIFF")
    if max(places) >= len(data):
        raise Rejected("TRUNCATED", format="TIFF")
    one = {name: values[0] for name, values in tags.items()}
    plain = one.get(_COMPRESSION, 1) == 1 and one.get(_PHOTOMETRIC) != _YCBCR
    if plain and sizes:  # a decoder would read on into whatever follows
        row = (one[_WIDTH] * one.get(_CHANNELS, 1) * one.get(_BITS, 1) + 7) // 8
        if sum(sizes) < row * one[_HEIGHT]:
            raise Rejected("TRUNCATED", format="TIFF")
    if sizes and any(place + size > len(data) for place, size in zip(places, sizes, strict=False)):
        raise Rejected("TRUNCATED", format="TIFF")
