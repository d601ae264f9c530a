"""The sweep says for every k what one judgement says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.detect import Bank, Found, ScoreTable, changes, judge, leave_one_out
from dn2core.explore import sweep_table


def tables(seed=0, n=30, q=50, scale=1.5):
    rng = np.random.default_rng(seed)
    bank = Bank(rng.normal(size=(n, 5)))
    loo = leave_one_out(bank, 50) if n > 1 else None
    return loo, bank.search(rng.normal(scale=scale, size=(q, 5)), 50)


def sweep(loo, found, **options):
    return sweep_table(ScoreTable(loo, found), **options)


@given(st.integers(0, 1000), st.integers(2, 70), st.integers(0, 40), st.integers(1, 50), st.sampled_from([0.25, 0.01]))
def test_every_k_says_what_its_judgement_says(seed, n, q, k_now, budget):
    loo, found = tables(seed, n, q)
    s = sweep(loo, found, budget=budget, k_now=k_now)
    assert s.k.tolist() == list(range(1, min(50, n - 1) + 1))
    now = judge(loo, found, k=k_now, budget=budget)
    for row, k in enumerate(s.k.tolist()):
        j = judge(loo, found, k=k, budget=budget)
        assert s.limits[row] == j.limit
        assert np.array_equal(s.flagged[row], j.flagged)
        assert s.flagged_count[row] == j.flagged.sum()
        assert s.flips[row] == len(changes(now, j))
        assert s.newly_flagged[row] == (j.flagged & ~now.flagged).sum()
        span = (s.edges[row, 0], s.edges[row, -1])
        if span[1] - span[0] > 1e-5:
            for scores, histogram in ((j.normal_scores, s.normal_hist[row]), (j.scores, s.scored_hist[row])):
                assert histogram.sum() == len(scores)
                # A score on an edge may fall to either side of it by rounding, not farther.
                expected = np.histogram(scores, bins=s.edges[row])[0]
                assert np.abs(np.cumsum(histogram) - np.cumsum(expected)).max() <= 1


def test_histograms_by_hand():
    loo = Found(np.array([[0.0], [1], [10]], np.float32), np.zeros((3, 1), np.int64), 1, 1)
    found = Found(np.array([[0.5], [4], [9.9]], np.float32), np.zeros((3, 1), np.int64), 1, 1)
    s = sweep(loo, found, bins=5, budget=0.5)
    assert s.edges.tolist() == [[0, 2, 4, 6, 8, 10]]
    assert s.normal_hist.tolist() == [[2, 0, 0, 0, 1]]
    assert s.scored_hist.tolist() == [[1, 0, 1, 0, 1]]
    assert s.limits.tolist() == [1]
    assert s.flagged.tolist() == [[False, True, True]]


def test_k_max_cuts_the_table():
    assert len(sweep(*tables(), k_max=7).k) == 7


def test_one_normal_gives_no_limit_and_no_flag():
    s = sweep(*tables(n=1))
    assert np.isnan(s.limits).all() and not s.flagged.any()
    assert s.normal_hist.sum() == 0 and s.scored_hist.sum() == 50


def test_nothing_scored():
    s = sweep(*tables(q=0))
    assert s.scored_hist.sum() == 0 and (s.normal_hist.sum(axis=1) == 30).all()
    assert s.flagged_count.tolist() == [0] * 29


def test_nothing_at_all():
    s = sweep(*tables(n=1, q=0))
    assert s.normal_hist.sum() == s.scored_hist.sum() == 0
    assert (np.diff(s.edges) > 0).all()


@pytest.mark.parametrize("value", [0.0, 5.0, 1e30])
def test_equal_scores_still_have_a_span(value):
    distances = np.full((4, 3), value, np.float32)
    same = Found(distances, np.zeros((4, 3), np.int64), 3, 3)
    s = sweep(same, same)
    assert (np.diff(s.edges) > 0).all()
    assert (s.normal_hist.sum(axis=1) == 4).all() and not s.flagged.any()
