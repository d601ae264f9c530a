"""Limits, percentiles and verdicts by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.detect import (
    Bank,
    Found,
    ScoreTable,
    changes,
    judge,
    knn_scores,
    leave_one_out,
    limit_of,
    percentile_among,
    usual_spacing,
)
from dn2core.errors import Refused


def table(distances):
    distances = np.asarray(distances, np.float32)
    return Found(distances, np.zeros(distances.shape, np.int64), distances.shape[1], distances.shape[1])


def judged(seed=0, n=40, q=60, k=2, percentile=99.0):
    rng = np.random.default_rng(seed)
    bank = Bank(rng.normal(size=(n, 6)))
    found = bank.search(rng.normal(scale=1.5, size=(q, 6)), 50)
    return leave_one_out(bank, 50), found, judge(leave_one_out(bank, 50), found, k=k, percentile=percentile)


def test_the_limit_is_one_of_the_scores():
    scores = np.arange(1, 102, dtype=np.float32)[::-1]  # 101 of them: 100 steps
    assert limit_of(scores, 99) == 100
    assert limit_of(scores, 98.5) == 100
    assert limit_of(scores, 100) == 101
    assert limit_of(np.arange(751, dtype=np.float32), 4.4) == 33  # though 750 * 4.4 / 100 is a hair above 33
    assert limit_of(np.array([5, 3], np.float32), 99) == 5


@given(st.lists(st.floats(0, 100, width=32), min_size=2, max_size=60), st.integers(1, 100))
def test_the_limit_is_numpys_higher_quantile(scores, percentile):
    scores = np.array(scores, np.float32)
    exact = -(-(len(scores) - 1) * percentile // 100)
    assert limit_of(scores, percentile) == np.sort(scores)[exact]
    if percentile in (25, 50, 75, 100):
        assert limit_of(scores, percentile) == np.quantile(scores, percentile / 100, method="higher")


@pytest.mark.parametrize("scores", [[], [4.0]])
def test_below_two_normals_there_is_no_limit(scores):
    assert math.isnan(limit_of(np.array(scores, np.float32)))


@pytest.mark.parametrize("percentile", [0, -1, 100.1, math.nan])
def test_a_percentile_out_of_range_is_refused(percentile):
    with pytest.raises(Refused, match="above 0 and up to 100"):
        limit_of(np.ones(3), percentile)
    with pytest.raises(Refused, match="above 0 and up to 100"):
        judge(None, table([[1]]), k=1, percentile=percentile)


def test_percentiles_count_the_normals_strictly_below():
    normals = np.array([3, 1, 2, 2], np.float32)
    assert percentile_among(normals, np.array([0, 1, 2, 2.5, 3, 9], np.float32)).tolist() == [0, 0, 25, 75, 75, 100]
    assert np.isnan(percentile_among(np.empty(0), np.ones(2))).all()


def test_usual_spacing_is_the_median_unsquared_distance():
    assert usual_spacing(table([[4, 9], [16, 90], [1, 2]])) == 2
    assert usual_spacing(table([[4], [16]])) == 3


def test_verdicts_by_hand():
    loo = table([[1, 3], [2, 2], [1, 5]])  # k = 2: 2, 2, 3
    found = table([[0, 4, 9], [3, 3, 3], [3, 4, 4], [0, 0, 0]])  # k = 2: 2, 3, 3.5, 0
    j = judge(loo, found, k=2)
    assert j.limit == 3 and j.normal_scores.tolist() == [2, 2, 3]
    assert j.scores.tolist() == [2, 3, 3.5, 0]
    assert j.verdicts.tolist() == ["pass", "pass", "reject", "pass"]  # on the limit is not above it
    assert j.flagged.tolist() == [False, False, True, False]
    assert j.percentiles == pytest.approx([0, 200 / 3, 100, 0])
    assert (j.k, j.k_asked, j.percentile, j.reliable) == (2, 2, 99.0, False)
    assert j.spacing == 1


def test_normals_and_queries_are_compared_at_the_same_k():
    features = np.array([[0.0], [1.0], [3.0]])
    bank = Bank(features)
    j = judge(leave_one_out(bank, 50), bank.search([[9.0]], 50), k=5)
    assert (j.k, j.k_asked) == (2, 5)
    assert j.normal_scores.tolist() == [5, 2.5, 6.5]
    assert j.scores.tolist() == [(36 + 64) / 2]


def test_with_one_normal_nothing_passes_and_nothing_is_flagged():
    found = Bank([[1.0, 1.0]]).search([[1.0, 1.0], [9.0, 9.0]], 5)
    j = judge(None, found, k=3)
    assert j.verdicts.tolist() == ["review", "review"]
    assert not j.flagged.any() and not j.reliable
    assert math.isnan(j.limit) and math.isnan(j.spacing) and np.isnan(j.percentiles).all()
    assert j.normal_scores.shape == (0,) and (j.k, j.k_asked) == (1, 3)


def test_a_score_that_is_not_a_number_never_passes():
    j = judge(table([[1], [2]]), table([[np.nan], [1]]), k=1)
    assert j.verdicts.tolist() == ["review", "pass"]


def test_identical_normals_flag_whatever_differs():
    bank = Bank(np.ones((30, 4)))
    j = judge(leave_one_out(bank, 50), bank.search([[1, 1, 1, 1], [1, 1, 1, 1.001]], 50), k=2)
    assert j.limit == 0 and j.spacing == 0 and j.reliable
    assert j.verdicts.tolist() == ["pass", "reject"]


def test_nothing_scored():
    bank = Bank(np.eye(4))
    j = judge(leave_one_out(bank, 50), bank.search(np.empty((0, 4)), 50), k=2)
    assert j.verdicts.shape == j.scores.shape == j.flagged.shape == j.percentiles.shape == (0,)


@pytest.mark.parametrize(("n", "reliable"), [(19, False), (20, True)])
def test_few_normals_are_called_unreliable(n, reliable):
    assert judged(n=n)[2].reliable is reliable


@pytest.mark.parametrize("k", [1, 2, 3, 17, 39, 50])
@pytest.mark.parametrize("percentile", [50.0, 99.0, 100.0])
def test_a_table_says_what_the_plain_functions_say(k, percentile):
    loo, found, j = judged(k=k, percentile=percentile)
    used = min(k, loo.k)
    normals, scores = knn_scores(loo.distances, used), knn_scores(found.distances, used)
    assert np.array_equal(j.normal_scores, normals) and np.array_equal(j.scores, scores)
    assert j.limit == limit_of(normals, percentile) and j.limit in normals
    assert j.limit == ScoreTable(loo, found).limits(percentile)[used - 1]
    assert np.array_equal(j.percentiles, percentile_among(normals, scores))
    assert np.array_equal(j.flagged, scores > limit_of(normals, percentile))
    assert np.array_equal(j.verdicts == "reject", j.flagged)
    assert set(j.verdicts) <= {"pass", "reject"}
    assert ScoreTable(loo, found).judge(k, percentile).k == used


def test_at_the_hundredth_percentile_no_normal_lies_above():
    loo, _, j = judged(percentile=100.0)
    assert not (knn_scores(loo.distances, 2) > j.limit).any()


def test_k_below_one_is_refused():
    with pytest.raises(Refused, match="got 0"):
        ScoreTable(None, table([[1]])).judge(0)


def test_changes_are_the_positions_whose_verdict_differs():
    loo = table([[1, 1], [1, 1]])
    found = table([[0, 0], [0, 9], [2, 2], [3, 3]])
    before, after = judge(loo, found, k=1), judge(loo, found, k=2)
    assert before.flagged.tolist() == [False, False, True, True]
    assert changes(before, after).tolist() == [1]
    assert changes(before, before).tolist() == []
    with pytest.raises(Refused, match="4 and 1 images"):
        changes(before, judge(loo, table([[0, 0]]), k=1))


@pytest.mark.parametrize(
    ("n", "percentile", "expected"),
    [(2, 99, 1 / 3), (20, 99, 1 / 21), (72, 99, 1 / 73), (999, 99, 10 / 1000), (4, 50, 2 / 5)],
)
def test_the_share_of_false_alarms_is_that_of_ranks_behind_the_limit(n, percentile, expected):
    scores = np.random.default_rng(n).permutation(n).astype(np.float32)
    table = ScoreTable(
        Found(scores[:, None], np.zeros((n, 1), int), 1, 1), Found(scores[:1, None], np.zeros((1, 1), int), 1, 1)
    )
    assert table.judge(1, percentile).false_alarms == pytest.approx(expected)


def test_the_share_of_false_alarms_holds_for_new_good_parts():
    rng = np.random.default_rng(0)
    flagged = []
    for _ in range(4000):
        scores = rng.random((31, 1), np.float32)
        table = ScoreTable(
            Found(scores[:30], np.zeros((30, 1), int), 1, 1), Found(scores[30:], np.zeros((1, 1), int), 1, 1)
        )
        judged = table.judge(1, 90)
        flagged.append(judged.flagged[0])
    assert np.mean(flagged) == pytest.approx(judged.false_alarms, abs=0.015)
