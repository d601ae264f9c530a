"""Scores by lots against brute force: a bank of the other lots, with its own leave-one-out table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dn2core.detect import FORMS, Bank, Found, Reference, ScoreTable, conformal_limit, form_scores, leave_one_out
from dn2core.detect.lot_scores import lot_scores, lot_scores_for_every_k, without_lots
from dn2core.detect.lots import leave_one_lot_out


def brute_force(form, features, lots, k, columns):
    scores = np.empty(len(lots), np.float32)
    for lot in np.unique(lots):
        of_it = lots == lot
        others = Bank(features[~of_it])
        found = others.search(features[of_it], columns)
        scores[of_it] = form_scores(form, found, leave_one_out(others, columns), k)
    return scores


def random_lots(n, d, sizes, seed=0):
    rng = np.random.default_rng(seed)
    lots = rng.permutation(np.repeat(np.arange(len(sizes)), sizes)) * 7 - 3
    return rng.normal(size=(n, d)).astype(np.float32), lots


@st.composite
def lotted(draw):
    n = draw(st.integers(4, 30))
    lots = [*draw(st.lists(st.integers(-1, 4), min_size=n - 4, max_size=n - 4)), 5, 5, 6, 6]
    features = draw(arrays(np.float32, (n, draw(st.integers(1, 3))), elements=st.integers(-2, 2).map(float)))
    return features, np.array(lots)


@settings(max_examples=40, deadline=None)
@given(lotted(), st.sampled_from(list(FORMS)))
def test_equals_a_bank_of_the_others_where_all_neighbours_are_known(case, form):
    features, lots = case
    bank = Bank(features)
    found, loo = leave_one_lot_out(bank, lots, 50), leave_one_out(bank, 50)
    every = lot_scores_for_every_k(form, found, loo, lots)
    assert every.shape == (len(lots), found.k) and every.dtype == np.float32
    for k in range(1, found.k + 1):
        np.testing.assert_allclose(every[:, k - 1], brute_force(form, features, lots, k, 50), rtol=1e-6)
        assert np.array_equal(lot_scores(form, found, loo, lots, k), every[:, k - 1])


@pytest.mark.parametrize("sizes", [[15] * 20, [75, 5, 170, 1, 2, 47], [2] * 150, [150] * 2])
def test_equals_a_bank_of_the_others_where_columns_are_enough(sizes, monkeypatch):
    features, lots = random_lots(300, 5, sizes)
    bank = Bank(features)
    found, loo = leave_one_lot_out(bank, lots, 50), leave_one_out(bank, 50)
    expected = brute_force("density", features, lots, 4, 50)
    assert np.array_equal(lot_scores("density", found, loo, lots, 4), expected)
    monkeypatch.setattr("dn2core.detect.lot_scores._ROWS", 7)  # scored in parts
    assert np.array_equal(lot_scores("density", found, loo, lots, 4), expected)


def test_by_hand():
    """Two lots on a line. For 0 the nearest of the other lot is 2, whose own nearest without 0 and 1 is 5."""
    lots = np.array([0, 0, 1, 1])
    bank = Bank([[0.0], [1.0], [2.0], [5.0]])
    found, loo = leave_one_lot_out(bank, lots, 1), leave_one_out(bank, 3)
    assert lot_scores("density", found, loo, lots, 1).tolist() == pytest.approx([4 / 3, 1 / 3, 1 / 1, 16 / 1])
    assert lot_scores("mean", found, loo, lots, 1).tolist() == [4, 1, 1, 16]


def test_a_row_that_ends_is_filled_up_with_the_mean_of_what_is_left():
    loo = Found(np.array([[1, 2, 6, 8]] * 4, np.float32), np.array([[1, 2, 3, 4]] * 4), 4, 4)
    lots = np.array([0, 1, 2, 1, 2])
    some = without_lots(loo, lots, np.array([3, 0, 0, 1]), np.array([1, 2, 0, 1]))
    assert some.distances.tolist() == [[2, 8, 5, 5], [1, 6, 3.5, 3.5], [1, 2, 6, 8], [2, 8, 5, 5]]
    assert some.indices.tolist() == [[2, 4, -1, -1], [1, 3, -1, -1], [1, 2, 3, 4], [2, 4, -1, -1]]
    assert loo.distances[0].tolist() == [1, 2, 6, 8] and some.distances.dtype == np.float32


def test_a_row_of_one_lot_stays_as_it_is():
    loo = Found(np.array([[1, 3], [1, 2]], np.float32), np.array([[1, 1], [0, 0]]), 2, 2)
    kept = without_lots(loo, np.array([0, 1]), np.array([1, 0]), np.array([0, 1]))
    assert kept.distances.tolist() == [[1, 2], [1, 3]] and kept.indices.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("form", list(FORMS))
def test_a_table_by_lots_judges_by_them(form):
    features, lots = random_lots(90, 4, [30, 50, 10])
    bank = Bank(features)
    loo, found = leave_one_out(bank, 50), bank.search(features[:5] + 1, 50)
    reference = Reference("lots", leave_one_lot_out(bank, lots, 50), lots)
    among = ScoreTable(loo, found, form=form, reference=reference)
    assert among.limits(0.1).shape == (40,) and among.scores.shape == (40, 5)
    for k in (1, 3, 40):
        expected = lot_scores(form, reference.found, loo, lots, k)
        for j in (ScoreTable(loo, found, form=form, reference=reference).judge(k, 0.1), among.judge(k, 0.1)):
            assert np.array_equal(j.reference_scores, expected)
            assert j.limit == conformal_limit(expected, 0.1) == among.limits(0.1)[k - 1]


def test_held_out_images_of_lots_are_compared_with_all_normals():
    """The lots of held-out images are others than the normals', whatever their codes."""
    features, lots = random_lots(60, 4, [20, 20, 20])
    bank, held = Bank(features[:40]), features[40:]
    loo, found = leave_one_out(bank, 39), bank.search(held, 39)
    table = ScoreTable(loo, found, form="density", reference=Reference("held_out", found, lots[40:]))
    assert np.array_equal(table.judge(3, 0.2).reference_scores, form_scores("density", found, loo, 3))
    assert np.array_equal(table.reference_scores[2], form_scores("density", found, loo, 3))


def test_with_many_dimensions_as_many_new_good_parts_are_flagged_as_by_a_bank_of_the_others():
    """Taken with the image's own lot, the neighbours' own scores are too small and the limit is too high."""
    features, lots = random_lots(400, 16, [200, 200])
    bank = Bank(features)
    found, loo = leave_one_lot_out(bank, lots, 50), leave_one_out(bank, 50)
    new = bank.search(np.random.default_rng(1).normal(size=(2000, 16)), 50)
    scores = form_scores("density", new, loo, 5)
    flagged = lambda reference: (scores > conformal_limit(reference, 0.05)).mean()  # noqa: E731
    exact = flagged(brute_force("density", features, lots, 5, 50))
    assert flagged(lot_scores("density", found, loo, lots, 5)) == pytest.approx(exact, abs=0.003)
    assert flagged(form_scores("density", found, loo, 5)) < exact - 0.003
