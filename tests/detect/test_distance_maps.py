"""Distances of stages to a map, a map to a score, and what colours count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.detect.distance_maps import HIGH, MOST, TOP, UNKNOWN, balanced, patch_score, smoothed, together


def even(*levels: float) -> np.ndarray:
    """Maps of as many stages, each the same everywhere."""
    return np.stack([np.full((4, 5), level, np.float32) for level in levels])


def test_stages_are_put_together_by_a_power_mean_of_what_they_count():
    assert together(even(2, 1), (1.0, 0.5))[0, 0] == pytest.approx(((2**4 + 0.5**4) / 2) ** (1 / 4))
    assert together(even(3, 3, 3), (1.0, 1.0, 1.0)) == pytest.approx(np.full((4, 5), 3))
    assert together(even(0, 8), (1.0, 1.0))[0, 0] == pytest.approx(8 / 2**0.25)  # nearer to the largest than to 4


def test_colours_of_good_parts_come_to_lie_as_far_as_what_the_network_sees_of_them():
    levels = np.random.default_rng(0).uniform(1, 2, (40, 3))
    good = [even(20 * colours, one, other) for colours, one, other in levels]
    weights = balanced(good, (0.8, 1.0, 0.9))
    assert weights[1:] == (1.0, 0.9)
    stages = [patch_score(together(one[1:], (1.0, 0.9))) for one in good]
    mine = [weights[0] * patch_score(one[0]) for one in good]
    assert np.quantile(mine, HIGH) == pytest.approx(0.8 * np.quantile(stages, HIGH))
    assert weights[0] == pytest.approx(0.8 / 20, rel=0.2)


def test_the_unit_of_colours_has_no_say():
    levels = np.random.default_rng(1).uniform(1, 2, (9, 2))
    fine, coarse = ([even(unit * colours, other) for colours, other in levels] for unit in (1, 1000))
    assert 1000 * balanced(coarse, (1.0, 1.0))[0] == pytest.approx(balanced(fine, (1.0, 1.0))[0])


def test_colours_that_are_all_the_same_count_at_most_so_much():
    assert balanced([even(0, 2)] * 5, (0.8, 1.0)) == (0.8 * MOST, 1.0)
    assert balanced([even(1e-9, 2)] * 5, (0.8, 1.0)) == (0.8 * MOST, 1.0)


@pytest.mark.parametrize("colours", [0, 3])
def test_parts_that_the_network_sees_no_difference_between_teach_nothing(colours):
    assert balanced([even(colours, 0)] * 3, (0.8, 1.0)) == (0.8 * UNKNOWN, 1.0)


def test_without_another_good_part_there_is_nothing_to_learn_from():
    alone = even(np.nan, np.nan)
    assert balanced([], (0.8, 1.0)) == balanced([alone], (0.8, 1.0)) == (0.8 * UNKNOWN, 1.0)
    known, colours_only = [even(3, 2), even(2, 1)], even(5, np.nan)
    assert balanced([colours_only, *known], (0.8, 1.0)) == balanced(known, (0.8, 1.0))
    assert balanced([colours_only], (0.8, 1.0)) == (0.8 * UNKNOWN, 1.0)
    assert balanced([alone, *known], (0.8, 1.0)) == balanced(known, (0.8, 1.0))


def test_what_a_mask_hides_does_not_weigh_colours():
    good = [even(2, 1), even(3, 1)]
    masked = [one.copy() for one in good]
    for one in masked:
        one[:, :, 3:] = np.nan
    assert balanced(masked, (1.0, 1.0)) == pytest.approx(balanced(good, (1.0, 1.0)))


@given(st.integers(0, 2**30), st.floats(0.125, 100, width=32))
def test_an_even_map_stays_even_under_any_mask(mask, level):
    known = np.array([mask >> at & 1 for at in range(30)], bool).reshape(5, 6)
    found = smoothed(np.where(known, np.float32(level), np.float32(np.nan)))
    assert np.array_equal(np.isnan(found), ~known)
    np.testing.assert_allclose(found[known], level, rtol=1e-5)


def test_smoothing_spreads_a_peak_and_keeps_the_sum():
    peak = np.zeros((15, 15), np.float32)
    peak[7, 7] = 1
    found = smoothed(peak)
    assert found.sum() == pytest.approx(1, abs=1e-5) and found[7, 7] == found.max() < 0.6
    np.testing.assert_allclose(found, found[::-1].T, atol=1e-7)


def test_the_score_is_the_mean_of_the_largest():
    distances = np.random.default_rng(0).permutation(40).astype(np.float32).reshape(5, 8)
    assert patch_score(distances) == np.arange(40 - TOP, 40).mean()
    distances[distances == 39] = np.nan
    assert patch_score(distances) == np.arange(39 - TOP, 39).mean()
    assert patch_score(np.array([[1, np.nan], [3, 5]], np.float32)) == 3
