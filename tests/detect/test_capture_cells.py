"""Whether all of a picture went along: shares and limits by hand, and what made pictures of both kinds come to."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from dn2core.detect.capture import MEASURES, Taken, capture_findings
from dn2core.detect.capture_cells import ASPECTS, NAMES, everywhere
from dn2core.ingest.capture import measure


def cells(n: int = 20, **layers) -> np.ndarray:
    """n pictures alike, of half light everywhere but for the layers given, each (16,) or one number."""
    usual = {"light": 0.5, "spread": 0.1, "detail": 0.1, "red": 0.0, "yellow": 0.0}
    assert layers.keys() <= set(NAMES) == set(usual)
    one = np.array([np.broadcast_to({**usual, **layers}[name], 16) for name in NAMES])
    return np.repeat(one[None], n, axis=0)


def some(changed: int, new: float, old: float) -> np.ndarray:
    return np.where(np.arange(16) < changed, new, old)


@pytest.mark.parametrize(
    ("aspect", "layer", "old", "new"),
    [
        ("light", "light", 0.5, 0.8),
        ("contrast", "spread", 0.1, 0.3),
        ("sharpness", "detail", 0.1, 0.3),
        ("red", "red", 0.0, 0.1),
        ("yellow", "yellow", 0.0, 0.1),
    ],
)
def test_all_but_two_of_sixteen_cells_are_nearly_everywhere_and_three_are_not(aspect, layer, old, new):
    for changed, held in ((16, True), (14, True), (13, False), (4, False)):
        pictures = cells(1, **{layer: some(changed, new, old)})
        assert everywhere(cells(), pictures, aspect, 1).tolist() == [held], changed
        back = cells(20, **{layer: new}), cells(1, **{layer: some(changed, old, new)})
        assert everywhere(*back, aspect, -1).tolist() == [held], changed


def test_what_changed_least_counts_from_three_quarters_of_the_mean_change():
    # 12 cells by 0.1, 4 by x: three quarters of the mean change are 0.05625 + 0.1875 x, which is x at 0.0692.
    for least, held in ((0.070, True), (0.068, False)):
        assert everywhere(cells(), cells(1, red=some(12, 0.1, least)), "red", 1).tolist() == [held]


def test_dark_places_have_little_to_say():
    normals = cells(light=some(8, 0.6, 0.01))  # half of the picture is black ground
    assert everywhere(normals, cells(1, light=some(8, 0.3, 0.01)), "light", -1).tolist() == [True]
    assert everywhere(normals, cells(1, light=some(4, 0.3, 0.6) * some(8, 1, 1 / 60)), "light", -1).tolist() == [False]


@pytest.mark.parametrize(("aspect", "layer"), [("sharpness", "detail"), ("contrast", "spread")])
def test_plain_places_have_little_to_say_of_sharpness_and_contrast(aspect, layer):
    plain = {"spread": some(8, 0.1, 0.001), "detail": some(8, 0.1, 0.01)}
    changed = {**plain, layer: plain[layer] * some(8, 0.3, 1)}
    assert everywhere(cells(**plain), cells(1, **changed), aspect, -1).tolist() == [True]


def test_white_ground_cannot_become_brighter_and_contradicts_nothing():
    normals = cells(light=some(8, 0.4, 0.96))
    assert everywhere(normals, cells(1, light=some(8, 0.6, 0.98)), "light", 1).tolist() == [True]
    assert everywhere(normals, cells(1, light=some(8, 0.6, 0.95)), "light", 1).tolist() == [False]


def test_places_in_which_normals_differ_contradict_less():
    normals, picture = cells(200), cells(1, light=some(10, 0.9, 0.5))
    assert everywhere(normals, picture, "light", 1).tolist() == [False]
    normals[:, 0] *= np.random.default_rng(0).uniform(0.4, 1.6, (200, 16))
    assert everywhere(normals, picture, "light", 1).tolist() == [True]


def test_black_normals_and_no_pictures_are_no_trouble():
    black = np.zeros((6, 5, 16))
    for aspect in ASPECTS:
        assert everywhere(black, cells(2), aspect, 1).shape == (2,)
        assert everywhere(black, cells(0), aspect, 1).shape == (0,)


# made pictures: a rough surface, its light, its colour, and a cloud on a part of it


def surface(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(60, 150, (40, 40), np.uint8)).resize((160, 160), Image.Resampling.BICUBIC)
    pixels = np.asarray(coarse, np.float32)[:, :, None] * np.float32((1.1, 1.0, 0.8)) * rng.uniform(0.97, 1.03)
    return pixels + rng.normal(0, 3, pixels.shape)


def stored(pixels: np.ndarray) -> np.ndarray:
    return pixels.clip(0, 255).astype(np.uint8)


def taken(images: list[np.ndarray]) -> Taken:
    found = [vars(measure(stored(image))) for image in images]
    values = [[{**one, "size": 160.0, "aspect": 1.0}[name] for name in MEASURES] for one in found]
    measured = [[one["cells"][name] for name in NAMES] for one in found]
    return Taken(np.array(values), np.array(measured), np.full(len(images), "PNG, colour"))


def soft(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(stored(image)).filter(ImageFilter.GaussianBlur(3)), np.float32)


FAULTS = {
    "bright": lambda image: 1.4 * image,
    "dark": lambda image: 0.5 * image,
    "reddish": lambda image: image * np.float32((1.2, 1, 1)),
    "bluish": lambda image: image * np.float32((1, 1, 1.3)),
    "blurred": soft,
    "flat": lambda image: image.mean() + 0.3 * (image - image.mean()),
}


@pytest.fixture(scope="module")
def normals() -> Taken:
    return taken([surface(seed) for seed in range(60)])


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_of_all_the_picture_is_the_camera_and_one_on_two_thirds_is_not(normals, kind):
    whole = [FAULTS[kind](surface(1000 + seed)) for seed in range(8)]
    found = capture_findings(normals, taken(whole))
    assert all(kind in [one.kind for one in findings] for findings in found)
    across = np.arange(160)[:, None, None]
    partly = [np.where(across < 105, image, surface(1000 + seed)) for seed, image in enumerate(whole)]
    assert capture_findings(normals, taken(partly)) == [()] * 8


def test_a_hazy_patch_is_a_matter_of_the_part(normals):
    y, x = np.mgrid[:160, :160]
    share = np.clip(1.6 - np.hypot(y - 70, x - 90) / 45, 0, 1)[:, :, None] * 0.8  # on more than half of it
    hazy = [surface(2000 + seed) * (1 - share) + np.float32((215, 222, 235)) * share for seed in range(8)]
    assert capture_findings(normals, taken(hazy)) == [()] * 8
