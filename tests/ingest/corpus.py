"""Every bad, odd and hostile file of the catalogue, built from seeded code, with what must become of it.

`IMAGES` and `ARCHIVES` map a name to a `Case`: bytes and the expected code (None: accepted), and for images the
notes that must be there. Nothing here is a real find; those lie in tests/museum.
"""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Case:
    data: bytes
    code: str | None
    notes: tuple[str, ...] = ()


def noise(height=24, width=36, channels=3, seed=0) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def smooth(height, width) -> np.ndarray:
    """A picture without fine detail, so that a smaller decoding shows the same."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / width * 5 + c) + np.cos(y / height * 4 - c) for c in range(3)]
    return (127.5 + 60 * np.stack(waves, axis=2)).astype(np.uint8)


def save(pixels, format, **options) -> bytes:
    buffer = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(buffer, format, **options)
    return buffer.getvalue()


# PNG by hand


def chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png_header(width, height, bits=8, colour=2) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))


def png(width, height, rows: bytes, *, bits=8, colour=2, before=b"", after=b"") -> bytes:
    """`rows`: the unpacked rows, each with its filter byte."""
    packed = chunk(b"IDAT", zlib.compress(rows))
    return png_header(width, height, bits, colour) + before + packed + after + chunk(b"IEND", b"")


def _interlaced(width, height, missing=0) -> bytes:
    """One bit a pixel, all white, in seven passes; without the last `missing` bytes of its rows."""
    rows = b""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    for left, top, across, down in passes:
        columns = len(range(left, width, across))
        rows += (b"\0" + b"\xff" * ((columns + 7) // 8)) * len(range(top, height, down))
    packed = zlib.compress(rows[: len(rows) - missing])
    header = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 1))
    return header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def png_with(*chunks: bytes) -> bytes:
    """A small good PNG with more chunks between its header and its pixels."""
    data = save(noise(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def png_rgb16(values: np.ndarray, before=b"") -> bytes:
    """(h, w, 3) uint16."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], rows, bits=16, before=before)


# TIFF by hand

SHORT, LONG = 3, 4


def tiff(tags: dict, pixels: bytes = b"", *, order="<", pages=1, circle=False, subfile=None) -> bytes:
    """One directory of {tag: (type, values)}, repeated `pages` times; strip offsets are filled in."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = bytearray(mark + struct.pack(order + "I", 0) + pixels)
    link = 4
    first = None
    for page in range(pages):
        here = dict(tags)
        if subfile is not None and page:
            here[254] = (LONG, [subfile])
        if pixels:
            here.setdefault(273, (LONG, [8]))
            here.setdefault(279, (LONG, [len(pixels)]))
        entries, outside = [], bytearray()
        start = len(body) + len(body) % 2
        body += b"\0" * (start - len(body))
        end = start + 2 + 12 * len(here) + 4
        for name, (kind, values) in sorted(here.items()):
            packed = b"".join(struct.pack(order + {1: "B", 3: "H", 4: "I", 7: "B"}[kind], v) for v in values)
            if len(packed) > 4:
                place = struct.pack(order + "I", end + len(outside))
                outside += packed
            else:
                place = packed.ljust(4, b"\0")
            entries.append(struct.pack(order + "HHI", name, kind, len(values)) + place)
        struct.pack_into(order + "I", body, link, start)
        first = first or start
        body += struct.pack(order + "H", len(here)) + b"".join(entries)
        link = len(body)
        body += struct.pack(order + "I", 0) + outside
    if circle:
        struct.pack_into(order + "I", body, link, first)
    return bytes(body)


def grey_tags(width, height, bits=8, photometric=1, **more) -> dict:
    tags = {256: (LONG, [width]), 257: (LONG, [height]), 258: (SHORT, [bits]), 259: (SHORT, [1])}
    tags |= {262: (SHORT, [photometric]), 277: (SHORT, [1]), 278: (LONG, [height])}
    return tags | {int(name[1:]): value for name, value in more.items()}


# JPEG by hand


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(*segments: bytes, pixels=None, **options) -> bytes:
    data = save(noise() if pixels is None else pixels, "JPEG", **options)
    return data[:2] + b"".join(segments) + data[2:]


def exif(orientation: int, order="<") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, SHORT, 1, orientation, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def jpeg_of_size(width, height) -> bytes:
    """The header of a small JPEG, changed to tell another size."""
    data = bytearray(save(noise(), "JPEG"))
    place = data.find(b"\xff\xc0") + 5
    struct.pack_into(">HH", data, place, height, width)
    return bytes(data)


def jpeg_of_many_scans(count: int) -> bytes:
    data = save(noise(), "JPEG")
    start = data.find(b"\xff\xda")
    return data[:-2] + data[start:-2] * count + data[-2:]


# WebP by hand


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8x(width, height, flags=0) -> tuple[bytes, bytes]:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes((flags, 0, 0, 0)) + size


def still_webp() -> tuple[bytes, bytes]:
    data = save(noise(), "WEBP", lossless=True)
    return data[12:16], data[20 : 20 + struct.unpack_from("<I", data, 16)[0]]


def _frames(format, count=3, **options) -> bytes:
    frames = [Image.fromarray(noise(seed=seed)) for seed in range(count)]
    return save(frames[0], format, save_all=True, append_images=frames[1:], **options)


def _flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes((data[position] ^ 0x55,)) + data[position + 1 :]


def _float_tiff(values) -> bytes:
    return save(Image.fromarray(np.asarray(values, np.float32)), "TIFF")


def _images() -> dict[str, Case]:
    good = {format: save(noise(), format) for format in ("PNG", "JPEG", "BMP", "TIFF", "WEBP")}
    giant = zlib.compress(b"\0" * 40_000_000)
    bomb_rows = zlib.compress(b"\0" * 1_000_000)
    cases = {f"good {format}": Case(data, None) for format, data in good.items()}
    for format, data in good.items():
        for cut in range(1, 11):
            cases[f"{format} cut at {cut}/11"] = Case(data[: max(len(data) * cut // 11, 12)], "TRUNCATED")
        cases[f"{format} without its last byte"] = Case(data[:-1], "TRUNCATED")

    def add(name, data, code, *notes):
        cases[name] = Case(data, code, notes)

    add("empty", b"", "EMPTY_FILE")
    add("one byte", b"\x89", "NOT_AN_IMAGE")
    add("text", b"Dear customer, the pictures follow by separate mail.", "NOT_AN_IMAGE")
    add("executable", b"MZ\x90\0" + bytes(200), "NOT_AN_IMAGE")
    add("html", b"<!DOCTYPE html><html><script>alert(1)</script></html>", "NOT_AN_IMAGE")
    add("text that starts like a BMP", b"BMW recalls some of its cars, they say", "NOT_AN_IMAGE")
    add("polyglot PNG and html", good["PNG"] + b"<html><script>alert(1)</script>", None)
    add("polyglot JPEG and ZIP", good["JPEG"] + b"PK\x03\x04" + bytes(100), None)

    others = {
        "svg": b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        "gif": save(Image.fromarray(noise(channels=1)), "GIF"),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "pdf": b"%PDF-1.7\n",
        "wmf": b"\xd7\xcd\xc6\x9a" + bytes(40),
        "fits": b"SIMPLE  =                    T" + bytes(50),
        "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
        "psd": b"8BPS\0\1" + bytes(40),
        "icns": b"icns" + bytes(40),
        "ico": b"\0\0\1\0\1\0" + bytes(40),
        "blp": b"BLP2" + bytes(40),
        "dds": b"DDS " + bytes(200),
        "avif": b"\0\0\0\x1cftypavif" + bytes(40),
        "heic": b"\0\0\0\x1cftypheic" + bytes(40),
        "video": b"\0\0\0\x1cftypisom" + bytes(40),
        "zip": b"PK\x03\x04" + bytes(40),
        "gzip": b"\x1f\x8b\x08" + bytes(40),
        "canon raw": b"II*\0\x10\0\0\0CR\x02\0" + bytes(40),
        "digital negative": tiff(grey_tags(8, 8, _50706=(1, [1, 4, 0, 0])), bytes(64)),
        "raw with a preview first": tiff(grey_tags(8, 8, _254=(LONG, [1])), bytes(64)),
    }
    for name, data in others.items():
        add(name, data, "FORMAT_NOT_ALLOWED")

    pixel_data = good["PNG"].find(b"IDAT") + 40
    add("PNG flipped in its pixels", _flipped(good["PNG"], pixel_data), "NOT_DECODABLE")
    add("PNG with the checksum of IHDR wrong", _flipped(good["PNG"], 30), "NOT_DECODABLE")
    add("PNG with too few rows", png(36, 24, b"\0" * 109 * 10), "TRUNCATED")
    add("PNG whose last rows are black", png(36, 24, bytes(109 * 24)), None)
    add("interlaced PNG", _interlaced(36, 24), None)
    add("interlaced PNG with too few rows", _interlaced(36, 24, 60), "TRUNCATED")
    add("PNG without pixels", png_header(9, 9) + chunk(b"IEND", b""), "NOT_DECODABLE")
    add("PNG with pixels that are no deflate", png_header(9, 9) + chunk(b"IDAT", b"abc") + chunk(b"IEND", b""),
        "NOT_DECODABLE")  # fmt: skip
    add("PNG with broken text", png_with(chunk(b"tEXt", b"a\0b", checksum=1)), None, "BROKEN_METADATA")
    add("PNG with broken profile", png_with(chunk(b"iCCP", b"x\0\0nonsense")), None, "BROKEN_METADATA")
    add("PNG with broken EXIF", png_with(chunk(b"eXIf", b"MM\0*\0\0\xff\xff")), None, "BROKEN_EXIF")
    add("PNG with html in a text", png_with(chunk(b"tEXt", b"Comment\0<script>'; DROP TABLE items")), None)
    add("PNG with a giant zTXt", png_with(chunk(b"zTXt", b"a\0\0" + giant)), "METADATA_TOO_BIG")
    add("PNG with a giant iTXt", png_with(chunk(b"iTXt", b"a\0\1\0en\0b\0" + giant)), "METADATA_TOO_BIG")
    add("PNG with a giant profile", png_with(chunk(b"iCCP", b"a\0\0" + giant)), "METADATA_TOO_BIG")
    add("PNG with a giant plain text", png_with(chunk(b"tEXt", b"a\0" + bytes(17_000_000))), "METADATA_TOO_BIG")
    add("PNG with many texts", png_with(*[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000)))] * 30),
        "METADATA_TOO_BIG")  # fmt: skip
    add("PNG of endless chunks", png_with(chunk(b"tEXt", b"") * 100_001), "NOT_DECODABLE")
    add("PNG bomb, 1 bit", png_header(60_000, 60_000, 1, 0) + chunk(b"IDAT", bomb_rows), "TOO_MANY_PIXELS")
    add("animated PNG", _frames("PNG"), "ANIMATED")
    add("PNG of one frame", png_with(chunk(b"acTL", struct.pack(">II", 1, 0))), None)

    add("JPEG bomb", jpeg_of_size(60_000, 60_000), "TOO_MANY_PIXELS")
    add("JPEG without a height", jpeg_of_size(100, 0), "NOT_AN_IMAGE")
    add("JPEG without pixels", b"\xff\xd8" + segment(0xE0, b"JFIF\0" + bytes(9)) + b"\xff\xd9", "NOT_DECODABLE")
    add("JPEG of many scans", jpeg_of_many_scans(120), "TOO_MANY_SCANS")
    add("JPEG with broken EXIF", jpeg_with(segment(0xE1, b"Exif\0\0nonsense")), None, "BROKEN_EXIF")
    add("JPEG with EXIF that points nowhere", jpeg_with(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f")), None,
        "BROKEN_EXIF")  # fmt: skip
    add("JPEG with a broken profile", jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\1nonsense")), None)
    add("JPEG with html in a comment", jpeg_with(segment(0xFE, b"<script>alert(1)</script>")), None)
    add("JPEG with much metadata", jpeg_with(*[segment(0xE5, bytes(65_000))] * 250), "METADATA_TOO_BIG")
    add("JPEG with a marker of no meaning", _replace_scan_byte(good["JPEG"]), "NOT_DECODABLE")
    add("JPEG cut, with an end put on", good["JPEG"][: len(good["JPEG"]) * 3 // 4] + b"\xff\xd9", "TRUNCATED")
    grey = np.full((40, 40), 128, np.uint8)
    add("JPEG that is grey", save(grey, "JPEG"), None)
    add("JPEG that ends grey", save(np.vstack([noise(40, 40, 1), grey]), "JPEG"), None)
    add("progressive JPEG", save(noise(), "JPEG", progressive=True), None)

    add("animated WebP", _frames("WEBP"), "ANIMATED")
    add("WebP bomb", riff(vp8x(1 << 24, 1 << 24), still_webp()), "TOO_MANY_PIXELS")
    add("WebP of many frames", riff(vp8x(36, 24, 2), *[(b"ANMF", b"")] * 100_001), "TOO_MANY_FRAMES")
    add("WebP with much metadata", riff(vp8x(36, 24), (b"XMP ", bytes(17_000_000)), still_webp()), "METADATA_TOO_BIG")
    add("WebP with broken EXIF", riff(vp8x(36, 24, 8), still_webp(), (b"EXIF", b"nonsense")), None, "BROKEN_EXIF")
    add("WebP of nothing", riff((b"JUNK", bytes(40))), "NOT_DECODABLE")
    add("WebP with pixels of nothing", riff((b"VP8L", b"\x2f\x23\xc0\x05" + bytes(40))), "NOT_DECODABLE")

    add("BMP bomb", _bmp_of_size(good["BMP"], 30_000, 30_000), "TOO_MANY_PIXELS")
    add("BMP of a negative width", _bmp_of_size(good["BMP"], -36, 24), "NOT_AN_IMAGE")
    add("BMP of an unknown compression", good["BMP"][:30] + struct.pack("<I", 99) + good["BMP"][34:], "NOT_DECODABLE")

    add("TIFF of three pages", _frames("TIFF"), "ANIMATED")
    add("TIFF with previews", tiff(grey_tags(8, 8), bytes(64), pages=3, subfile=1), None)
    add("TIFF in a circle", tiff(grey_tags(8, 8), bytes(64), pages=2, circle=True), "TOO_MANY_FRAMES")
    add("TIFF of endless pages", tiff(grey_tags(8, 8), bytes(64), pages=2_000), "TOO_MANY_FRAMES")
    add("TIFF bomb", tiff(grey_tags(100_000, 100_000), bytes(64)), "TOO_MANY_PIXELS")
    add("TIFF with a giant tile", tiff(grey_tags(8, 8, _322=(LONG, [60_000]), _323=(LONG, [60_000])), bytes(64)),
        "NOT_DECODABLE")  # fmt: skip
    add("TIFF with much metadata", tiff(grey_tags(8, 8, _700=(1, [0] * 16_000_001)), bytes(64)), "METADATA_TOO_BIG")
    add("TIFF whose strip lies outside", tiff(grey_tags(8, 8, _273=(LONG, [10**6])), bytes(64)), "TRUNCATED")
    add("TIFF with a short strip", tiff(grey_tags(8, 8, _279=(LONG, [40])), bytes(64)), "TRUNCATED")
    add("TIFF without strips", tiff(grey_tags(8, 8)), "NOT_DECODABLE")
    add("TIFF that starts nowhere", b"II*\0\xff\xff\xff\x7f" + bytes(64), "TRUNCATED")
    add("TIFF with a broken last strip", _broken_last_strip(), "NOT_DECODABLE")
    add("TIFF with NaN", _float_tiff([[0, 1], [np.nan, np.inf]]), "NON_FINITE_PIXELS")
    add("float TIFF", _float_tiff([[0, 1], [2, 3]]), None, "SCALED_MIN_MAX 0 3")

    add("1 x 1", save(noise(1, 1), "PNG"), None)
    add("very thin", save(noise(1, 101), "PNG"), "TOO_NARROW")
    add("very long", save(np.zeros((201, 20_001), np.uint8), "PNG"), "TOO_LONG")
    add("all black", save(np.zeros((9, 9, 3), np.uint8), "PNG"), None)
    add("too big a file", good["BMP"] + bytes(50_000_000), "FILE_TOO_BIG")
    return cases


def _replace_scan_byte(data: bytes) -> bytes:
    middle = (data.find(b"\xff\xda") + len(data)) // 2
    return data[:middle] + b"\xff\x44" + data[middle + 2 :]


def _bmp_of_size(data: bytes, width, height) -> bytes:
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def _broken_last_strip() -> bytes:
    """Deflate strips of which only the last is damaged: what a lazy check of the header misses."""
    rows = noise(64, 64, 1)
    strips = [zlib.compress(rows[i : i + 16].tobytes()) for i in range(0, 64, 16)]
    strips[-1] = strips[-1][:20] + bytes(len(strips[-1]) - 20)
    places = [8 + sum(map(len, strips[:i])) for i in range(4)]
    tags = grey_tags(64, 64, _259=(SHORT, [8]), _278=(LONG, [16]))
    tags |= {273: (LONG, places), 279: (LONG, [len(strip) for strip in strips])}
    return tiff(tags, b"".join(strips))


# ZIP


def pack(files: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        for name, data in files.items():
            target.writestr(name, data)
    return buffer.getvalue()


def pack_raw(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    """As `pack`, with what a polite packer would not write; names go in untouched."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for info, data in entries:
            target.writestr(info, data)
    return buffer.getvalue()


def entry(name: str, mode: int = 0, **attributes) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name
    info.external_attr = mode << 16
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def patch_list(data: bytes, index: int, offset: int, value: bytes) -> bytes:
    """Overwrite bytes of the index-th line of the ZIP's list at the end."""
    position = -1
    for _ in range(index + 1):
        position = data.index(b"PK\x01\x02", position + 1)
    return data[: position + offset] + value + data[position + offset + len(value) :]


def overlapping(count=20) -> bytes:
    """Many lines of the list, all pointing at the same bytes."""
    single = pack({"kernel.bmp": bytes(100_000)})
    start = single.index(b"PK\x01\x02")
    end = single.index(b"PK\x05\x06")
    line = single[start:end]
    lines = line * count
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(lines), start, 0)
    return single[:start] + lines + tail


def quoted(count=5) -> bytes:
    """Each entry's local header counts the next entry's header as its own content."""
    files = pack({f"{i}.bin": bytes([i]) * 50 for i in range(count)}, zipfile.ZIP_STORED)
    for i in range(count - 1):
        files = patch_list(files, i, 20, struct.pack("<II", 120, 120))  # packed and unpacked size
    return files


IMAGES = _images()
