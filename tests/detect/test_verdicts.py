"""Limits, percentiles and verdicts by hand."""

import math

import numpy as np
import pytest

from dn2core.detect import (
    FORMS,
    Bank,
    Found,
    Reference,
    ScoreTable,
    changes,
    conformal_limit,
    form_scores,
    judge,
    knn_scores,
    leave_one_out,
    percentile_among,
    usual_spacing,
)
from dn2core.errors import Refused


def table(distances):
    distances = np.asarray(distances, np.float32)
    return Found(distances, np.zeros(distances.shape, np.int64), distances.shape[1], distances.shape[1])


def judged(seed=0, n=40, q=60, k=2, budget=0.01):
    rng = np.random.default_rng(seed)
    bank = Bank(rng.normal(size=(n, 6)))
    found = bank.search(rng.normal(scale=1.5, size=(q, 6)), 50)
    return leave_one_out(bank, 50), found, judge(leave_one_out(bank, 50), found, k=k, budget=budget)


@pytest.mark.parametrize("budget", [0, -0.1, 1, 1.5, math.nan])
def test_a_budget_out_of_range_is_refused(budget):
    with pytest.raises(Refused, match="1 in 200"):
        judge(None, table([[1]]), k=1, budget=budget)
    with pytest.raises(Refused, match="1 in 200"):
        ScoreTable(None, table([[1]])).judge(1, 0.01, budget)


def test_more_rejected_than_flagged_is_refused():
    with pytest.raises(Refused, match="at most the share that may be flagged"):
        ScoreTable(None, table([[1]])).judge(1, 0.01, 0.02)


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
    assert (j.k, j.k_asked, j.budget, j.reliable) == (2, 2, 0.01, False)
    assert j.multiples == pytest.approx(np.sqrt([2, 3, 3.5, 0]))  # the spacing is 1
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
@pytest.mark.parametrize("budget", [0.5, 0.01, 0.001])
def test_a_table_says_what_the_plain_functions_say(k, budget):
    loo, found, j = judged(k=k, budget=budget)
    used = min(k, loo.k)
    normals, scores = knn_scores(loo.distances, used), knn_scores(found.distances, used)
    assert np.array_equal(j.normal_scores, normals) and np.array_equal(j.scores, scores)
    assert j.limit == conformal_limit(normals, budget) and j.limit in normals
    assert j.limit == ScoreTable(loo, found).limits(budget)[used - 1]
    assert np.array_equal(j.percentiles, percentile_among(normals, scores))
    assert np.array_equal(j.flagged, scores > j.limit)
    assert np.array_equal(j.verdicts == "reject", j.flagged)
    assert set(j.verdicts) <= {"pass", "reject"}
    assert ScoreTable(loo, found).judge(k, budget).k == used


def test_with_two_limits_what_lies_between_is_for_review():
    scores = np.arange(1, 101, dtype=np.float32)  # 100 normals: at most 10 of the 101 ranks above 91, 5 above 96
    one = table(scores[:, None])
    j = ScoreTable(one, table([[91], [91.5], [96], [96.5], [300]])).judge(1, 0.1, 0.05)
    assert (j.limit, j.reject_limit) == (91, 96)
    assert j.verdicts.tolist() == ["pass", "review", "review", "reject", "reject"]
    assert j.flagged.tolist() == [False, True, True, True, True]
    assert j.false_alarms == pytest.approx(10 / 101) and j.rejection.forecast.expected == pytest.approx(5 / 101)


@pytest.mark.parametrize("form", list(FORMS))
def test_one_k_by_itself_says_what_it_says_among_all(form):
    loo, found, _ = judged()
    lots = Reference("lots", Found(loo.distances[:, ::-1].copy() + 1, loo.indices, loo.k, loo.k), np.arange(40) // 8)
    for reference in (None, lots):
        alone = ScoreTable(loo, found, form=form, reference=reference)
        among = ScoreTable(loo, found, form=form, reference=reference)
        assert among.limits(0.1).shape == (39,) and among.scores.shape == (39, 60)
        for k in (1, 2, 39):
            one, other = alone.judge(k, 0.1), among.judge(k, 0.1)
            for name in ("scores", "normal_scores", "reference_scores", "verdicts", "multiples", "percentiles"):
                assert np.array_equal(getattr(one, name), getattr(other, name))
            assert one.limit == other.limit == among.limits(0.1)[k - 1]


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_judges_by_its_own_scores(form):
    loo, found, _ = judged()
    j = ScoreTable(loo, found, form=form).judge(3, 0.1)
    assert np.array_equal(j.scores, form_scores(form, found, loo, 3))
    assert np.array_equal(j.normal_scores, form_scores(form, loo, loo, 3, own=True))
    assert j.limit == conformal_limit(j.normal_scores, 0.1) and j.form == form
    # What a person reads as a multiple of the spacing is a distance in every form.
    assert j.multiples == pytest.approx(np.sqrt(knn_scores(found.distances, 3)) / j.spacing)


def test_limits_rest_on_the_reference_that_is_given():
    loo, found, j = judged()
    held = Bank(np.random.default_rng(0).normal(size=(40, 6))).search(np.random.default_rng(9).normal(size=(30, 6)), 50)
    other = ScoreTable(loo, found, reference=Reference("held_out", held)).judge(2, 0.2)
    assert other.limit == conformal_limit(knn_scores(held.distances, 2), 0.2)
    assert other.calibrated_on == "held_out" and other.calibration.forecast.n == 30
    assert np.array_equal(other.percentiles, percentile_among(knn_scores(held.distances, 2), other.scores))
    assert np.array_equal(other.normal_scores, j.normal_scores)


def test_lots_widen_the_forecast():
    loo, found, j = judged(budget=0.1)
    lots = ScoreTable(loo, found, reference=Reference("lots", loo, np.arange(40) // 10)).judge(2, 0.1)
    assert lots.limit == j.limit and lots.calibrated_on == "lots"
    assert lots.calibration.forecast.n_effective < 40 == j.calibration.forecast.n_effective


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
    ("n", "budget", "expected"),
    [(2, 0.01, 1 / 3), (20, 0.01, 1 / 21), (72, 0.01, 1 / 73), (999, 0.01, 10 / 1000), (4, 0.5, 2 / 5)],
)
def test_the_share_of_false_alarms_is_that_of_ranks_behind_the_limit(n, budget, expected):
    scores = np.random.default_rng(n).permutation(n).astype(np.float32)
    assert judge(table(scores[:, None]), table(scores[:1, None]), k=1, budget=budget).false_alarms == pytest.approx(
        expected
    )


def test_the_share_of_false_alarms_holds_for_new_good_parts():
    rng = np.random.default_rng(0)
    flagged = []
    for _ in range(4000):
        scores = rng.random((31, 1), np.float32)
        j = judge(table(scores[:30]), table(scores[30:]), k=1, budget=0.1)
        flagged.append(j.flagged[0])
    assert np.mean(flagged) == pytest.approx(j.false_alarms, abs=0.015)
