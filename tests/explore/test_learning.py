"""Learning curves against building a bank for every subset."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dn2core.detect import Bank, knn_scores, leave_one_out
from dn2core.detect.calibration import conformal_limit
from dn2core.errors import Refused
from dn2core.explore import learning
from dn2core.explore.curves import roc_auc
from dn2core.explore.learning import Spread, learning_curve, squared_distances


def cloud(n, dim=4, seed=0, at=0.0):
    return (np.random.default_rng(seed).normal(size=(n, dim)) + at).astype(np.float32)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(4, 30), st.integers(1, 6), st.booleans(), st.sampled_from([0.02, 0.3]))
def test_every_size_is_a_bank_of_its_own(seed, n, k, normalise, budget):
    normals, scored = cloud(n, seed=seed), cloud(12, seed=seed + 1, at=0.8)
    labels = np.array(["good", "defect", "defect", "", "unsure", "good"] * 2)
    sizes = sorted({2, max(2, n // 2), n - 1})
    c = learning_curve(
        normals, scored, labels, normalise=normalise, k=k, budget=budget, sizes=sizes, draws=3, seed=seed
    )
    assert c.sizes.tolist() == sizes and (c.n, c.used, c.good, c.defects) == (n, n, 4, 4)
    everything = knn_scores(leave_one_out(Bank(normals, normalise=normalise), k).distances, k)
    rng = np.random.default_rng(seed)
    for draw in range(3):
        order = rng.permutation(n)
        for i, size in enumerate(sizes):
            members, unseen = normals[order[:size]], normals[order[size:]]
            bank = Bank(members, normalise=normalise)
            used = min(k, size - 1)
            own = knn_scores(leave_one_out(bank, used).distances, used)
            new = knn_scores(bank.search(unseen, used).distances, used)
            of_scored = knn_scores(bank.search(scored, used).distances, used)
            limit = conformal_limit(own, budget)
            if np.abs(new - limit).min() > 1e-5:
                assert c.false_alarms.draws[i, draw] == pytest.approx((new > limit).mean())
            expected = np.sqrt(np.median(new)) / np.sqrt(np.median(everything))
            assert c.usual_distance.draws[i, draw] == pytest.approx(expected, rel=1e-4)
            area = roc_auc(of_scored[labels == "good"], of_scored[labels == "defect"])
            assert c.roc_auc.draws[i, draw] == pytest.approx(area, abs=1e-9)


@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 9))
def test_distances_by_products_are_those_by_differences(seed, r, c):
    rows, columns = cloud(r, seed=seed, at=30), cloud(c, seed=seed + 100, at=30)
    rows[0] = columns[0]
    expected = ((rows[:, None].astype(np.float64) - columns) ** 2).sum(axis=2)
    found = squared_distances(rows, columns)
    assert found.dtype == np.float32 and found.min() >= 0
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("budget", [0.05, 0.2])
def test_unseen_normals_keep_the_budget_at_every_size(budget):
    c = learning_curve(cloud(400), budget=budget, draws=20)
    assert c.sizes.tolist() == [5, 10, 20, 40, 80, 160, 320]
    alarms = c.false_alarms.mean
    # At the largest score of s normals one good part in s + 1 is flagged; leave-one-out stays somewhat below.
    promised = np.maximum(budget, 1 / (c.sizes + 1))
    assert (alarms < promised + 0.02).all() and (alarms > 0.4 * promised).all()
    assert alarms[-1] == pytest.approx(budget, abs=0.02)
    assert c.false_alarms.std[-1] < c.false_alarms.std[0]


def test_the_usual_distance_falls_to_that_of_all_normals():
    usual = learning_curve(cloud(400)).usual_distance.mean
    assert (np.diff(usual) < 0).all()
    assert usual[-1] == pytest.approx(1, abs=0.05) and usual[0] > 1.5


def test_the_same_seed_gives_the_same_curve():
    curves = [learning_curve(cloud(40), seed=seed).usual_distance.draws for seed in (1, 1, 2)]
    assert np.array_equal(curves[0], curves[1]) and not np.array_equal(curves[0], curves[2])


def test_mean_and_spread_are_over_the_draws():
    spread = Spread(np.array([[1.0, 3.0], [5.0, 5.0]]))
    assert spread.mean.tolist() == [2, 5] and spread.std.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("n", "sizes"), [(3, [2]), (4, [3]), (11, [9]), (12, [5, 10]), (13, [5, 10]), (100, [5, 10, 20, 40, 80])]
)
def test_sizes_double_up_to_four_fifths(n, sizes):
    assert learning_curve(cloud(n), draws=1).sizes.tolist() == sizes


def test_beyond_a_bound_normals_and_labelled_images_are_drawn(monkeypatch):
    monkeypatch.setattr(learning, "MOST", 25)
    scored, labels = cloud(60, seed=1), np.repeat(["good", "defect"], [15, 45])
    c = learning_curve(cloud(30), scored, labels, k=1, draws=2)
    assert (c.n, c.used, c.good, c.defects) == (30, 25, 15, 25)
    assert c.sizes[-1] == 20
    assert (c.usual_distance.draws > 0.5).all(), "none is drawn twice: its copy would lie at 0"


def test_equal_normals():
    c = learning_curve(np.ones((20, 3)), draws=2)
    assert (c.false_alarms.draws == 0).all() and (c.usual_distance.draws == 1).all()


@pytest.mark.parametrize("labels", [None, ["good"] * 5, ["defect"] * 5, ["unsure"] * 5, [""] * 5])
def test_without_both_classes_there_is_no_area(labels):
    c = learning_curve(cloud(12), cloud(5), labels, draws=1)
    assert c.roc_auc is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"normal_features": cloud(2)}, "at least 3 normal images for this, got 2"),
        ({"normal_features": np.empty((0, 4))}, "at least one normal"),
        ({"normal_features": np.full((5, 4), np.nan)}, "5 of them hold NaN"),
        ({"k": 0}, "k of at least 1"),
        ({"budget": 0}, "budget"),
        ({"budget": 1.5}, "budget"),
        ({"draws": 0}, "at least 1 random draw"),
        ({"sizes": []}, "growing numbers of normals from 2 to 19, got"),
        ({"sizes": [5, 5]}, r"got \[5, 5\]"),
        ({"sizes": [1, 5]}, r"got \[1, 5\]"),
        ({"sizes": [5, 20]}, r"got \[5, 20\]"),
        ({"labels": ["good"] * 5}, "one label for each of the 6"),
        ({"labels": ["fine"] * 6}, "label out of good"),
        ({"scored_features": cloud(6, dim=3)}, r"of shape \(n, 4\), got \(6, 3\)"),
        ({"scored_features": np.full((6, 4), np.inf)}, "hold NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, sentence):
    right = {"normal_features": cloud(20), "scored_features": cloud(6), "labels": ["good", "defect"] * 3}
    with pytest.raises(Refused, match=sentence):
        learning_curve(**right | wrong)
