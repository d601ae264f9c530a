"""Limits by a false-alarm budget and their forecasts: by hand, against scipy and by simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dn2core.detect.calibration import (
    check_budget,
    conformal_limit,
    flagged_of,
    forecast,
    good_share,
    limit_for,
    limits_of_rows,
    normals_needed,
    p_values,
)
from dn2core.errors import Refused

some_scores = st.lists(st.floats(0, 100, width=32) | st.integers(0, 3).map(float), min_size=2, max_size=80)
budgets = st.floats(1e-6, 1 - 1e-6)


@pytest.mark.parametrize("budget", [0, 1, -0.1, 1.5, 5, math.nan, math.inf])
def test_a_budget_that_is_no_share_is_refused(budget):
    for call in (check_budget, normals_needed, lambda b: limit_for(np.arange(9.0), b)):
        with pytest.raises(Refused, match=f"0.005 for 1 in 200 good parts, got {budget}"):
            call(budget)


def test_the_limit_by_hand():
    scores = np.arange(1, 100, dtype=np.float32)[::-1]  # 99 of them: 100 ranks with the next one
    assert conformal_limit(scores, 0.05) == 95
    assert conformal_limit(scores, 0.01) == 99
    assert conformal_limit(scores, 0.059) == 95
    assert conformal_limit(scores, 0.001) == 99  # 999 normals would be needed: the largest
    assert conformal_limit(scores, 0.999) == 1
    assert conformal_limit(np.arange(1, 200), 0.005) == 199
    assert conformal_limit(np.array([5, 3], np.float32), 0.7) == 3


@pytest.mark.parametrize("one_in", [3, 7, 10, 20, 49, 100, 200, 1000])
def test_the_rank_is_exact_where_floats_are_not(one_in):
    for times in range(1, 40):
        n = times * one_in - 1
        if n >= 2:
            rank = math.ceil((n + 1) * (1 - Fraction(1, one_in)))
            assert conformal_limit(np.arange(1, n + 1), 1 / one_in) == rank


@given(some_scores, budgets)
def test_the_limit_is_the_score_of_the_conformal_rank(scores, budget):
    rank = math.ceil((len(scores) + 1) * (1 - Fraction(budget)) - Fraction(1, 10**8))
    limit = conformal_limit(np.array(scores, np.float32), budget)
    assert limit == sorted(scores)[min(max(rank, 1), len(scores)) - 1]


@given(some_scores, budgets, budgets)
def test_a_smaller_budget_never_lowers_the_limit(scores, one, other):
    scores = np.array(scores, np.float32)
    assert conformal_limit(scores, min(one, other)) >= conformal_limit(scores, max(one, other))


@given(st.lists(st.floats(0, 100, width=32), min_size=2, max_size=80), budgets)
def test_the_expectation_keeps_the_budget_where_it_can(scores, budget):
    found = limit_for(np.array(scores, np.float32), budget)
    assert found.forecast.low <= found.forecast.expected <= found.forecast.high
    if (len(scores) + 1) * budget >= 1:
        assert found.forecast.expected <= budget + 1e-9


@given(some_scores, budgets, st.randoms(use_true_random=False))
def test_order_does_not_matter(scores, budget, random):
    lots = np.arange(len(scores)) % 3
    order = np.array(random.sample(range(len(scores)), len(scores)))
    scores = np.array(scores, np.float32)
    one, other = limit_for(scores, budget, lots), limit_for(scores[order], budget, 7 - 2 * lots[order])
    assert one.value == other.value
    assert one.forecast.n_effective == pytest.approx(other.forecast.n_effective, rel=1e-6)


def test_rows_are_the_same_one_by_one():
    rows = np.sort(np.random.default_rng(0).gamma(4, size=(50, 301)).astype(np.float32), axis=1)
    for budget in (0.001, 0.01, 0.3):
        limits = limits_of_rows(rows, budget)
        assert limits.dtype == np.float64 and limits.tolist() == [conformal_limit(row, budget) for row in rows]
    assert np.isnan(limits_of_rows(rows[:, :1], 0.1)).all() and limits_of_rows(rows[:, :1], 0.1).shape == (50,)
    with pytest.raises(Refused, match="got 1 that"):
        limits_of_rows(np.array([[1, 2, 3], [1, 2, np.nan]]), 0.1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    scores = np.array([1, bad, 2])
    for call in (
        lambda: conformal_limit(scores, 0.1),
        lambda: forecast(scores, 1.0),
        lambda: p_values(scores, np.ones(1)),
        lambda: p_values(np.ones(1), scores),
        lambda: good_share(scores),
    ):
        with pytest.raises(Refused, match="Expected finite scores, got 1 that"):
            call()


def test_a_forecast_is_clopper_and_pearsons_interval_for_those_above():
    scores = np.arange(1.0, 301)
    for limit, above in ((297.0, 3), (297.5, 3), (300.0, 0), (999.0, 0), (0.0, 300)):
        ahead = forecast(scores, limit)
        exact = stats.binomtest(above, 300).proportion_ci(0.95, "exact")
        assert (ahead.low, ahead.high) == pytest.approx((exact.low, exact.high), abs=1e-12)
        assert ahead.expected == (above + 1) / 301
        assert (ahead.n, ahead.n_effective, ahead.above, ahead.design_effect) == (300, 300.0, above, 1.0)


@pytest.mark.parametrize("n", [20, 62, 300, 1000])
@pytest.mark.parametrize("budget", [0.01, 0.05, 0.1])
def test_the_true_share_lies_inside_as_often_as_said(n, budget):
    # The true share above a limit among uniform scores is 1 - limit.
    draws = np.sort(np.random.default_rng(n).uniform(size=(4000, n)), axis=1)
    true = 1 - limits_of_rows(draws, budget)
    told = [forecast(draw, 1 - share) for draw, share in zip(draws[:50], true, strict=False)]
    assert len(set(told)) == 1  # scores that all differ: only their number counts
    inside = (told[0].low <= true) & (true <= told[0].high)
    assert inside.mean() >= 0.95
    assert (true > told[0].high).mean() == pytest.approx(0.025, abs=0.008)  # no wider than it must be
    assert true.mean() == pytest.approx(told[0].expected, rel=0.05)


@pytest.mark.parametrize("n", [20, 300])
@pytest.mark.parametrize("budget", [0.01, 0.1])
def test_the_next_parts_that_are_flagged_lie_inside_as_often_as_said(n, budget):
    rng = np.random.default_rng(n)
    inside, above = [], []
    for _ in range(600):
        found = limit_for(rng.uniform(size=n), budget)
        flagged = rng.binomial(1000, 1 - found.value)
        expected, low, high = flagged_of(found.forecast, 1000)
        assert low <= expected <= high
        inside.append(low <= flagged <= high)
        above.append(flagged > high)
    assert np.mean(inside) >= 0.95
    assert 0.01 <= np.mean(above) <= 0.04  # 2.5 %: the upper end is no wider than it must be


def test_the_flagged_parts_are_beta_binomial():
    ahead = forecast(np.arange(1.0, 101), 95.0)
    expected, low, high = flagged_of(ahead, 250)
    assert expected == pytest.approx(250 * 6 / 101)
    assert low == stats.betabinom(250, 5, 96).ppf(0.025)
    assert high == stats.betabinom(250, 6, 95).ppf(0.975)
    assert flagged_of(ahead, 0) == (0, 0, 0)
    assert flagged_of(forecast(np.arange(5.0), -1), 7)[1:] == (stats.betabinom(7, 5, 1).ppf(0.025), 7)  # all above


@pytest.mark.parametrize("one_in, needed", [(20, 59), (100, 299), (200, 598), (2, 5)])
def test_how_many_normals_a_budget_needs(one_in, needed):
    assert normals_needed(1 / one_in) == needed
    assert (1 - 1 / one_in) ** needed <= 0.05 < (1 - 1 / one_in) ** (needed - 1)
    enough, short = (limit_for(np.arange(float(n)), 1 / one_in) for n in (needed, needed - 1))
    assert enough.supported and enough.more_needed == 0 and enough.best_budget <= 1 / one_in
    assert not short.supported and short.more_needed == 1 and short.best_budget > 1 / one_in
    assert normals_needed(1e-12) > 10**12


def test_62_normals_cannot_promise_better_than_about_1_in_20():
    found = limit_for(np.arange(62.0), 1 / 200)
    assert not found.supported and found.more_needed == 598 - 62
    assert 1 / found.best_budget == pytest.approx(21.2, abs=0.05)
    assert found.value == 61 and found.forecast.expected == 1 / 63


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("with_lots", [True, False])
def test_tiny_sets(n, equal, with_lots):
    scores = np.full(n, 3.0) if equal else np.arange(n) + 1.0
    found = limit_for(scores, 0.05, np.arange(n) % 2 if with_lots else None)
    ahead = found.forecast
    assert not found.supported and found.more_needed >= 59 - n
    assert 0 <= ahead.low <= ahead.high <= 1 and ahead.above == 0
    assert found.best_budget == pytest.approx(1 - 0.05 ** (1 / ahead.n_effective) if n else 1)
    if n < 2:
        assert math.isnan(found.value) and math.isnan(ahead.expected) and (ahead.low, ahead.high) == (0, 1)
        expected, low, high = flagged_of(ahead, 40)
        assert math.isnan(expected) and (low, high) == (0, 40)
    else:
        assert found.value == scores[-1] and ahead.expected == 1 / (n + 1)


def test_scores_that_equal_the_limit_pass_and_are_not_counted():
    ahead = forecast(np.full(100, 3.0), 3.0)
    assert (ahead.above, ahead.expected, ahead.low) == (0, 1 / 101, 0)
    scores = np.repeat([1.0, 2.0], [90, 10])
    assert limit_for(scores, 0.05).value == 2 and limit_for(scores, 0.05).forecast.above == 0
    assert limit_for(scores, 0.2).value == 1 and limit_for(scores, 0.2).forecast.above == 10


def lots_that_differ(rng, *, lots, size, correlation):
    """Scores whose share above a limit is known, and the lot of each."""
    codes = np.repeat(np.arange(lots), size)
    own, common = rng.normal(size=lots * size), rng.normal(size=lots)
    return math.sqrt(correlation) * common[codes] + math.sqrt(1 - correlation) * own, codes


@pytest.mark.parametrize("lots, size", [(4, 25), (15, 20)])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_lots_widen_the_interval_until_it_holds(lots, size, correlation):
    rng = np.random.default_rng(lots)
    inside, plainly, next_ones = [], [], []
    for _ in range(200):
        scores, codes = lots_that_differ(rng, lots=lots, size=size, correlation=correlation)
        limit = conformal_limit(scores, 0.05)
        true = stats.norm.sf(limit)
        with_lots, without = forecast(scores, limit, codes), forecast(scores, limit)
        inside.append(with_lots.low <= true <= with_lots.high)
        plainly.append(without.low <= true <= without.high)
        new, _ = lots_that_differ(rng, lots=5, size=size, correlation=correlation)
        _, low, high = flagged_of(with_lots, len(new))
        next_ones.append(low <= (new > limit).sum() <= high)
    assert np.mean(inside) >= 0.95 and np.mean(next_ones) >= 0.93
    if correlation:
        assert np.mean(plainly) < 0.9


def test_what_lots_are_worth():
    rng = np.random.default_rng(0)
    unrelated = rng.normal(size=400)
    lots = np.repeat(np.arange(10), 40)
    assert forecast(unrelated, 1.5, lots).n_effective > 100
    alike = np.repeat(np.arange(10.0), 40)  # each lot says one thing
    assert forecast(alike, 8.0, lots).n_effective == pytest.approx(10)
    assert forecast(unrelated, 1.5, np.arange(400)).n_effective == 400  # lots of one image
    assert forecast(unrelated, 1.5, np.zeros(400, int)).n_effective == 1
    assert forecast(np.full(400, 2.0), 2.0, lots).n_effective == 400  # nothing that differs
    assert forecast(alike, 8.0, lots).low <= 0.1 <= forecast(alike, 8.0, lots).high
    assert forecast(alike, 8.0, [f"lot {lot}" if lot else None for lot in lots]) == forecast(alike, 8.0, lots)
    assert limit_for(alike, 0.05, lots).more_needed == 59 * 40 - 400
    assert flagged_of(forecast(alike, 8.0, lots), 40)[1:] == (0, 40)  # the next lot is flagged or not, as a whole
    # One lot that differs among the highest scores only.
    tail = unrelated + np.where((lots == 0) & (unrelated > 0), 9, 0)
    assert forecast(tail, 5.0, lots).n_effective < 30
    with pytest.raises(Refused, match="each of the 400 scores, got 3 lots"):
        forecast(unrelated, 1.5, np.zeros(3, int))


def test_few_lots_that_do_not_differ_are_thought_to_as_often_as_not():
    rng = np.random.default_rng(0)
    lots = np.repeat([0, 1], 20)
    less = [forecast(rng.normal(size=40), 99.0, lots).n_effective < 40 for _ in range(400)]
    assert np.mean(less) == pytest.approx(0.5, abs=0.07)


def test_normals_set_aside_count_as_good_at_the_upper_end():
    scores = np.arange(1.0, 286)
    plain, careful = forecast(scores, 280), forecast(scores, 280, set_aside=15)
    assert (careful.low, careful.expected, careful.above) == (plain.low, plain.expected, 5)
    assert careful.high == pytest.approx(stats.binomtest(5 + 15, 285 + 15).proportion_ci(0.95, "exact").high)
    assert flagged_of(careful, 100)[2] == stats.betabinom(100, 21, 280).ppf(0.975)
    assert flagged_of(careful, 100)[:2] == flagged_of(plain, 100)[:2]
    assert forecast(np.empty(0), 1.0, set_aside=3).high == 1


@pytest.mark.parametrize("set_aside", [1, 3, 15])
def test_a_budget_is_supported_when_it_holds_though_all_set_aside_are_good(set_aside):
    short = limit_for(np.arange(100.0), 0.02, set_aside=set_aside)
    needed = 100 + short.more_needed
    enough = limit_for(np.arange(float(needed)), 0.02, set_aside=set_aside)
    assert enough.supported and not limit_for(np.arange(float(needed - 1)), 0.02, set_aside=set_aside).supported
    assert stats.binom(needed + set_aside, 0.02).cdf(set_aside) <= 0.05
    assert stats.binom(needed - 1 + set_aside, 0.02).cdf(set_aside) > 0.05
    assert enough.best_budget <= 0.02 < short.best_budget
    assert stats.binom(100 + set_aside, short.best_budget).cdf(set_aside) == pytest.approx(0.05)


def test_dropping_the_farthest_good_ones_is_covered():
    rng = np.random.default_rng(0)
    inside, plainly = [], []
    for _ in range(300):
        kept = np.sort(rng.uniform(size=300))[:285]
        limit = conformal_limit(kept, 0.02)
        for ahead, outcomes in ((forecast(kept, limit), plainly), (forecast(kept, limit, set_aside=15), inside)):
            outcomes.append(ahead.low <= 1 - limit <= ahead.high)
    assert np.mean(inside) >= 0.95 and np.mean(plainly) < 0.3


def test_p_values_by_hand():
    normals = np.array([3, 1, 2, 2], np.float32)
    assert p_values(normals, [0, 1, 2, 2.5, 3, 9]) == pytest.approx(np.array([5, 5, 4, 2, 2, 1]) / 5)
    assert p_values(np.empty(0), [4.0]).tolist() == [1]
    assert p_values(normals, np.empty(0)).shape == (0,)


@given(some_scores, budgets)
def test_what_is_flagged_has_a_small_p_value(scores, budget):
    scores = np.array(scores, np.float32)
    if (len(scores) + 1) * budget < 1:
        return
    others = np.linspace(-1, 101, 50)
    flagged = others > conformal_limit(scores, budget)
    assert (p_values(scores, others)[flagged] <= budget + 1e-9).all()


def test_the_share_of_good_parts():
    assert good_share(np.empty(0)) == 1
    assert good_share(np.array([0.1, 0.2, 0.6, 0.9])) == 1
    assert good_share(np.array([0.1, 0.1, 0.1, 0.9])) == 0.5
    assert good_share(np.array([0.1, 0.1, 0.1, 0.1])) == 0
    assert good_share(np.array([0.1, 0.3, 0.3, 0.3]), at=0.25) == 1
    rng = np.random.default_rng(0)
    good, bad = rng.normal(size=2000), rng.normal(6, size=500)
    assert good_share(p_values(rng.normal(size=2000), np.concatenate([good, bad]))) == pytest.approx(0.8, abs=0.04)
    with pytest.raises(Refused, match="share from 0 to 1"):
        good_share(np.ones(1), at=1)
