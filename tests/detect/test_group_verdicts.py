"""Verdicts on whole lots, and since when something is wrong."""

import numpy as np
import pytest

from dn2core.detect import (
    ENOUGH_LOTS,
    POOLINGS,
    Bank,
    conformal_limit,
    first_bad_lot,
    judge_groups,
    knn_scores,
    leave_one_out,
)
from dn2core.detect.group_scores import reference_of_images
from dn2core.detect.group_verdicts import calibration_sizes, size_among
from dn2core.errors import Refused

D = 12


def good(rng, n):
    return rng.normal(size=(n, D)).astype(np.float32)


def lots_of(count, size):
    return np.repeat(np.arange(count), size)


@pytest.mark.parametrize("method", ["mean", "composition"])
def test_a_lot_whose_images_all_pass_one_by_one_is_caught(method):
    rng = np.random.default_rng(0)
    normals, images = good(rng, 300), good(rng, 60)
    images[30:] += 1 / np.sqrt(D)  # all together by one standard deviation of a single number
    found = judge_groups(normals, images, lots_of(2, 30), method=method, budget=0.01)
    limit = conformal_limit(knn_scores(leave_one_out(Bank(normals), 2).distances, 2), 0.01)
    assert not (found[1].image_scores > limit).any()  # nothing to see image by image
    assert [lot.flagged for lot in found] == [False, True]
    assert found[1].p_value < 0.01 < found[0].p_value
    assert found[1].score > found[1].limit > found[0].score
    assert found[0].calibrated_on == "drawn" and found[0].calibration_size == 30
    assert found[0].calibration_groups == 1000 and (np.diff(found[0].calibration_scores) >= 0).all()


@pytest.mark.parametrize("method", ["mean", "composition"])
@pytest.mark.parametrize("n, size", [(60, 5), (40, 15)])
def test_good_lots_are_flagged_about_as_often_as_the_budget_says(method, n, size):
    chances = []
    for draw in range(6):
        rng = np.random.default_rng(draw)
        found = judge_groups(good(rng, n), good(rng, 80 * size), lots_of(80, size), method=method)
        chances += [lot.p_value for lot in found]
    # Lots of one set of normals share a limit, which is too high or too low for all of them.
    assert 0.03 <= np.mean(np.array(chances) <= 0.1) <= 0.16
    assert 0.35 <= np.mean(np.array(chances) <= 0.5) <= 0.7


def wandering(rng, count, size):
    """Lots that differ: each has an offset of its own."""
    offsets = np.repeat(rng.normal(size=(count, D)), size, axis=0)
    return (offsets + 0.5 * rng.normal(size=(count * size, D))).astype(np.float32), lots_of(count, size)


def test_real_lots_are_the_measure_where_there_are_enough():
    rng = np.random.default_rng(0)
    normals, normal_lots = wandering(rng, 40, 10)
    images, lots = wandering(rng, 30, 10)
    by_lots = judge_groups(normals, images, lots, normal_groups=normal_lots, budget=0.05)
    drawn = judge_groups(normals, images, lots, budget=0.05)
    assert {lot.calibrated_on for lot in by_lots} == {"lots"} and by_lots[0].calibration_groups == 40
    assert np.mean([lot.flagged for lot in by_lots]) <= 0.15
    assert np.mean([lot.flagged for lot in drawn]) >= 0.8  # drawn groups know nothing of how lots differ
    few = [lot if lot < ENOUGH_LOTS - 1 else None for lot in normal_lots.tolist()]
    assert judge_groups(normals, images, lots, normal_groups=few)[0].calibrated_on == "drawn"
    far = judge_groups(normals, images + 4, lots, normal_groups=normal_lots, budget=0.05)
    assert all(lot.flagged for lot in far)


@pytest.mark.parametrize("method", ["composition", "covariance", "max"])
def test_other_methods_take_real_lots_too(method):
    rng = np.random.default_rng(1)
    normals, normal_lots = wandering(rng, 20, 8)
    images, lots = wandering(rng, 3, 8)
    images[16:] *= 6
    found = judge_groups(normals, images, lots, normal_groups=normal_lots, method=method, budget=0.05)
    assert [lot.flagged for lot in found] == [False, False, True]


def test_a_lot_that_has_normals_of_its_own_is_compared_with_other_lots_alone():
    rng = np.random.default_rng(0)
    normals, normal_lots = wandering(rng, 20, 10)
    for lot in range(4):  # each an island: only its own normals are near
        normals[10 * lot : 10 * lot + 10] += 20 * np.eye(D, dtype=np.float32)[lot]
    images, lots = normals[:40] + 0.5 * good(rng, 40), lots_of(4, 10)
    known, unknown = (
        judge_groups(normals, images, named, normal_groups=normal_lots, k=1) for named in (lots, lots + 100)
    )
    assert [lot.p_value < 0.3 for lot in known] == [True] * 4  # as unusual as the good lots that are islands
    assert [lot.p_value > 0.5 for lot in unknown] == [False] * 4
    assert all(mine.score > 3 * other.score for mine, other in zip(known, unknown, strict=True))
    assert all(np.array_equal(a.calibration_scores, b.calibration_scores) for a, b in zip(known, unknown, strict=True))


def test_real_lots_smaller_than_a_lot_are_told():
    rng = np.random.default_rng(0)
    sizes = [4] * 6 + [7] * 5 + [12] * 4
    normals, named = good(rng, sum(sizes)), np.repeat(np.arange(len(sizes)), sizes)
    found = judge_groups(normals, good(rng, 33), [-1] * 3 + [-2] * 10 + [-3] * 20, normal_groups=named)
    assert [(lot.calibration_least, lot.calibration_size) for lot in found] == [(3, 3), (4, 10), (4, 12)]
    assert [lot.few_normals for lot in found] == [False, False, True]


def test_many_sizes_share_a_dozen_calibrations_none_of_them_larger():
    many = [1, 2, 2, 3, *range(5, 40_000, 7)]
    some = calibration_sizes(many)
    assert len(some) <= 12 and set(some) <= set(many) and list(some) == sorted(some)
    taken = [size_among(some, size) for size in many]
    assert all(one <= size < 2.5 * one for one, size in zip(taken, many, strict=True))
    assert taken[:2] == [1, 2]  # the spread of one image is none: 2 or more would all lie above
    assert calibration_sizes([9, 3, 3]) == (3, 9) and calibration_sizes([]) == ()
    assert calibration_sizes(many, "max") == calibration_sizes(many, "concat") == tuple(sorted(set(many)))
    assert size_among(None, 5) == size_among([6], 5) == 5


@pytest.mark.parametrize("method", ["mean", "composition", "covariance"])
def test_smaller_good_groups_keep_the_budget(method):
    chances = []
    for draw in range(4):
        rng = np.random.default_rng(draw)
        found = judge_groups(good(rng, 200), good(rng, 600), lots_of(60, 10), method=method, sizes=[7], by_image=False)
        assert {(lot.calibration_size, lot.few_normals) for lot in found} == {(7, False)}
        chances += [lot.p_value for lot in found]
    assert np.mean(np.array(chances) <= 0.1) <= 0.13


def test_single_images_are_scored_only_where_asked():
    rng = np.random.default_rng(0)
    normals, images = good(rng, 40), good(rng, 6)
    asked, not_asked = (judge_groups(normals, images, lots_of(1, 6), by_image=each)[0] for each in (True, False))
    assert asked.image_scores.shape == (6,) and not_asked.image_scores.shape == (0,)
    assert asked.score == not_asked.score and (asked.shares == not_asked.shares).all()


def test_what_images_bring_to_a_composition_rests_on_a_sample_not_on_the_oldest(monkeypatch):
    rng = np.random.default_rng(0)
    normals = good(rng, 1_200)
    normals[:, 0] = np.arange(1_200)  # when they came
    learned_from = []
    monkeypatch.setattr(
        "dn2core.detect.group_verdicts.reference_of_images",
        lambda features: learned_from.append(features[:, 0]) or reference_of_images(features),
    )
    judge_groups(normals, good(rng, 3), lots_of(1, 3), method="composition")
    assert len(learned_from) == 21 and all(abs(each.mean() - 600) < 80 for each in learned_from)


@pytest.mark.parametrize("method", POOLINGS)
def test_a_lot_of_one_image(method):
    rng = np.random.default_rng(0)
    found = judge_groups(good(rng, 60), np.concatenate([good(rng, 1), good(rng, 1) + 9]), ["a", "b"], method=method)
    assert [lot.size for lot in found] == [1, 1] and all(lot.shares.tolist() == [1] for lot in found)
    assert [lot.flagged for lot in found] == [False, method != "covariance"]  # one image has no spread


def test_lots_of_different_sizes_each_have_a_limit_of_their_own():
    rng = np.random.default_rng(0)
    found = judge_groups(good(rng, 50), good(rng, 44), ["s"] * 4 + ["l"] * 40)
    assert [lot.calibration_size for lot in found] == [4, 25]  # no more than half of the normals
    assert found[0].limit > found[1].limit > 0


def test_a_lot_is_judged_as_if_the_others_were_not_there():
    rng = np.random.default_rng(0)
    normals, images = good(rng, 50), good(rng, 30)
    together = judge_groups(normals, images, lots_of(3, 10))
    alone = judge_groups(normals, images[10:20], lots_of(1, 10))[0]
    assert alone.score == pytest.approx(together[1].score, rel=1e-6) and alone.limit == together[1].limit
    assert alone.p_value == together[1].p_value and (alone.shares == together[1].shares).all()
    assert [lot.name for lot in together] == [0, 1, 2] and together[1].rows.tolist() == list(range(10, 20))


def test_a_lot_that_holds_normals_is_not_compared_with_them():
    rng = np.random.default_rng(0)
    normals = good(rng, 60)
    normals[:6] += 5  # a clump: each has near ones among the normals of the lot only
    images, rows = np.concatenate([normals[:6], good(rng, 6)]), np.r_[np.arange(6), np.full(6, -1)]
    knowing = judge_groups(normals, images, lots_of(2, 6), normal_rows=rows)
    assert [lot.normals_inside for lot in knowing] == [6, 0]
    same = judge_groups(normals[6:], images[:6], lots_of(1, 6))[0]
    assert knowing[0].flagged and knowing[0].score == same.score and knowing[0].limit == same.limit
    assert knowing[0].image_scores.min() > 10  # their own copies are not their neighbours
    assert judge_groups(normals, images, lots_of(2, 6))[0].image_scores.max() < 60


def test_what_befalls_one_lot_stands_in_its_verdict_and_the_others_finish():
    rng = np.random.default_rng(0)
    normals = good(rng, 20)
    images, rows = np.concatenate([normals[:18], good(rng, 3)]), np.r_[np.arange(18), np.full(3, -1)]
    found = judge_groups(normals, images, ["all"] * 18 + ["new"] * 3, normal_rows=rows)
    assert found[0].refused.code == "NORMALS_TOO_FEW" and not found[0].flagged and found[0].p_value == 1
    assert np.isnan(found[0].limit) and found[0].calibrated_on == "" and found[0].shares.sum() == pytest.approx(1)
    assert found[1].refused is None and np.isfinite(found[1].score)
    large = judge_groups(normals, good(rng, 14), ["l"] * 12 + ["s"] * 2, method="concat")
    assert large[0].refused.code == "GROUP_SIZES" and large[1].refused is None


@pytest.mark.parametrize("method", POOLINGS)
def test_identical_images_raise_no_alarm_and_no_nan(method):
    normals, images = np.ones((30, D), np.float32) * 0.3, np.ones((8, D), np.float32) * 0.3
    found = judge_groups(normals, images, lots_of(2, 4), method=method)
    assert all(np.isfinite([lot.score, lot.limit, lot.p_value]).all() and not lot.flagged for lot in found)
    assert all(lot.shares == pytest.approx([0.25] * 4) for lot in found)


def test_the_worst_image_and_those_that_drove_the_score():
    rng = np.random.default_rng(0)
    images = good(rng, 10)
    images[7] += 6
    lot = judge_groups(good(rng, 80), images, lots_of(1, 10))[0]
    assert lot.worst == 7 and lot.drivers[0] == 7 and lot.shares[7] > 0.5


@pytest.mark.parametrize(
    "code, options",
    [("UNKNOWN_POOLING", {"method": "sum"}), ("BUDGET_OUT_OF_RANGE", {"budget": 1}), ("K_TOO_SMALL", {"k": 0})],
)
def test_refused_in_a_sentence(code, options):
    with pytest.raises(Refused) as refused:
        judge_groups(np.ones((9, 2)), np.ones((2, 2)), [0, 0], **options)
    assert refused.value.code == code
    with pytest.raises(Refused, match="at least one normal"):
        judge_groups(np.ones((0, 2)), np.ones((2, 2)), [0, 0])
    assert judge_groups(np.ones((9, 2)), np.ones((0, 2)), []) == []


@pytest.mark.parametrize(
    "flagged, first, count, over",
    [
        ("..XXX", 2, 3, False),
        ("..XX.X.", 2, 3, False),
        ("X..XX", 3, 2, False),  # the first one was a matter of its own
        (".XX..", 1, 2, True),
        ("XX...XXX.X", 5, 4, False),
        ("X", 0, 1, False),
    ],
)
def test_since_when(flagged, first, count, over):
    found = first_bad_lot(range(len(flagged)), [letter == "X" for letter in flagged])
    assert (found.lot, found.flagged, found.over) == (first, count, over)
    assert found.lots == len(flagged) - first


def test_since_when_goes_by_the_order_that_is_given():
    found = first_bad_lot([3, 1, 2, 0], [True, False, True, False])
    assert (found.lot, found.lots) == (2, 2)  # 0 and 1 pass, 2 and 3 are flagged
    assert first_bad_lot([1, 2], [False, False]) is None and first_bad_lot([], []) is None
