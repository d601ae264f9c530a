"""Scores by hand, and leave-one-out against a bank that truly lacks the row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dn2core.detect import Bank, knn_scores, leave_one_out, scores_for_every_k
from dn2core.errors import Refused

GRID = st.integers(-2, 2).map(float)


def test_the_score_is_the_mean_of_the_squared_distances():
    distances = np.array([[1, 4, 10], [0, 0, 3]], np.float32)
    assert knn_scores(distances).tolist() == [2.5, 0]
    assert knn_scores(distances, k=1).tolist() == [1, 0]
    assert knn_scores(distances, k=3).tolist() == [5, 1]
    assert knn_scores(distances, k=9).tolist() == [5, 1]
    assert knn_scores(distances).dtype == np.float32


@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(1, 60))
def test_every_k_equals_each_k_bit_for_bit(seed, q, columns):
    distances = np.random.default_rng(seed).exponential(size=(q, columns)).astype(np.float32).cumsum(axis=1)
    table = scores_for_every_k(distances)
    assert table.shape == (q, columns) and table.dtype == np.float32
    for k in range(1, columns + 1):
        assert np.array_equal(table[:, k - 1], knn_scores(distances, k))
        np.testing.assert_allclose(table[:, k - 1], distances[:, :k].astype(np.float64).mean(axis=1), rtol=1e-6)


def test_no_queries_have_no_scores():
    assert knn_scores(np.empty((0, 3), np.float32)).shape == (0,)


@pytest.mark.parametrize("distances", [np.empty((2, 0)), np.zeros(3)])
def test_no_neighbours_are_refused(distances):
    with pytest.raises(Refused, match="at least one neighbour"):
        scores_for_every_k(distances)


def test_k_below_one_is_refused():
    with pytest.raises(Refused, match="got 0"):
        knn_scores(np.ones((1, 2)), k=0)
    with pytest.raises(Refused, match="got 0"):
        leave_one_out(Bank(np.eye(2)), 0)


def test_leave_one_out_by_hand():
    loo = leave_one_out(Bank([[0.0], [1.0], [3.0], [1.0]]), 2)
    assert loo.distances.tolist() == [[1, 1], [0, 1], [4, 4], [0, 1]]
    assert loo.indices.tolist() == [[1, 3], [3, 0], [1, 3], [1, 0]]


@given(st.data())
def test_leave_one_out_equals_a_bank_without_the_row(data):
    n, dim = data.draw(st.integers(2, 50)), data.draw(st.integers(1, 3))
    features = data.draw(arrays(np.float32, (n, dim), elements=GRID))
    k = data.draw(st.integers(1, 60))
    normalise = data.draw(st.booleans())
    loo = leave_one_out(Bank(features, normalise=normalise), k)
    assert (loo.k, loo.k_asked) == (min(k, n - 1), k)
    assert loo.distances.dtype == np.float32 and loo.indices.dtype == np.int64
    for row in range(n):
        others = np.delete(np.arange(n), row)
        found = Bank(features[others], normalise=normalise).search(features[row : row + 1], k)
        assert np.array_equal(loo.distances[row], found.distances[0])
        assert np.array_equal(loo.indices[row], others[found.indices[0]])


def test_more_duplicates_than_neighbours():
    loo = leave_one_out(Bank(np.zeros((200, 5))), 3)
    assert (loo.distances == 0).all()
    expected = [[i for i in range(4) if i != row][:3] for row in range(200)]
    assert loo.indices.tolist() == expected


def test_leave_one_out_of_a_large_bank_against_float64():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 100)).astype(np.float32)
    loo = leave_one_out(Bank(features), 10)
    truth = ((features[:, None].astype(np.float64) - features[None]) ** 2).sum(axis=2)
    np.fill_diagonal(truth, np.inf)
    assert np.array_equal(loo.indices, np.argsort(truth, axis=1)[:, :10])
    np.testing.assert_allclose(loo.distances, np.sort(truth, axis=1)[:, :10], rtol=1e-5)


def test_one_normal_cannot_be_left_out():
    with pytest.raises(Refused, match="at least two normal images"):
        leave_one_out(Bank([[1.0]]), 1)
