"""What is served to a browser: pixels of the right size, and nothing else of the file."""

import io

import corpus
import numpy as np
import pytest
from PIL import Image

from dn2core.errors import Rejected
from dn2core.ingest import decode, safe_copy, thumbnail


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("shape", "side", "size"),
    [((100, 200), 64, (64, 32)), ((200, 100), 64, (32, 64)), ((20, 30), 64, (30, 20)), ((1, 90), 32, (32, 1))],
)
def test_the_longer_side_is_bounded_and_nothing_is_enlarged(shape, side, size):
    picture = opened(thumbnail(corpus.smooth(*shape), side))
    assert picture.format == "JPEG" and picture.size == size


def test_a_thumbnail_shows_the_picture():
    image = corpus.smooth(300, 300)
    shown = np.asarray(opened(thumbnail(image, 50)), int)
    expected = np.asarray(Image.fromarray(image).resize((50, 50), Image.Resampling.BOX), int)
    assert np.abs(shown - expected).mean() < 4


SECRETS = (b"GPS 52.5", b"<script>", b"serial 4711")


def test_no_metadata_survives_in_what_is_served():
    secret = b" ".join(SECRETS)
    files = [
        corpus.jpeg_with(corpus.segment(0xFE, secret), corpus.segment(0xE1, b"Exif\0\0" + corpus.exif(6) + secret)),
        corpus.png_with(corpus.chunk(b"tEXt", b"Comment\0" + secret), corpus.chunk(b"eXIf", corpus.exif(3) + secret)),
        corpus.IMAGES["good PNG"].data + secret,
        corpus.save(corpus.noise(), "TIFF", tiffinfo={270: secret.decode(), 0x0112: 6}),
        corpus.save(corpus.noise(), "WEBP", lossless=True, exif=corpus.exif(1) + secret, xmp=secret),
    ]
    for data in files:
        assert any(part in data for part in SECRETS)
        copy, mime = safe_copy(data)
        small = thumbnail(decode(data).image)
        for served in (copy, small):
            assert not any(part in served for part in SECRETS)
            picture = opened(served)
            assert not picture.getexif() and "icc_profile" not in picture.info and "comment" not in picture.info
        assert mime == ("image/jpeg" if data[:2] == b"\xff\xd8" else "image/png")


def test_a_copy_has_all_the_pixels_upright():
    for name in ("good PNG", "good TIFF", "good BMP", "good WEBP"):
        data = corpus.IMAGES[name].data
        copy, mime = safe_copy(data)
        assert mime == "image/png"
        np.testing.assert_array_equal(np.asarray(opened(copy)), decode(data).image)
    turned = corpus.jpeg_with(corpus.segment(0xE1, b"Exif\0\0" + corpus.exif(6)))
    copy, mime = safe_copy(turned)
    assert mime == "image/jpeg" and opened(copy).size == (24, 36)
    assert np.abs(np.asarray(opened(copy), int) - decode(turned).image).mean() < 12


def test_what_is_no_image_is_not_served():
    with pytest.raises(Rejected):
        safe_copy(b"<html><script>alert(1)</script>")
