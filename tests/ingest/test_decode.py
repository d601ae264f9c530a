"""The decoder against the whole corpus: the right code, the right note, and nothing decoded that need not be."""

import threading
import tracemalloc

import corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from dn2core.errors import Rejected
from dn2core.ingest import Decoded, Limits, decode

MAGIC = [b"", b"BM", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0+", b"RIFF\0\0\0\0WEBP"]


def code_of(data, **options):
    try:
        decode(data, **options)
    except Rejected as rejected:
        return rejected.code
    return None


@pytest.mark.parametrize("name", corpus.IMAGES)
def test_every_case_of_the_corpus_ends_as_it_must(name):
    case = corpus.IMAGES[name]
    try:
        decoded = decode(case.data)
    except Rejected as rejected:
        assert rejected.code == case.code, str(rejected)
        assert str(rejected).endswith(".") and "{" not in str(rejected)
    else:
        assert case.code is None
        assert set(case.notes) <= set(decoded.notes)
        assert decoded.image.dtype == np.uint8 and decoded.image.shape[2] == 3


@pytest.mark.parametrize("at_least", [None, 8])
def test_with_and_without_draft_the_same_files_are_refused(at_least):
    for name, case in corpus.IMAGES.items():
        if "JPEG" in name:
            assert code_of(case.data, at_least=at_least) == case.code, name


@pytest.mark.parametrize("name", [name for name in corpus.IMAGES if "bomb" in name or "giant" in name])
def test_bombs_are_refused_before_a_pixel_is_decoded(name, monkeypatch):
    def forbidden(self, *_):
        raise AssertionError("the decoder was reached")

    monkeypatch.setattr(ImageFile.ImageFile, "__init__", forbidden)
    tracemalloc.start()
    try:
        assert code_of(corpus.IMAGES[name].data) == corpus.IMAGES[name].code
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


def test_the_sentence_tells_the_numbers():
    with pytest.raises(Rejected, match="40,000 x 40,000 pixels is above the limit of 50 megapixels"):
        decode(corpus.jpeg_of_size(40_000, 40_000))
    with pytest.raises(Rejected, match=r"animated image.*3 pictures"):
        decode(corpus.IMAGES["animated WebP"].data)
    with pytest.raises(Rejected, match="Truncated JPEG"):
        decode(corpus.IMAGES["JPEG cut at 5/11"].data)
    with pytest.raises(Rejected, match="is an SVG drawing, expected a JPEG, PNG, BMP, TIFF or WebP"):
        decode(corpus.IMAGES["svg"].data)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(pixels=36 * 24), None),
        (Limits(pixels=36 * 24 - 1), "TOO_MANY_PIXELS"),
        (Limits(side=36), None),
        (Limits(side=35), "TOO_LONG"),
        (Limits(aspect=1.5), None),
        (Limits(aspect=1.49), "TOO_NARROW"),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_a_limit_itself_passes_and_one_more_does_not(format, limits, code):
    assert code_of(corpus.IMAGES[f"good {format}"].data, limits=limits) == code


def test_the_limit_of_a_file_counts_its_bytes():
    data = corpus.IMAGES["good PNG"].data
    assert code_of(data, limits=Limits(file_bytes=len(data))) is None
    assert code_of(data, limits=Limits(file_bytes=len(data) - 1)) == "FILE_TOO_BIG"


def test_truncation_is_never_forgiven_by_a_global_switch():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_decoder_that_raises_anything_is_one_refused_file(monkeypatch):
    def broken(self):
        raise ZeroDivisionError("in the depths")

    monkeypatch.setattr(ImageFile.ImageFile, "load", broken)
    with pytest.raises(Rejected, match="Damaged or unsupported BMP") as caught:
        decode(corpus.IMAGES["good BMP"].data)
    assert caught.value.code == "NOT_DECODABLE"


def test_a_decoder_without_memory_is_one_refused_file(monkeypatch):
    def broken(self):
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", broken)
    assert code_of(corpus.IMAGES["good BMP"].data) == "DECODER_MEMORY"


@settings(max_examples=300, deadline=None)
@given(
    format=st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "WEBP"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.floats(0, 1) | st.none(),
)
def test_damage_of_any_kind_ends_as_an_image_or_a_sentence(format, changes, cut):
    data = bytearray(corpus.IMAGES[f"good {format}"].data)
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    data = bytes(data if cut is None else data[: int(cut * len(data))])
    try:
        decoded = decode(data, at_least=8)
    except Rejected as rejected:
        assert str(rejected)
    else:
        assert isinstance(decoded, Decoded) and decoded.image.ndim == 3


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"RIFF\0\0\0\0WEBP"]),
)
def test_any_bytes_end_as_an_image_or_a_sentence(data, magic):
    try:
        decode(magic + data)
    except Rejected as rejected:
        assert str(rejected)


def test_threads_do_not_disturb_each_other():
    files = [corpus.save(corpus.noise(200, 300, seed=seed), "PNG") for seed in range(8)]
    expected = [decode(data).image for data in files]
    wrong = []

    def work():
        for data, image in zip(files, expected, strict=True):
            if not np.array_equal(decode(data).image, image):
                wrong.append(data)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# draft


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    at_least=st.integers(1, 300),
    orientation=st.integers(1, 8),
    grey=st.booleans(),
)
def test_draft_never_goes_below_what_was_asked(width, height, at_least, orientation, grey):
    pixels = corpus.smooth(height, width)
    picture = Image.fromarray(pixels[..., 0] if grey else pixels)
    data = corpus.jpeg_with(corpus.segment(0xE1, b"Exif\0\0" + corpus.exif(orientation)), pixels=picture)
    decoded = decode(data, at_least=at_least, limits=Limits(aspect=400))
    upright = (height, width) if orientation < 5 else (width, height)
    assert (decoded.height, decoded.width) == upright
    got = decoded.image.shape[:2]
    for side, original in zip(got, upright, strict=True):
        assert min(at_least, original) <= side <= original
    assert decoded.image.flags.c_contiguous


def test_draft_does_make_large_pictures_smaller():
    data = corpus.save(corpus.smooth(1000, 1600), "JPEG")
    assert decode(data, at_least=224).image.shape == (250, 400, 3)
    assert decode(data, at_least=251).image.shape == (500, 800, 3)
    assert decode(data).image.shape == (1000, 1600, 3)


def test_draft_shows_the_same_picture_as_the_whole_decoding():
    data = corpus.jpeg_with(
        corpus.segment(0xE1, b"Exif\0\0" + corpus.exif(6)), pixels=corpus.smooth(640, 960), quality=95
    )
    small, whole = decode(data, at_least=100), decode(data)
    shrunk = Image.fromarray(whole.image).resize(small.image.shape[1::-1], Image.Resampling.BOX)
    difference = np.abs(np.asarray(shrunk, int) - small.image)
    assert small.image.shape == (120 * 2, 80 * 2, 3) and difference.max() <= 6 and difference.mean() < 1.5


def test_a_side_of_nothing_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="at_least of 1 pixel"):
        decode(corpus.IMAGES["good JPEG"].data, at_least=0)
