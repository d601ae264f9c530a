"""What the network sees of an image, against torchvision's own way and by hand."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from dn2core.errors import Refused
from dn2core.features import PRESETS, prepare
from dn2core.features.preprocess import seen_part

SIDES = st.integers(1, 700)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SIDES, SIDES, st.sampled_from([224, 240, 260]))
@example(1, 1, 224)
@example(223, 225, 224)
@example(448, 448, 224)
def test_the_whole_image_as_torchvision_resizes_it(height, width, side):
    image = noise(height, width)
    expected = transforms.Resize((side, side))(Image.fromarray(image))
    assert np.array_equal(prepare(image, "whole", side), np.asarray(expected))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(20, 700), st.integers(20, 700))
@example(256, 257)
@example(257, 256)
@example(300, 401)
@example(301, 400)
def test_the_paper_preset_as_torchvision_does_it(height, width):
    image = noise(height, width)
    oracle = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    assert np.array_equal(prepare(image, "paper", 224), np.asarray(oracle(Image.fromarray(image))))


def test_the_margin_of_the_paper_preset_grows_with_the_input():
    image = noise(400, 500)
    oracle = transforms.Compose([transforms.Resize(297), transforms.CenterCrop(260)])
    assert np.array_equal(prepare(image, "paper", 260), np.asarray(oracle(Image.fromarray(image))))
    assert PRESETS["paper"].short_side(260) == 297 and PRESETS["paper"].short_side(224) == 256
    assert PRESETS["whole"].short_side(224) == 224


@pytest.mark.parametrize("size", [(300, 1200), (1200, 300), (700, 700)])
def test_a_mark_in_any_corner_is_seen_by_whole_and_cut_off_by_paper(size):
    plain = np.zeros((*size, 3), np.uint8)
    for bottom in (False, True):
        for right in (False, True):
            marked = plain.copy()
            rows = slice(-6, None) if bottom else slice(0, 6)
            columns = slice(-6, None) if right else slice(0, 6)
            marked[rows, columns] = 255
            seen = prepare(marked, "whole", 224)
            assert seen[-1 if bottom else 0, -1 if right else 0].min() > 60
            assert (seen > 0).any(axis=2).sum() <= 5 * 8  # there and nowhere else
            assert not prepare(marked, "paper", 224).any()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (3, 400), (400, 3), (2, 2), (224, 224), (1000, 1001)])
def test_any_size_becomes_the_square(preset, size):
    seen = prepare(noise(*size), preset, 224)
    assert seen.shape == (224, 224, 3) and seen.dtype == np.uint8


@pytest.mark.parametrize("size", [(3, 4000), (4000, 3)])
def test_a_strip_keeps_both_ends(size):
    image = noise(*size) // 2
    image[-1, -1] = 255
    seen = prepare(image, "whole", 224)
    assert seen.shape == (224, 224, 3)
    assert not np.array_equal(seen, prepare(np.where(image == 255, 0, image).astype(np.uint8), "whole", 224))


@pytest.mark.parametrize("preset", PRESETS)
def test_one_colour_stays_that_colour_and_channels_keep_their_places(preset):
    image = np.full((37, 91, 3), (10, 120, 250), np.uint8)
    assert (prepare(image, preset, 224) == (10, 120, 250)).all()
    grey = np.repeat(noise(50, 80)[:, :, :1], 3, axis=2)
    seen = prepare(grey, preset, 224)
    assert (seen == seen[:, :, :1]).all()


def test_pixels_of_the_right_size_are_left_alone_and_copied():
    image = noise(224, 224)
    seen = prepare(image, "whole", 224)
    assert np.array_equal(seen, image)
    before = seen.copy()
    image[:] = 0
    assert np.array_equal(seen, before)


@pytest.mark.parametrize("preset", PRESETS)
def test_strides_and_read_only_memory_do_not_matter(preset):
    image = noise(90, 140)
    expected = prepare(image, preset, 224)
    wide = np.zeros((90, 280, 3), np.uint8)
    wide[:, ::2] = image
    read_only = image.copy()
    read_only.setflags(write=False)
    for same in (wide[:, ::2], np.asfortranarray(image), image[::-1].copy()[::-1], read_only):
        assert np.array_equal(prepare(same, preset, 224), expected)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((3, 5, 5), np.uint8),
        np.zeros((1, 5, 5, 3), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((5, 5, 3), np.uint16),
        np.zeros((5, 5, 3), bool),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 0, 3), np.uint8),
        [[[1, 2, 3]]],
        None,
        "a name",
    ],
    ids=lambda wrong: f"{np.asarray(wrong).shape}{np.asarray(wrong).dtype}",
)
def test_what_is_no_image_is_refused(wrong):
    with pytest.raises(Refused, match=r"a \(height, width, 3\) uint8 array") as refused:
        prepare(wrong, "whole", 224)
    assert refused.value.code == "IMAGE_ARRAY"
    assert str(np.asarray(wrong).shape) in str(refused.value) and str(np.asarray(wrong).dtype) in str(refused.value)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(Refused, match="a preset out of whole, paper, got half"):
        prepare(noise(5, 5), "half", 224)


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (256, 256), (1000, 224), (37, 3000)])
def test_the_part_that_was_seen_is_where_the_crop_lies(width, height):
    assert seen_part(width, height, "whole", 224) == (0, 0, 1, 1)
    left, top, right, bottom = seen_part(width, height, "paper", 224)
    assert (left + right) / 2 == pytest.approx(0.5, abs=0.01) and (top + bottom) / 2 == pytest.approx(0.5, abs=0.01)
    # A ramp tells where each pixel of the view came from.
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, width)[None, :]
    ramp[..., 1] = np.linspace(0, 255, height)[:, None]
    view = prepare(ramp, "paper", 224)
    found = [view[:, 0, 0].mean(), view[0, :, 1].mean(), view[:, -1, 0].mean(), view[-1, :, 1].mean()]
    assert np.allclose(np.array(found) / 255, (left, top, right, bottom), atol=0.02)
