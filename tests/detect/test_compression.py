"""Means against scikit-learn and by hand; the coreset against a brute force of its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import KMeans

from dn2core.detect import compression
from dn2core.detect.compression import coreset, kmeans
from dn2core.errors import Refused

GRID = st.integers(-3, 3).map(lambda i: i / 2)
FEW = st.tuples(st.integers(1, 40), st.integers(1, 4)).flatmap(lambda shape: arrays(np.float32, shape, elements=GRID))


def blobs(n=600, clusters=6, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    centres = 20 * rng.normal(size=(clusters, dim))
    which = np.arange(n) % clusters
    return (centres[which] + rng.normal(size=(n, dim))).astype(np.float32), which


def squared(a, b):
    return ((np.asarray(a, np.float64)[:, None] - np.asarray(b, np.float64)[None]) ** 2).sum(axis=2)


def test_means_of_clear_clusters_are_scikit_learns():
    features, which = blobs()
    ours = kmeans(features, 6)
    theirs = KMeans(6, n_init=10, random_state=0).fit(features)
    order = squared(theirs.cluster_centers_, ours.means).argmin(axis=1)
    assert sorted(order) == list(range(6))
    np.testing.assert_allclose(ours.means[order], theirs.cluster_centers_, rtol=1e-3, atol=1e-3)
    assert ours.counts.tolist() == [100] * 6
    assert sorted(which[ours.members]) == list(range(6))


def test_distortion_is_near_scikit_learns_where_clusters_are_not_clear():
    features = np.random.default_rng(1).normal(size=(500, 10)).astype(np.float32)
    ours = squared(features, kmeans(features, 25).means).min(axis=1).sum()
    assert ours < 1.05 * KMeans(25, n_init=5, random_state=0).fit(features).inertia_


@settings(max_examples=40, deadline=None)
@given(FEW, st.integers(1, 40), st.integers(0, 3))
def test_rows_are_shared_out_and_members_are_different_rows(features, m, seed):
    n = len(features)
    found = kmeans(features, min(m, n), seed=seed)
    assert 1 <= len(found.means) == len(found.members) == len(found.counts) <= min(m, n)
    assert found.counts.sum() == n and (found.counts > 0).all()
    assert len(np.unique(found.members)) == len(found.members)
    # Whatever the clusters are, the mean of all rows is that of the means.
    np.testing.assert_allclose(found.counts @ found.means / n, features.mean(axis=0), atol=1e-5)


def test_means_are_those_of_their_rows_and_members_the_nearest_of_them():
    features, which = blobs()
    found = kmeans(features, 6)
    for cluster in range(6):
        rows = np.flatnonzero(which == cluster)
        mean = features[rows].mean(axis=0, dtype=np.float64)
        at = int(squared(found.means, mean[None]).argmin())
        np.testing.assert_allclose(found.means[at], mean, rtol=1e-5)
        assert found.members[at] == rows[squared(features[rows], mean[None]).argmin()]


def test_as_many_means_as_rows_are_the_rows():
    features = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    found = kmeans(features, 9)
    assert np.array_equal(found.means, features)
    assert found.members.tolist() == list(range(9)) and found.counts.tolist() == [1] * 9


def test_rows_that_coincide_give_fewer_means():
    found = kmeans([[0, 0]] * 5 + [[3, 4]] * 4, 6)
    assert sorted(found.means.tolist()) == [[0, 0], [3, 4]]
    assert sorted(found.counts.tolist()) == [4, 5]


def test_the_same_seed_gives_the_same_means():
    features = np.random.default_rng(2).normal(size=(300, 6)).astype(np.float32)
    one, same, other = (kmeans(features, 30, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(one.means, same.means) and np.array_equal(one.members, same.members)
    assert not np.array_equal(one.members, other.members)


def farthest_first(features, first, m):
    """The definition, one distance at a time; equal distances by row."""
    features, chosen = np.asarray(features, np.float64), [first]
    while len(chosen) < m:
        nearest = squared(features, features[chosen]).min(axis=1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return chosen


@settings(max_examples=60)
@given(FEW, st.integers(1, 40), st.integers(0, 3))
def test_each_chosen_row_is_the_farthest_from_those_before(features, m, seed):
    m = min(m, len(features))
    chosen = coreset(features, m, seed=seed)
    assert len(np.unique(chosen)) == m
    covered = squared(features, features[chosen[:1]])[:, 0]
    for row in chosen[1:]:
        left = np.setdiff1d(np.arange(len(features)), chosen[: np.flatnonzero(chosen == row)[0]])
        assert covered[row] >= covered[left].max() - 1e-5
        covered = np.minimum(covered, squared(features, features[[row]])[:, 0])


def test_coreset_is_the_brute_forces():
    features = np.random.default_rng(3).normal(size=(200, 20)).astype(np.float32)
    chosen = coreset(features, 60)
    assert chosen.tolist() == farthest_first(features, int(chosen[0]), 60)


def test_a_smaller_coreset_begins_a_larger_one():
    features = np.random.default_rng(4).normal(size=(100, 5)).astype(np.float32)
    assert coreset(features, 40, seed=7)[:15].tolist() == coreset(features, 15, seed=7).tolist()


def test_hand_worked_coreset():
    line = np.array([[0.0], [1.0], [2.0], [10.0]])
    for seed in range(6):
        first, second = coreset(line, 2, seed=seed)
        assert second == (0 if first == 3 else 3)


def test_projected_coreset_covers_nearly_as_well(monkeypatch):
    rng = np.random.default_rng(5)
    features = (rng.normal(size=(400, 12)) @ rng.normal(size=(12, 600))).astype(np.float32)
    exact = coreset(features, 40)
    monkeypatch.setattr(compression, "PROJECTED_FROM", 100)
    projected = coreset(features, 40)
    assert not np.array_equal(exact, projected)
    far, projected_far = (squared(features, features[rows]).min(axis=1).max() ** 0.5 for rows in (exact, projected))
    assert projected_far < 1.2 * far
    assert np.array_equal(projected, coreset(features, 40))


@pytest.mark.parametrize("choose", [kmeans, coreset])
def test_refuses_what_cannot_be(choose):
    features = np.eye(3, dtype=np.float32)
    with pytest.raises(Refused, match="at most as many vectors as there are images \\(3\\), got 4"):
        choose(features, 4)
    with pytest.raises(Refused, match="at least one vector to keep, got 0"):
        choose(features, 0)
    with pytest.raises(Refused, match="Add normal images first"):
        choose(np.empty((0, 3)), 1)
    with pytest.raises(Refused):
        choose([[np.nan, 0.0]], 1)
