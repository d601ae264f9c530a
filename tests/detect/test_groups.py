"""One vector for each group of images, and how far it lies from good groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.detect import POOLINGS, pool_groups, score_groups
from dn2core.detect.group_scores import parts_of, reference_of_groups, reference_of_images, shares_of
from dn2core.detect.groups import pool_rows
from dn2core.detect.set_features import composition_of
from dn2core.errors import Refused
from dn2core.explore.evaluation import roc_auc

IN_ANY_ORDER = [method for method in POOLINGS if method != "concat"]


def test_by_hand():
    features = np.array([[1, 2], [0, 5], [3, 4], [8, 5]], np.float32)
    groups = ["b", "a", "b", "a"]
    mean = pool_groups(features, groups)
    assert mean.names == ("b", "a") and mean.sizes.tolist() == [2, 2]
    assert [rows.tolist() for rows in mean.rows] == [[0, 2], [1, 3]]
    assert mean.vectors.tolist() == [[2, 3], [4, 5]] and mean.vectors.dtype == np.float32
    assert pool_groups(features, groups, "max").vectors.tolist() == [[3, 4], [8, 5]]
    assert pool_groups(features, groups, "concat").vectors.tolist() == [[1, 2, 3, 4], [0, 5, 8, 5]]
    assert pool_groups(features, groups, "covariance").vectors.tolist() == [[4], [32]]


def test_spread_is_the_trace_of_the_sample_covariance():
    features = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    groups = np.repeat([3, 7, 9], [4, 7, 1])
    found = pool_groups(features, groups, "covariance").vectors[:, 0]
    expected = [np.trace(np.cov(features[groups == name].T)) for name in (3, 7)]
    assert found == pytest.approx([*expected, 0], rel=1e-6)


@pytest.mark.parametrize("method", IN_ANY_ORDER)
@given(seed=st.integers(0, 50))
def test_the_order_of_images_does_not_matter(method, seed):
    rng = np.random.default_rng(seed)
    features, groups = rng.normal(size=(30, 5)).astype(np.float32), rng.integers(4, size=30)
    learned = composition_of(features)
    order = rng.permutation(30)
    one = pool_groups(features, groups, method, learned=learned)
    other = pool_groups(features[order], groups[order], method, learned=learned)
    for name, vector in zip(one.names, one.vectors, strict=True):
        assert other.vectors[other.names.index(name)] == pytest.approx(vector, abs=1e-5)


def test_images_of_no_group_belong_to_none():
    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert pool_groups(features, [None, "x", None]).vectors.tolist() == [[2, 3]]


@pytest.mark.parametrize("method", ["mean", "max", "concat"])
def test_scores_are_those_of_the_nearest_good_groups(method):
    rng = np.random.default_rng(0)
    good, new = rng.normal(size=(40, 3, 4)).astype(np.float32), rng.normal(size=(6, 3, 4)).astype(np.float32)
    pooled = {"mean": lambda x: x.mean(1), "max": lambda x: x.max(1), "concat": lambda x: x.reshape(len(x), -1)}[method]
    distances = ((pooled(new)[:, None] - pooled(good)) ** 2).sum(axis=2)
    expected = np.sort(distances, axis=1)[:, :3].mean(axis=1)
    codes = [np.repeat(np.arange(len(sets)), 3) for sets in (good, new)]
    found = score_groups(good.reshape(-1, 4), codes[0], new.reshape(-1, 4), codes[1], method=method, k=3)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", POOLINGS)
def test_what_the_images_bring_adds_up(method):
    rng = np.random.default_rng(1)
    normals, images = rng.normal(size=(90, 4)).astype(np.float32), rng.normal(1, size=(3, 4)).astype(np.float32)
    rows, all_of_it = list(np.arange(90).reshape(30, 3)), [np.arange(3)]
    reference = reference_of_groups(normals, rows, method, k=1)
    vector = pool_rows(images, all_of_it, method, reference.learned)[0]
    places = reference.learned.places(images) if reference.learned else images
    parts = parts_of(reference.good, method, vector, places)
    score = reference.score(images, all_of_it)[0]
    assert parts.sum() == pytest.approx(2 * score if method == "covariance" else score, rel=1e-4)
    shares = reference.shares(images)
    assert shares.sum() == pytest.approx(1) and (shares >= 0).all()
    assert shares == pytest.approx(shares_of(parts))


@pytest.mark.parametrize("method", POOLINGS)
def test_one_image_that_is_far_off_brings_most(method):
    rng = np.random.default_rng(2)
    normals, images = rng.normal(size=(200, 6)).astype(np.float32), rng.normal(size=(5, 6)).astype(np.float32)
    images[3] += 8
    assert reference_of_groups(normals, list(np.arange(200).reshape(40, 5)), method, k=2).shares(images)[3] > 0.7


def test_shares_of_nothing_are_even():
    assert shares_of(np.array([-1.0, 0, 0, -2])).tolist() == [0.25] * 4
    assert shares_of(np.array([3.0, -5, 1])).tolist() == [0.75, 0, 0.25]


def sets_of_kinds(rng, count, complete):
    """Sets of three images, one of each kind or of kinds at random; the kinds differ along few, weak directions."""
    kinds = np.array([[2, 0], [-2, 0], [0, 3]])
    drawn = rng.permuted(np.tile(np.arange(3), (count, 1)), axis=1) if complete else rng.integers(3, size=(count, 3))
    if not complete:
        drawn[:, 1] = drawn[:, 0]  # one is missing for sure
    noise = rng.normal(size=(count, 3, 12)) * np.array([0.4] * 2 + [4.0] * 10)
    noise[:, :, :2] += kinds[drawn]
    return noise.reshape(-1, 12).astype(np.float32), np.repeat(np.arange(count), 3)


def test_good_groups_tell_the_axes_along_which_they_keep_a_balance():
    rng = np.random.default_rng(0)
    good, good_groups = sets_of_kinds(rng, 300, True)
    learned = composition_of(good, list(np.arange(900).reshape(300, 3)))
    assert learned.balanced and len(learned.kinds) == 3
    places = learned.places(good)
    assert places[:, -3:].sum(axis=1) == pytest.approx(1)
    weight = np.linalg.norm(learned.axes[:2], axis=1).min() / np.linalg.norm(learned.axes[2:], axis=1).max()
    assert weight > 10  # the strong directions, in which kinds do not differ, hardly count
    new = np.concatenate([sets_of_kinds(rng, 200, True)[0], sets_of_kinds(rng, 200, False)[0]])
    groups = np.repeat(np.arange(400), 3)
    aucs = {}
    for method in ("mean", "composition"):
        scores = score_groups(good, good_groups, new, groups, method=method)
        aucs[method] = roc_auc(scores[:200], scores[200:])
    assert aucs["composition"] > 0.97 and aucs["mean"] < 0.7


def test_groups_picked_at_random_keep_no_balance():
    features = np.random.default_rng(0).normal(size=(600, 12)).astype(np.float32)
    learned = composition_of(features, list(np.arange(600).reshape(200, 3)))
    assert not learned.balanced
    assert np.cov(learned.places(features).T) == pytest.approx(np.eye(learned.axes.shape[1]), abs=1e-6)


@pytest.mark.parametrize("shape", [(30, 50), (300, 20)])
def test_principal_axes_are_those_of_the_covariance(shape):
    features = np.random.default_rng(0).normal(size=shape).astype(np.float32) * np.geomspace(1, 9, shape[1])
    features = features.astype(np.float32)
    learned = composition_of(features)
    a = learned.axes.shape[1]
    values, vectors = np.linalg.eigh(np.cov(features.T))
    scaled = vectors[:, ::-1][:, :a] / np.sqrt(values[::-1][:a])
    assert np.abs((learned.axes * scaled).sum(axis=0)) == pytest.approx((scaled**2).sum(axis=0), rel=1e-3)


def test_identical_images_have_finite_places():
    features = np.ones((20, 8), np.float32)
    reference = reference_of_images(features)
    assert reference.score(features, [np.arange(5)]).tolist() == [0]
    assert np.isfinite(reference.score(features + 1, [np.arange(5)])).all()
    assert reference.shares(features[:4]) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize(
    "code, call",
    [
        ("UNKNOWN_POOLING", lambda x: pool_groups(x, [0, 0, 1], "median")),
        ("GROUPS_DIFFER", lambda x: pool_groups(x, [0, 0])),
        ("GROUP_SIZES", lambda x: pool_groups(x, [0, 0, 1], "concat")),
        ("VECTORS_SHAPE", lambda x: pool_groups(x[0], [0, 0, 1])),
        ("VECTORS_NOT_FINITE", lambda x: pool_groups(x / 0, [0, 0, 1])),
        ("K_TOO_SMALL", lambda x: score_groups(x, [0, 0, 1], x, [0, 0, 1], k=0)),
        ("BANK_EMPTY", lambda x: score_groups(x, [None] * 3, x, [0, 0, 1])),
    ],
)
def test_refused_in_a_sentence(code, call):
    with np.errstate(divide="ignore"), pytest.raises(Refused) as refused:
        call(np.ones((3, 2), np.float32))
    assert refused.value.code == code and str(refused.value)
