"""What limits cost, by hand and against brute force."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.detect.costs import Prices, costs_of_labelled, costs_of_unlabelled
from dn2core.errors import Refused

some_scores = st.lists(st.integers(0, 12), min_size=1, max_size=30).map(lambda s: np.array(s, np.float32))
prices = st.builds(Prices, st.integers(1, 50), st.integers(0, 50))


@pytest.mark.parametrize("escape, false_reject", [(-1, 1), (1, -0.1), (0, 0), (math.nan, 1), (1, math.inf)])
def test_prices_that_are_none_are_refused(escape, false_reject):
    with pytest.raises(Refused, match=f"got {escape} and {false_reject}"):
        Prices(escape, false_reject)


def test_labelled_by_hand():
    found = costs_of_labelled(Prices(100, 1), np.array([1, 2, 3, 4]), np.array([3, 9]), defect_share=0.1)
    assert found.limits[1:].tolist() == [1, 2, 3, 4, 9] and found.limits[0] < 1
    assert found.false_rejects == pytest.approx([900, 675, 450, 225, 0, 0])
    assert found.escapes == pytest.approx([0, 0, 0, 50, 50, 100])
    assert found.cost == pytest.approx([900, 675, 450, 5225, 5000, 10000])
    assert (found.best, found.best_limit, found.defect_share) == (2, 2.0, 0.1)


def test_unlabelled_by_hand():
    normals = np.array([1, 2, 3, 4])
    scores = np.array([1, 2, 3, 4, 9, 9])
    found = costs_of_unlabelled(Prices(1, 1), normals, scores, share_of_good=4 / 6)
    assert found.best_limit == 4  # both defects found, no good part lost
    assert found.false_rejects == pytest.approx(np.array([4, 3, 2, 1, 0, 0]) * 1000 / 6)
    assert found.escapes == pytest.approx(np.array([0, 0, 0, 0, 0, 2]) * 1000 / 6, abs=1e-9)
    estimated = costs_of_unlabelled(Prices(1, 1), normals, np.array([1, 2, 5, 5, 9, 9]))
    assert estimated.defect_share == pytest.approx(1 / 3)  # p-values 1, 0.8 and four of 0.2: two thirds are good


@given(some_scores, some_scores, st.floats(0, 1), prices)
def test_labelled_costs_are_what_counting_gives(good, defects, share, prices):
    found = costs_of_labelled(prices, good, defects, share)
    for limit, cost in zip(found.limits, found.cost, strict=True):
        false_reject = (1 - share) * sum(s > limit for s in good.tolist()) / len(good)
        escape = share * sum(s <= limit for s in defects.tolist()) / len(defects)
        assert cost == pytest.approx(1000 * (prices.escape * escape + prices.false_reject * false_reject), abs=1e-6)
    assert found.cost[found.best] == pytest.approx(found.cost.min(), abs=1e-6)
    assert (found.false_rejects[0], found.escapes[0]) == pytest.approx((1000 * (1 - share), 0))
    assert (found.false_rejects[-1], found.escapes[-1]) == pytest.approx((0, 1000 * share))


@given(some_scores, some_scores, st.none() | st.floats(0, 1), prices)
def test_unlabelled_costs_stay_in_their_range(normals, scores, share, prices):
    found = costs_of_unlabelled(prices, normals, scores, share)
    assert (np.diff(found.limits) > 0).all() and (found.cost >= -1e-9).all()
    assert (found.escapes >= -1e-9).all() and (found.escapes <= 1000 * found.defect_share + 1e-9).all()
    assert found.escapes[-1] == pytest.approx(1000 * found.defect_share)
    assert (np.diff(found.false_rejects) <= 1e-9).all()


def test_the_dearer_the_escape_the_lower_the_limit():
    rng = np.random.default_rng(0)
    good, defects = rng.normal(size=900), rng.normal(2, size=100)
    limits = [costs_of_labelled(Prices(price, 1), good, defects, 0.1).best_limit for price in (1, 10, 100)]
    assert limits[0] > limits[1] > limits[2]
    hidden = [
        costs_of_unlabelled(Prices(price, 1), rng.normal(size=2000), np.concatenate([good, defects])).best_limit
        for price in (1, 10, 100)
    ]
    assert hidden[0] > hidden[1] > hidden[2]


def test_free_mistakes():
    good, defects = np.array([1.0, 2]), np.array([2.0, 3])
    assert costs_of_labelled(Prices(0, 1), good, defects, 0.5).best_limit == 3  # flag nothing
    assert costs_of_labelled(Prices(1, 0), good, defects, 0.5).best_limit == 1  # every limit that lets no defect pass
    assert costs_of_unlabelled(Prices(0, 1), good, defects).best_limit == 3


def test_the_lowest_limit_flags_every_float32_score():
    scores = np.zeros(3, np.float32)
    found = costs_of_labelled(Prices(1, 1), scores, scores, 0.5)
    assert (scores > found.limits[0].item()).all() and len(found.limits) == 2


def test_not_defined_where_a_side_is_missing():
    some, none = np.ones(2), np.empty(0)
    assert costs_of_labelled(Prices(1, 1), some, none, 0.1) is None
    assert costs_of_labelled(Prices(1, 1), none, some, 0.1) is None
    assert costs_of_unlabelled(Prices(1, 1), some, none) is None
    assert costs_of_unlabelled(Prices(1, 1), none, some) is None


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_shares_and_scores_out_of_range_are_refused(share):
    with pytest.raises(Refused, match=f"the share of defects as a share from 0 to 1.*got {share}"):
        costs_of_labelled(Prices(1, 1), np.ones(1), np.ones(1), share)
    with pytest.raises(Refused, match=f"the share of good parts as a share from 0 to 1.*got {share}"):
        costs_of_unlabelled(Prices(1, 1), np.ones(1), np.ones(1), share)
    with pytest.raises(Refused, match="finite"):
        costs_of_labelled(Prices(1, 1), np.array([1, np.nan]), np.ones(1), 0.5)
