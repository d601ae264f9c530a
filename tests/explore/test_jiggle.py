"""Small changes of a picture against their geometry, and the counts made of them by hand and by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.detect import Bank, form_scores, leave_one_out
from dn2core.detect.forms import FORMS
from dn2core.errors import Refused
from dn2core.explore.evaluation import clopper_pearson
from dn2core.explore.jiggle import (
    BLUR,
    CHANGES,
    FAMILIES,
    KINDS,
    LIGHT,
    TURNS,
    Spread,
    handling,
    jiggled,
    resampled,
    scores_without,
)


def noise(height=40, width=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ramp(height=101, width=121):
    """Values that rise evenly to the right and more slowly downwards: splines carry them over exactly."""
    down, right = np.mgrid[:height, :width].astype(np.float64)
    return np.repeat((20 + 1.3 * right + 0.5 * down)[..., None], 3, axis=2)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_every_change_keeps_size_and_kind_and_the_image_itself(height, width, seed):
    image = noise(height, width, seed)
    before = image.copy()
    made = jiggled(image)
    assert [kind for kind, _ in made] == list(KINDS)
    for changed in (*(one for _, one in made), resampled(image)):
        assert changed.shape == image.shape and changed.dtype == np.uint8
        assert not np.shares_memory(changed, image)
    assert np.array_equal(image, before)
    assert all(np.array_equal(one, again) for (_, one), (_, again) in zip(made, jiggled(image), strict=True))


def test_every_change_is_another_one():
    image = noise(200, 260)
    versions = [image, *(changed for _, changed in jiggled(image))]
    assert len({version.tobytes() for version in versions}) == len(CHANGES) + 1 == 12
    assert len(set(KINDS)) == len(KINDS)


@pytest.mark.parametrize(("kind", "sign"), [("left", 1), ("right", -1)])
@pytest.mark.parametrize("degrees", TURNS)
def test_a_turn_is_the_turn_that_geometry_asks_for(kind, sign, degrees):
    values = ramp()
    height, width = values.shape[:2]
    turned = dict(jiggled(np.rint(values).astype(np.uint8)))[f"turned {kind} {degrees:g}"]
    angle = np.radians(sign * degrees)  # counter-clockwise as it is seen, rows counted downwards
    down, right = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    from_right = np.cos(angle) * right - np.sin(angle) * down + (width - 1) / 2
    from_down = np.sin(angle) * right + np.cos(angle) * down + (height - 1) / 2
    expected = 20 + 1.3 * from_right + 0.5 * from_down
    inside = np.s_[8:-8, 8:-8]
    assert np.abs(turned[inside][..., 0] - expected[inside]).max() < 1.1


def test_there_and_back_lies_as_it_lay():
    image = np.rint(ramp()).astype(np.uint8)
    inside = np.s_[10:-10, 10:-10]
    assert np.abs(resampled(image)[inside].astype(int) - image[inside]).max() <= 1
    image = noise()
    assert 0 < np.abs(resampled(image)[inside].astype(int) - image[inside]).mean()  # and yet drawn anew


def test_turns_keep_detail_up_to_half_the_finest():
    """A wave of four pixels' length; straight lines between pixels would leave half of it."""
    wave = np.rint(127.5 + 100 * np.sin(np.arange(200) * np.pi / 2 + 0.4))
    image = np.repeat(np.repeat(wave[None, :, None], 200, axis=0), 3, axis=2).astype(np.uint8)
    inside = np.s_[20:-20, 20:-20]
    assert resampled(image)[inside].std() > 0.95 * image[inside].std()


@pytest.mark.parametrize(
    ("kind", "axis", "forward"),
    [
        ("shifted right", 1, True),
        ("shifted left", 1, False),
        ("shifted down", 0, True),
        ("shifted up", 0, False),
    ],
)
def test_a_shift_moves_whole_pixels_and_mirrors_the_border(kind, axis, forward):
    image = noise(200, 300)
    by = (2, 3)[axis]
    moved, image = (np.swapaxes(one, 0, axis) for one in (dict(jiggled(image))[kind], image))
    if not forward:
        moved, image = moved[::-1], image[::-1]
    assert np.array_equal(moved[by:], image[:-by])
    assert np.array_equal(moved[:by], image[:by][::-1])


def test_a_small_image_is_shifted_by_a_pixel():
    image = noise(7, 9)
    assert np.array_equal(dict(jiggled(image))["shifted right"][:, 1:], image[:, :-1])


def test_brightness():
    made = dict(jiggled(noise()))
    assert np.array_equal(made["darker"], np.rint(noise() * (1 - LIGHT)))
    assert np.array_equal(made["brighter"], np.rint(noise() * (1 + LIGHT)).clip(max=255))


@pytest.mark.parametrize("side", [200, 800])
def test_blur_has_the_variance_asked_for_also_below_a_pixel(side):
    edge = np.zeros((side, side, 3), np.uint8)
    edge[:, side // 2 :] = 250
    row = dict(jiggled(edge))["blurred"][side // 2, :, 0].astype(float)
    spread = np.diff(row) / 250  # the derivative of a blurred edge is the kernel itself
    at = np.arange(1, side) - side // 2
    assert spread.sum() == pytest.approx(1)
    assert (spread * at).sum() == pytest.approx(0, abs=0.02)
    assert (spread * at**2).sum() == pytest.approx((BLUR * side) ** 2, abs=0.03)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_no_image_is_refused(wrong):
    for change in (jiggled, resampled):
        with pytest.raises(Refused, match=r"\(height, width, 3\) uint8"):
            change(wrong)


def test_a_spread_by_hand():
    flagged = Spread(3.0, 2.0, {"a": 2.5, "b": 2.0, "c": 4.0, "d": 1.5}, 3.1)
    assert (flagged.low, flagged.high) == (1.5, 4.0)
    assert flagged.flagged and flagged.flipped == ("b", "d") and not flagged.holds and flagged.share == 0.5
    at_the_limit = Spread(2.0, 2.0, {"a": 1.0, "b": 2.0}, 2.0)
    assert not at_the_limit.flagged and at_the_limit.holds and at_the_limit.share == 1
    assert Spread(1.0, 2.0, {"a": 2.1}, 1.0).flipped == ("a",)


def vectors(n, seed=0, dim=5):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


@given(st.sampled_from(list(FORMS)), st.integers(3, 12), st.integers(1, 12), st.booleans(), st.data())
def test_scores_without_a_normal_are_those_of_a_bank_without_it(form, n, k, normalise, data):
    k, row = min(k, n - 1), data.draw(st.integers(0, n - 1))
    raw = vectors(n, seed=n)
    bank = Bank(raw, normalise=normalise)
    queries = np.concatenate([raw[[row]], raw[[row]] + 0.01, vectors(3, seed=99)])
    found = scores_without(form, bank, leave_one_out(bank, n), queries, k, row)
    others = Bank(np.delete(raw, row, axis=0), normalise=normalise)
    expected = form_scores(form, others.search(queries, k), leave_one_out(others, n), k)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (found > 0).all()


@given(st.sampled_from(list(FORMS)), st.integers(2, 12), st.integers(1, 5), st.integers(1, 6), st.integers(0, 9))
def test_a_normal_itself_scores_as_leave_one_out_has_it(form, n, k, columns, copies):
    """Also where the table of neighbours ends at k, and where many normals are the same."""
    raw = np.concatenate([vectors(n), np.repeat(vectors(1), copies, axis=0)])
    bank = Bank(raw)
    loo = leave_one_out(bank, max(k, columns))
    k = min(k, loo.k)
    expected = form_scores(form, loo, loo, k, own=True)
    for row in range(bank.n):
        found = scores_without(form, bank, loo, raw[[row]], k, row)
        np.testing.assert_allclose(found, expected[[row]], rtol=1e-5)


def test_with_all_normals_in_scores_are_those_of_any_image():
    bank = Bank(vectors(9))
    loo = leave_one_out(bank, 8)
    queries = vectors(4, seed=1)
    expected = form_scores("density", bank.search(queries, 3), loo, 3)
    assert np.array_equal(scores_without("density", bank, loo, queries, 3), expected)
    with pytest.raises(Refused, match="two normal images"):
        scores_without("mean", Bank(vectors(1)), None, queries, 1, 0)


def test_handling_by_hand():
    as_taken = np.array([1.0, 2.0, 5.0, 2.0])  # limit 2: the third is flagged
    changed = np.array(
        [
            [1.0, 1.0, 1.0, 1.0],  # steady
            [3.0, 2.0, 3.0, 3.0],  # flagged under three
            [1.0, 5.0, 5.0, 5.0],  # passes under one
            [2.0, 2.0, 2.0, 9.0],  # flagged under one
        ]
    )
    found = handling(as_taken, changed, 2.0, kinds="abcd", families=["x", "x", "x", "y"])
    assert found.n == 4
    assert found.as_taken == clopper_pearson(1, 4)
    assert found.unsteady == clopper_pearson(2, 4)
    assert found.added.count == 0.75 + 0.25 and found.added.value == 0.25
    assert found.removed.count == 0.25
    assert found.changed.count == found.as_taken.count + found.added.count - found.removed.count
    assert {kind: share.count for kind, share in found.by_kind.items()} == {"a": 1, "b": 1, "c": 2, "d": 3}
    assert {name: share.value for name, share in found.added_by_family.items()} == {"x": pytest.approx(1 / 6), "y": 0.5}


def test_where_no_verdict_turned_the_interval_has_a_width():
    found = handling(np.zeros(60), np.zeros((60, 11)), 1.0, kinds=KINDS, families=FAMILIES)
    assert found.added.value == 0
    assert found.added.high == clopper_pearson(0, 60).high == pytest.approx(1 - 0.025 ** (1 / 60))


@pytest.mark.parametrize("concentration", [0.05, 1.0, 20.0])
def test_the_interval_holds_for_images_of_many_versions(concentration):
    """Whether an image's versions agree wholly, partly or hardly."""
    rng, p, n, draws = np.random.default_rng(0), 0.06, 50, 600
    shares = rng.beta(p * concentration, (1 - p) * concentration, (draws, n))
    versions = rng.random((draws, n, 11)) < shares[..., None]
    held = 0
    for marks in versions:
        found = handling(np.zeros(n), marks.astype(float), 0.5, kinds=KINDS, families=FAMILIES)
        held += found.added.low <= p <= found.added.high
    assert held / draws >= 0.95
