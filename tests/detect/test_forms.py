"""Score forms by hand, and the normals' own scores against a bank that truly lacks the normal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dn2core.detect import Bank, Found, leave_one_out, scores_for_every_k
from dn2core.detect import forms as module
from dn2core.detect.forms import DENSEST, FORMS, form_scores, form_scores_for_every_k
from dn2core.errors import Refused

GRID = st.integers(-2, 2).map(float)
NAMES = pytest.mark.parametrize("form", FORMS)


def tables(normals, queries, k):
    bank = Bank(np.asarray(normals, np.float32))
    return bank.search(np.asarray(queries, np.float32), k), leave_one_out(bank, k)


def random_tables(seed, n=40, q=30, k=12):
    rng = np.random.default_rng(seed)
    return tables(rng.normal(size=(n, 3)), 1.5 * rng.normal(size=(q, 3)), k)


def test_by_hand():
    found, loo = tables(
        [[0], [1], [3]], [[4], [1]], 2
    )  # squared distances 1, 9 and 0, 1; to each other 1, 9; 1, 4; 4, 9
    assert form_scores("mean", found, loo, 2).tolist() == [5, 0.5]
    assert form_scores("kth", found, loo, 2).tolist() == [9, 1]
    # [4] is near [3] and [1], whose own scores are 6.5 and 2.5; [1] is near [1] and [0]: 2.5 and 5
    np.testing.assert_allclose(form_scores("density", found, loo, 2), [5 / 4.5**0.5, 0.5 / 3.75**0.5], rtol=1e-6)
    np.testing.assert_allclose(form_scores("density", found, loo, 1), [1 / 4**0.5, 0], rtol=1e-6)
    # Without [0] its neighbours [1] and [3] have each other alone, at 4; without [1] the others are 9 apart.
    np.testing.assert_allclose(form_scores("density", loo, None, 2, own=True), [5 / 2, 2.5 / 3, 6.5 / 1], rtol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(1, 60))
def test_the_mean_is_the_papers_score_bit_for_bit(seed, q, columns):
    distances = np.random.default_rng(seed).exponential(size=(q, columns)).astype(np.float32).cumsum(axis=1)
    found = Found(distances, np.zeros((q, columns), np.int64), columns, columns)
    assert np.array_equal(form_scores_for_every_k("mean", found, None), scores_for_every_k(distances))
    assert np.array_equal(form_scores_for_every_k("kth", found, None), distances)


@NAMES
@pytest.mark.parametrize("own", [False, True])
def test_every_k_equals_each_k_bit_for_bit(form, own):
    found, loo = random_tables(0)
    found = loo if own else found
    table = form_scores_for_every_k(form, found, loo, own=own)
    assert table.shape == found.distances.shape and table.dtype == np.float32 and table.flags.c_contiguous
    for k in range(1, 13):
        assert np.array_equal(table[:, k - 1], form_scores(form, found, loo, k, own=own))
    assert np.array_equal(table[:, -1], form_scores(form, found, loo, 99, own=own))


@NAMES
def test_a_score_does_not_depend_on_what_else_is_scored(form, monkeypatch):
    found, loo = random_tables(1)
    table, own = form_scores_for_every_k(form, found, loo), form_scores_for_every_k(form, loo, loo, own=True)
    for row in range(len(table)):
        alone = Found(found.distances[row : row + 1], found.indices[row : row + 1], 12, 12)
        assert np.array_equal(form_scores_for_every_k(form, alone, loo)[0], table[row])
    monkeypatch.setattr(module, "_ROWS", 7)
    assert np.array_equal(form_scores_for_every_k(form, found, loo), table)
    assert np.array_equal(form_scores_for_every_k(form, loo, loo, own=True), own)


@given(st.data())
def test_density_against_its_definition(data):
    n, k = data.draw(st.integers(2, 20)), data.draw(st.integers(1, 25))
    normals = data.draw(arrays(np.float32, (n, 2), elements=GRID))
    found, loo = tables(normals, data.draw(arrays(np.float32, (5, 2), elements=GRID)), k)
    own = loo.distances.mean(axis=1, dtype=np.float64)
    for row, score in enumerate(form_scores("density", found, loo, k)):
        mean = found.distances[row].mean(dtype=np.float64)
        around = max(own[found.indices[row]].mean(), DENSEST * mean)
        assert score == pytest.approx(mean / around**0.5 if mean else 0, rel=1e-5)


def assert_own_equals_a_bank_of_the_others(normals, columns, ks):
    """`columns` of the table, scores at `ks`; of what is compared nothing is cut off where ks < columns."""
    loo = leave_one_out(Bank(normals), columns)
    for form in FORMS:
        for k in ks:
            scores = form_scores(form, loo, loo, k, own=True)
            for row in range(len(normals)):
                others = Bank(np.delete(normals, row, axis=0))
                found = others.search(normals[row : row + 1], k)
                expected = form_scores(form, found, leave_one_out(others, k), k)[0]
                assert scores[row] == pytest.approx(expected, rel=1e-5, abs=1e-12), (form, k, row)


@settings(max_examples=50)
@given(st.data())
def test_own_scores_equal_a_bank_without_the_normal_where_distances_tie(data):
    n = data.draw(st.integers(3, 12))
    normals = data.draw(arrays(np.float32, (n, 2), elements=GRID))
    columns = data.draw(st.integers(2, n - 1))
    ks = {data.draw(st.integers(1, columns - 1))} | ({n - 1, n + 3} if columns == n - 1 else set())
    assert_own_equals_a_bank_of_the_others(normals, columns, ks)


@pytest.mark.parametrize("spread", [1, 1e-3, 1e15])
def test_own_scores_equal_a_bank_without_the_normal(spread):
    rng = np.random.default_rng(3)
    clusters = np.concatenate([rng.normal(size=(20, 4)), 5 + 0.01 * rng.normal(size=(9, 4)), 40 * np.ones((1, 4))])
    assert_own_equals_a_bank_of_the_others((spread * clusters).astype(np.float32), 12, [1, 2, 5, 11])


def test_own_scores_where_the_table_ends():
    # Pairs (0, 1) and (2, 3), and a table of two columns: without the other of its pair each has one neighbour left.
    loo = leave_one_out(Bank([[0.0], [1.0], [10.0], [12.0]]), 2)
    assert loo.distances.tolist() == [[1, 100], [1, 81], [4, 81], [4, 121]]
    # 0 is near 1 and 2. At k = 2 normal 1 keeps 81 alone; normal 2 does not have 0 among its two: (4 + 81) / 2.
    score = form_scores("density", loo, loo, 2, own=True)[0]
    assert score == pytest.approx(50.5 / ((81 + 42.5) / 2) ** 0.5)
    # With a single column nothing is left of 1 without 0, and it counts as it is.
    loo = leave_one_out(Bank([[0.0], [1.0], [10.0], [12.0]]), 1)
    assert form_scores("density", loo, loo, 1, own=True).tolist() == [1, 1, 2, 2]


def test_two_normals_score_themselves_as_they_score_others():
    found, loo = tables([[0], [3]], [[-3]], 2)
    assert form_scores("density", loo, loo, 1, own=True).tolist() == [3, 3]
    assert form_scores("density", found, loo, 1).tolist() == [3]


def test_one_normal_is_scored_by_the_mean():
    found = Bank([[0.0]]).search(np.float32([[2], [0]]), 3)
    assert form_scores("density", found, None, 3).tolist() == [4, 0]


@pytest.mark.parametrize("largest", [2, 1e18])
def test_equal_normals_give_finite_scores_that_still_rank(largest):
    found, loo = tables(np.zeros((6, 2)), [[0, 0], [0, largest / 2], [0, largest]], 3)
    scores = form_scores_for_every_k("density", found, loo)
    assert np.isfinite(scores).all() and (scores[0] == 0).all()
    np.testing.assert_allclose(scores[2], largest / DENSEST**0.5, rtol=1e-6)
    assert (scores[1] < scores[2]).all()
    assert (form_scores_for_every_k("density", loo, loo, own=True) == 0).all()


@NAMES
def test_nothing_to_score(form):
    found, loo = tables(np.eye(4), np.empty((0, 4)), 3)
    assert form_scores(form, found, loo, 2).shape == (0,)
    assert form_scores_for_every_k(form, found, loo).shape == (0, 3)


def test_refusals():
    found, loo = random_tables(2)
    for call in (lambda name: form_scores(name, found, loo, 2), lambda name: form_scores_for_every_k(name, found, loo)):
        with pytest.raises(Refused, match="out of mean, kth, density, got lof"):
            call("lof")
    with pytest.raises(Refused, match="at least 1, got 0"):
        form_scores("mean", found, loo, 0)
    empty = Found(np.empty((2, 0), np.float32), np.empty((2, 0), np.int64), 0, 3)
    with pytest.raises(Refused, match="at least one neighbour"):
        form_scores_for_every_k("kth", empty, loo)
    with pytest.raises(Refused, match="at least one neighbour"):
        form_scores("density", empty, loo, 1)
