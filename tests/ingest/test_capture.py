"""Measures of one picture: values worked out by hand, and what must not move them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from dn2core.ingest.capture import Capture, measure


def scene(seed: int = 0, side: int = 240) -> np.ndarray:
    """Grey shapes of many sizes on a grey ground."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side), 110.0)
    for _ in range(120):
        y, x = rng.integers(0, side, 2)
        h, w = rng.integers(4, side // 4, 2)
        image[y : y + h, x : x + w] = rng.integers(40, 200)
    return grey(image + rng.normal(0, 1, image.shape))


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def square(x: int, y: int, side: int = 120, light: float = 1.0, noise: float = 3.0) -> np.ndarray:
    """A bright square with its middle at (x, y) on a dark, noisy ground of 480 x 480 pixels."""
    image = np.full((480, 480), 40.0)
    image[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2] = 120
    return grey(image * light + np.random.default_rng(1).normal(0, noise, image.shape))


def blurred(image: np.ndarray, pixels: float) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(pixels)))


def test_two_halves_by_hand():
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, 30:] = 255
    taken = measure(image)
    assert taken.brightness == pytest.approx(0.5)
    assert taken.contrast == pytest.approx(1)  # standard deviation 0.5 over a mean of 0.5
    assert (taken.dark, taken.burnt) == (0.5, 0.5)
    assert (taken.redness, taken.greenness, taken.yellowness, taken.blueness) == (0, 0, 0, 0)
    assert taken.centre_x == pytest.approx(0.5) and taken.centre_y == pytest.approx(0.5)


def test_one_colour_by_hand():
    image = np.zeros((50, 70, 3), np.uint8)
    image[:] = (100, 60, 40)
    taken = measure(image)
    assert taken.brightness == pytest.approx((0.299 * 100 + 0.587 * 60 + 0.114 * 40) / 255)
    assert (taken.redness, taken.greenness) == pytest.approx((0.2, -0.2))
    assert (taken.yellowness, taken.blueness) == pytest.approx((0.2, -0.2))
    assert taken.contrast == pytest.approx(0, abs=1e-6)
    assert (taken.sharpness, taken.grain) == pytest.approx((1, 1), abs=0.03)
    assert (taken.dark, taken.burnt) == (0, 0)
    assert (taken.centre_x, taken.centre_y, taken.extent) == (0.5, 0.5, 0)


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_have_no_colour_and_no_place(value):
    taken = measure(np.full((30, 40, 3), value, np.uint8))
    assert (taken.dark, taken.burnt) == (float(value == 0), float(value == 255))
    assert (taken.contrast, taken.redness, taken.blueness, taken.centre_x) == (0, 0, 0, 0.5)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_any_picture_has_finite_measures(height, width, seed):
    taken = measure(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))
    assert finite(taken)
    shares = (taken.brightness, taken.dark, taken.burnt, taken.centre_x, taken.centre_y)
    assert all(0 <= value <= 1 for value in shares)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (7, 3000)])
def test_extreme_shapes_are_measured(size):
    assert finite(measure(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)))


def finite(taken: Capture) -> bool:
    numbers = {**vars(taken), **taken.cells}
    assert {len(cells) for cells in numbers.pop("cells").values()} == {16}
    return all(np.isfinite(value).all() for value in numbers.values())


def test_cells_by_hand():
    image = np.zeros((80, 80, 3), np.uint8)
    image[20:40, 60:] = (100, 60, 40)  # the last cell of the second row
    image[60:, :20:2] = 200  # stripes a pixel wide in the first of the last row
    cells = measure(image).cells
    assert cells["light"][7] == pytest.approx((0.299 * 100 + 0.587 * 60 + 0.114 * 40) / 255, abs=1e-4)
    assert (cells["red"][7], cells["yellow"][7]) == pytest.approx((0.2, 0.2))
    assert (cells["light"][12], cells["spread"][12]) == pytest.approx((100 / 255, 100 / 255), abs=1e-4)
    assert cells["detail"][12] == pytest.approx(2 * 200 / 255, rel=0.05)  # two neighbours of each pixel differ
    others = [at for at in range(16) if at not in (7, 12)]
    assert all(cells[name][at] == 0 for name in ("light", "spread", "red", "yellow") for at in others)


@pytest.mark.parametrize("seed", range(4))
def test_blur_lowers_sharpness_and_more_blur_more(seed):
    image = scene(seed)
    sharp, soft, softer = (measure(one).sharpness for one in (image, blurred(image, 1), blurred(image, 2)))
    assert sharp > 1.5 * soft and soft > 1.5 * softer
    assert sharp > 4 * measure(blurred(image, 8)).sharpness  # also where hardly anything is left


def test_noise_raises_grain():
    image = scene()
    noisy = grey(image[:, :, 0] + np.random.default_rng(5).normal(0, 25, image.shape[:2]))
    assert measure(noisy).grain > 1.15 * measure(image).grain


@pytest.mark.parametrize("light", [0.6, 0.8, 1.2])
def test_light_moves_brightness_alone(light):
    image = scene()
    lit = (image * light).clip(0, 255).astype(np.uint8)
    before, after = measure(image), measure(lit)
    assert after.brightness == pytest.approx(light * before.brightness, rel=0.02)
    assert after.contrast == pytest.approx(before.contrast, rel=0.03)
    assert after.sharpness == pytest.approx(before.sharpness, rel=0.03)
    for name in ("centre_x", "centre_y", "extent"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.01)


def test_a_defect_on_a_part_of_the_picture_moves_neither_sharpness_nor_colour():
    image = scene()
    defect = image.copy()
    defect[:100, :100] = blurred(image, 4)[:100, :100] * np.array([1, 0.6, 0.3])  # a sixth of it
    before, after = measure(image), measure(defect)
    assert after.sharpness == pytest.approx(before.sharpness, rel=0.1)
    assert measure(blurred(image, 4)).sharpness < 0.3 * before.sharpness
    assert (after.redness, after.yellowness) == pytest.approx((before.redness, before.yellowness), abs=0.003)
    whole = measure((image * np.array([1, 0.6, 0.3])).astype(np.uint8))
    assert whole.redness > 0.15 and whole.yellowness > 0.15 and whole.greenness < -0.15


def test_colour_is_what_three_quarters_of_the_picture_have():
    image = np.full((60, 60, 3), 100, np.uint8)
    image[:, 20:] = (100, 60, 40)  # two thirds, which are two thirds as bright: 57 % of the light
    assert measure(image).redness == 0
    image[:, 10:] = (100, 60, 40)
    assert measure(image).redness == pytest.approx(0.2)
    assert measure(image).greenness == pytest.approx(-0.2)


@pytest.mark.parametrize("light", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (72, 0), (-48, 96)])
def test_the_centre_follows_the_part_in_any_light(light, dx, dy):
    taken = measure(square(240 + dx, 240 + dy, light=light))
    assert taken.centre_x == pytest.approx(0.5 + dx / 480, abs=0.015)
    assert taken.centre_y == pytest.approx(0.5 + dy / 480, abs=0.015)


def test_the_extent_grows_with_the_part():
    extents = [measure(square(240, 240, side)).extent for side in (72, 120, 192)]
    assert extents[1] > 1.3 * extents[0] and extents[2] > 1.3 * extents[1]


def test_the_size_at_which_a_picture_was_decoded_hardly_matters():
    large = np.asarray(Image.fromarray(scene(3, 480)).resize((960, 960), Image.Resampling.BICUBIC))
    half = np.asarray(Image.fromarray(large).reduce(2))
    before, after = measure(large), measure(half)
    assert after.sharpness == pytest.approx(before.sharpness, rel=0.04)
    for name in ("brightness", "contrast", "centre_x", "centre_y", "extent"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.004)


def test_the_picture_is_left_as_it_was():
    image = scene()
    before = image.copy()
    measure(image)
    assert np.array_equal(image, before)
