"""The rules that turn stored pixels into RGB: golden values, and the same pixels from any container."""

import struct
import zlib

import corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from dn2core.errors import Rejected
from dn2core.ingest import decode

RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def grey(decoded):
    """The one channel of a picture that must be grey."""
    assert (decoded.image == decoded.image[..., :1]).all()
    return decoded.image[..., 0]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_same_pixels_are_equal_from_every_lossless_container(height, width, seed):
    pixels = corpus.noise(height, width, seed=seed)
    files = [corpus.save(pixels, "PNG"), corpus.save(pixels, "BMP"), corpus.save(pixels, "WEBP", lossless=True)]
    files += [corpus.save(pixels, "TIFF", compression=c) for c in (None, "tiff_lzw", "tiff_deflate", "packbits")]
    files.append(corpus.save(Image.fromarray(np.dstack([pixels, np.full((height, width), 255, np.uint8)])), "PNG"))
    for data in files:
        decoded = decode(data)
        np.testing.assert_array_equal(decoded.image, pixels)
        assert (decoded.width, decoded.height, decoded.notes) == (width, height, ())


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_palette_and_grey_and_bits_show_their_colours(format):
    palette = Image.fromarray(corpus.noise(20, 20)).quantize(16)
    np.testing.assert_array_equal(decode(corpus.save(palette, format)).image, np.asarray(palette.convert("RGB")))
    level = corpus.noise(20, 20, 1)
    np.testing.assert_array_equal(grey(decode(corpus.save(level, format))), level)
    bits = Image.fromarray(level > 127)
    np.testing.assert_array_equal(grey(decode(corpus.save(bits, format))), np.where(level > 127, 255, 0))


# 16 bits and more


def test_a_16_bit_ramp_keeps_all_256_levels_whatever_the_container():
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in RAMP)
    files = {
        "PNG": corpus.png(256, 256, rows, bits=16, colour=0),
        "TIFF, little end first": corpus.tiff(corpus.grey_tags(256, 256, 16), RAMP.astype("<u2").tobytes()),
        "TIFF, big end first": corpus.tiff(corpus.grey_tags(256, 256, 16), RAMP.astype(">u2").tobytes(), order=">"),
    }
    for data in files.values():
        decoded = decode(data)
        np.testing.assert_array_equal(grey(decoded), RAMP // 257)
        assert decoded.notes == ("SCALED_16_BIT",) and decoded.mode.startswith("I;16")
        assert len(np.unique(decoded.image)) == 256


def test_8_bits_stored_as_16_come_back_unchanged():
    level = corpus.noise(30, 30, 1)
    data = corpus.tiff(corpus.grey_tags(30, 30, 16), (level.astype("<u2") * 257).tobytes())
    np.testing.assert_array_equal(grey(decode(data)), level)


def test_12_bits_use_the_whole_range():
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    pairs = values.reshape(-1, 2).astype(int)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1)
    decoded = decode(corpus.tiff(corpus.grey_tags(64, 64, 12), packed.astype(np.uint8).tobytes()))
    np.testing.assert_array_equal(grey(decoded), values // 16)
    assert decoded.notes == ("SCALED_12_BIT",)


@pytest.mark.parametrize("bits", [8, 16])
def test_where_zero_is_white_zero_becomes_white(bits):
    values = (np.arange(256, dtype=np.uint16) * (1 if bits == 8 else 257)).reshape(16, 16)
    data = corpus.tiff(corpus.grey_tags(16, 16, bits, photometric=0), values.astype(f"<u{bits // 8}").tobytes())
    np.testing.assert_array_equal(grey(decode(data)).ravel(), np.arange(255, -1, -1))


def test_16_bit_colour_keeps_the_upper_byte_and_says_so():
    values = np.random.default_rng(1).integers(0, 65536, (9, 7, 3)).astype(np.uint16)
    decoded = decode(corpus.png_rgb16(values))
    np.testing.assert_array_equal(decoded.image, values >> 8)
    assert decoded.notes == ("SCALED_16_BIT_COLOUR",)
    clear = corpus.chunk(b"tRNS", struct.pack(">HHH", *values[0, 0].tolist()))
    assert decode(corpus.png_rgb16(values, clear)).notes == ("SCALED_16_BIT_COLOUR", "ALPHA_IGNORED")


def test_a_clear_16_bit_grey_becomes_white():
    values = np.array([[0, 257, 65535, 5]], np.uint16)
    rows = b"\0" + values.astype(">u2").tobytes()
    data = corpus.png(4, 1, rows, bits=16, colour=0, before=corpus.chunk(b"tRNS", struct.pack(">H", 257)))
    decoded = decode(data)
    assert grey(decoded).tolist() == [[0, 255, 255, 0]]
    assert decoded.notes == ("SCALED_16_BIT", "COMPOSITED_ON_WHITE")


def test_floats_go_from_their_minimum_to_their_maximum():
    decoded = decode(corpus.save(Image.fromarray(np.float32([[-1.5, 0, 0.5], [1, 2, 2.5]])), "TIFF"))
    assert grey(decoded).tolist() == [
        [
            0,
            96,
            128,
        ],
        [159, 223, 255],
    ]
    assert decoded.notes == ("SCALED_MIN_MAX -1.5 2.5",)


def test_a_constant_float_picture_is_defined():
    assert not decode(corpus.save(Image.fromarray(np.full((4, 4), 3.5, np.float32)), "TIFF")).image.any()


def test_the_largest_floats_do_not_overflow():
    limit = np.finfo(np.float32).max
    assert grey(decode(corpus.save(Image.fromarray(np.float32([[-limit, 0, limit]])), "TIFF"))).tolist() == [
        [0, 128, 255]
    ]


def test_32_bit_integers_are_not_clipped():
    values = np.array([[0, 70_000, 140_000]], np.int32)
    decoded = decode(corpus.save(Image.fromarray(values), "TIFF"))
    assert grey(decoded).tolist() == [[0, 128, 255]]
    assert decoded.notes == ("SCALED_MIN_MAX 0 140000",)


def test_pixels_that_are_no_numbers_are_counted():
    with pytest.raises(Rejected, match="3 pixels are not finite") as caught:
        decode(corpus.save(Image.fromarray(np.float32([[np.nan, 1], [np.inf, -np.inf]])), "TIFF"))
    assert caught.value.code == "NON_FINITE_PIXELS"


# alpha


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_put_on_white(format):
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 128]]], np.uint8)
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    decoded = decode(corpus.save(Image.fromarray(rgba), format, **options))
    half = [round(c * 128 / 255 + 255 * 127 / 255) for c in (200, 100, 0)]
    np.testing.assert_allclose(decoded.image[0].astype(int), [[200, 100, 0], [255, 255, 255], half], atol=1)
    assert decoded.notes == ("COMPOSITED_ON_WHITE",)


def test_every_way_to_say_transparent_gives_the_same():
    level = np.array([[0, 80, 160, 240]], np.uint8)
    clear = level == 80
    grey_alpha = Image.merge("LA", [Image.fromarray(level), Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))])
    palette = Image.fromarray(level).convert("P")
    index = palette.getpixel((1, 0))
    files = [
        corpus.save(grey_alpha, "PNG"),
        corpus.save(grey_alpha.convert("RGBA"), "PNG"),
        corpus.save(Image.fromarray(level), "PNG", transparency=80),
        corpus.save(Image.fromarray(level).convert("RGB"), "PNG", transparency=(80, 80, 80)),
        corpus.save(palette, "PNG", transparency=index),
        corpus.save(palette, "PNG", transparency=bytes(0 if i == index else 255 for i in range(256))),
    ]
    for data in files:
        decoded = decode(data)
        assert grey(decoded).tolist() == [[0, 255, 160, 240]]
        assert decoded.notes == ("COMPOSITED_ON_WHITE",)


def test_a_bmp_whose_fourth_byte_was_left_at_zero_is_not_all_white():
    rgba = np.dstack([corpus.noise(6, 6), np.zeros((6, 6), np.uint8)])
    decoded = decode(corpus.save(Image.fromarray(rgba), "BMP"))
    np.testing.assert_array_equal(decoded.image, rgba[..., :3])


# CMYK and LAB


def cmyk(c, m, y, k) -> Image.Image:
    return Image.new("CMYK", (16, 16), (c, m, y, k))


INKS = {
    (0, 0, 0, 0): (255, 255, 255),
    (255, 0, 0, 0): (0, 255, 255),
    (0, 255, 0, 0): (255, 0, 255),
    (0, 0, 255, 0): (255, 255, 0),
    (0, 0, 0, 255): (0, 0, 0),
    (0, 128, 255, 0): (255, 127, 0),
    (0, 255, 255, 128): (127, 0, 0),
}


@pytest.mark.parametrize(("ink", "colour"), INKS.items())
def test_no_ink_is_white_and_full_ink_is_not(ink, colour):
    """JPEG as Adobe writes it has the ink inverted, TIFF has not; both must show the same."""
    for format, options in (("JPEG", {"quality": 100}), ("TIFF", {})):
        decoded = decode(corpus.save(cmyk(*ink), format, **options))
        assert decoded.mode == "CMYK" and decoded.notes == ("CMYK_PLAIN",)
        np.testing.assert_allclose(decoded.image.astype(int), np.broadcast_to(colour, (16, 16, 3)), atol=3)


def test_an_adobe_jpeg_is_stored_inverted_indeed():
    """The golden bytes of the test above: the marker is there, and white is stored as 255."""
    data = corpus.save(cmyk(0, 0, 0, 0), "JPEG", quality=100)
    assert b"\xff\xee\x00\x0eAdobe" in data
    plain = data.replace(b"Adobe", b"adobe")  # without the marker the decoder still takes the same convention
    np.testing.assert_array_equal(decode(plain).image, 255)


def test_a_cmyk_jpeg_may_be_decoded_smaller():
    picture = Image.fromarray(corpus.smooth(128, 128)).convert("CMYK")
    small = decode(corpus.save(picture, "JPEG", quality=95), at_least=32)
    expected = np.asarray(picture.convert("RGB").resize((32, 32), Image.Resampling.BOX), int)
    assert small.image.shape == (32, 32, 3) and np.abs(small.image - expected).max() <= 8


def ink_profile() -> bytes:
    """A tiny ICC profile for CMYK, made by hand: black is black, and without black all is the same mid grey."""
    grey, black = bytes((128, 128, 128)), bytes((0, 128, 128))  # 8-bit Lab: L = 50 and L = 0, a = b = 0
    identity = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0))
    table += struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    table += identity * 4 + (grey + black) * 8 + identity * 3
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(4 + 4 + 2 + 1 + 67)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags, body = [(b"desc", text), (b"wtpt", white), (b"A2B0", table)], b""
    head = struct.pack(">I", len(tags))
    for name, data in tags:
        head += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    start = struct.pack(">I4sI4s4s4s", 128 + len(head) + len(body), b"\0\0\0\0", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    start += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return start.ljust(128, b"\0") + head + body


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_a_usable_profile_decides_the_colours(format):
    decoded = decode(corpus.save(cmyk(255, 0, 0, 0), format, icc_profile=ink_profile()))
    assert decoded.notes == ("CMYK_BY_PROFILE",)
    np.testing.assert_allclose(decoded.image.astype(int), 119, atol=3)  # L = 50 in sRGB
    black = decode(corpus.save(cmyk(0, 0, 0, 255), format, icc_profile=ink_profile()))
    assert black.image.max() <= 3


@pytest.mark.parametrize("profile", [b"nonsense", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_an_unusable_profile_leaves_the_plain_rule(profile):
    decoded = decode(corpus.save(cmyk(255, 0, 0, 0), "JPEG", quality=100, icc_profile=profile))
    assert decoded.notes == ("BROKEN_PROFILE", "CMYK_PLAIN")
    np.testing.assert_allclose(decoded.image.astype(int), np.broadcast_to((0, 255, 255), (16, 16, 3)), atol=3)


def test_lab_grey_is_grey_and_its_colours_lean_the_right_way():
    lab = Image.new("LAB", (3, 1))
    lab.putdata([(255, 128, 128), (128, 128, 128), (128, 128 + 60, 128)])
    [white, middle, reddish] = decode(corpus.save(lab, "TIFF")).image[0].astype(int)
    assert white.min() >= 250 and np.abs(middle - 119).max() <= 3 and reddish[0] > reddish[1] + 60


# orientation

ORIENTED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def with_orientation(stored, format, value, order="<") -> bytes:
    block = corpus.exif(value, order)
    if format == "TIFF":
        return corpus.save(stored, "TIFF", tiffinfo={0x0112: value})
    if format == "PNG":
        data = corpus.save(stored, "PNG")
        return data[:33] + corpus.chunk(b"eXIf", block) + data[33:]
    if format == "WEBP":
        return corpus.save(stored, "WEBP", lossless=True, exif=block)
    picture = corpus.save(stored, "JPEG", quality=100, subsampling=0)
    return picture[:2] + corpus.segment(0xE1, b"Exif\0\0" + block) + picture[2:]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("value", range(1, 9))
def test_however_the_camera_was_held_the_picture_stands_upright(format, value):
    upright = corpus.smooth(40, 24)
    stored = np.ascontiguousarray(ORIENTED[value](upright))
    for order in "<>":
        decoded = decode(with_orientation(stored, format, value, order))
        assert (decoded.width, decoded.height) == (24, 40)
        np.testing.assert_allclose(decoded.image.astype(int), upright, atol=0 if format != "JPEG" else 6)


def test_an_orientation_of_no_meaning_is_left_aside():
    pixels = corpus.noise()
    for value in (0, 9, 65535):
        np.testing.assert_array_equal(decode(with_orientation(pixels, "PNG", value)).image, pixels)


def test_a_tall_picture_is_copied_in_bands_without_a_seam():
    pixels = corpus.noise(2_500, 30)
    np.testing.assert_array_equal(decode(corpus.save(pixels, "PNG")).image, pixels)


def test_what_lies_behind_the_last_chunk_never_reaches_the_decoder():
    data = corpus.IMAGES["good PNG"].data + zlib.compress(b"x") * 10
    np.testing.assert_array_equal(decode(data).image, corpus.noise())
