"""Pixel ROC AUC and per-region overlap: by hand, by brute force over all thresholds, and by scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

from dn2core.errors import Refused
from dn2core.explore.localisation import enlarged, pixel_roc_auc, pro

# Two regions, of one pixel and of four, and five good pixels.
MASK = np.array([[1, 0, 0, 1, 1], [0, 0, 0, 1, 1]], bool)
MAP = np.array([[9, 1, 2, 8, 7], [3, 4, 7.5, 6, 0]], float)


def test_overlap_by_hand():
    # Falling: 9 (all of the small one), 8 (1/4), 7.5 good, 7 (2/4), 6 (3/4), 4 good, 3, 2, 1 good, 0 (4/4).
    # Overlap is (1 + 1/4) / 2 up to 1/5 of the good pixels, where it rises to (1 + 3/4) / 2.
    assert pro([MAP], [MASK], limit=0.2) == pytest.approx(0.625)
    assert pro([MAP], [MASK], limit=0.4) == pytest.approx((0.2 * 0.625 + 0.2 * 0.875) / 0.4)
    assert pro([MAP], [MASK]) == pytest.approx((0.2 * 0.625 + 0.1 * 0.875) / 0.3)


def test_a_tie_of_a_region_with_good_pixels_is_a_slope():
    # At 5 half of the good pixels and the whole region are found: from (0, 0) to (0.5, 1), at 0.25 it is 0.5.
    assert pro([np.array([[5.0, 5, 1]])], [np.array([[True, False, False]])], limit=0.25) == pytest.approx(0.25)


def test_pixels_by_hand():
    # Good: 7.5, 4, 3, 2, 1. Above all of them 9 and 8; 7 and 6 above four; 0 above none.
    assert pixel_roc_auc([MAP], [MASK]) == pytest.approx((5 + 5 + 4 + 4 + 0) / 25)


def test_small_regions_count_as_much_as_large_ones():
    mask = np.zeros((10, 10), bool)
    mask[0, 0], mask[4:, 4:] = True, True
    heat = np.where(mask, 2.0, 0.0)
    assert pro([heat], [mask]) == pytest.approx(1)
    heat[0, 0] = -1
    assert pro([heat], [mask]) == pytest.approx(0.5)
    assert pixel_roc_auc([heat], [mask]) == pytest.approx(36 / 37)


def test_corners_join_and_pictures_part():
    corner = np.array([[1, 0, 0], [0, 1, 0]], bool)
    heat = np.array([[9.0, 0, 0], [0, 0, 0]])
    assert pro([heat], [corner], limit=0.01) == pytest.approx(0.5 + 0.5 * 0.01 / 2)  # one region, half of it found
    # The same pixels in two pictures: two regions, although both are the first of their picture.
    low = np.array([[0.0, 0, 0], [0, -1, -2]])
    one, two = np.zeros((2, 3), bool), np.zeros((2, 3), bool)
    one[0, 0] = two[1, 1] = True
    assert pro([heat, low], [one, two], limit=1e-9) == pytest.approx(0.5)


def test_hidden_pixels_do_not_count():
    heat = np.array([[np.nan, 3, 1, 2]])
    mask = np.array([[True, True, False, False]])
    assert pixel_roc_auc([heat], [mask]) == 1 and pro([heat], [mask]) == 1
    hidden = np.array([[True, False, False, True]])
    assert pro([heat], [hidden], limit=1) == pytest.approx(0.5)  # the first region has no pixel left


@pytest.mark.parametrize("measure", [pixel_roc_auc, pro])
def test_nothing_to_tell_apart_is_none(measure):
    assert measure([MAP], [np.zeros_like(MASK)]) is None
    assert measure([MAP], [np.ones_like(MASK)]) is None


@pytest.mark.parametrize("measure", [pixel_roc_auc, pro])
def test_maps_that_do_not_fit_their_masks_are_refused(measure):
    with pytest.raises(Refused, match="one mask for each map"):
        measure([MAP], [MASK.T])
    with pytest.raises(Refused, match="one mask for each map"):
        measure([MAP, MAP], [MASK])
    with pytest.raises(Refused, match="one mask for each map"):
        measure([], [])


@given(
    arrays(np.int8, (2, 4, 5), elements=st.integers(0, 6)),
    arrays(bool, (2, 4, 5)),
    st.sampled_from([0.05, 0.3, 0.77, 1.0]),
)
def test_as_by_brute_force(maps, masks, limit):
    maps = maps.astype(np.float32)
    expected = _pro(maps, masks, limit)
    if expected is None:
        assert pro(maps, masks, limit) is None and pixel_roc_auc(maps, masks) is None
        return
    assert pro(maps, masks, limit) == pytest.approx(expected, abs=1e-9)
    assert pixel_roc_auc(maps, masks) == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()))
    if sum(label(mask, np.ones((3, 3)))[1] for mask in masks) == 1:
        assert pro(maps, masks, 1.0) == pytest.approx(pixel_roc_auc(maps, masks))


def test_enlarged_keeps_the_middles_of_cells():
    heat = np.array([[0.0, 1], [2, 5]])
    large = enlarged(heat, 10, 6)
    assert large.shape == (6, 10) and large.dtype == np.float32
    assert large[1, 2] == 0 and large[1, 7] == 1 and large[4, 2] == 2 and large[4, 7] == 5
    assert large[1, 4:6] == pytest.approx([0.4, 0.6])


def _pro(maps, masks, limit):
    """Threshold by threshold, region by region."""
    regions = [
        numbers == at for mask in masks for numbers, n in [label(mask, np.ones((3, 3)))] for at in range(1, n + 1)
    ]
    owners = [i for i, mask in enumerate(masks) for _ in range(label(mask, np.ones((3, 3)))[1])]
    if not regions or masks.all():
        return None
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        above = maps >= threshold
        overlaps = [above[i][region].mean() for i, region in zip(owners, regions, strict=True)]
        points.append((above[~masks].mean(), np.mean(overlaps)))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit or x1 == x0:
            continue
        end = min(x1, limit)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area / limit
