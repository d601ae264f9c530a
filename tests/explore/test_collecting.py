"""Advice and lonely normals, worked out by hand."""

import numpy as np
import pytest

from dn2core.detect import Bank, leave_one_out
from dn2core.errors import Refused
from dn2core.explore.collecting import advice, least_covered
from dn2core.explore.learning import LearningCurve, Spread, learning_curve


def cloud(n, dim=4, seed=0, at=0.0):
    return (np.random.default_rng(seed).normal(size=(n, dim)) + at).astype(np.float32)


# advice


def curve(usual, area=None, *, sizes=(20, 40, 80), n=100, budget=0.05, labelled=50):
    table = np.array(usual, float)[:, None]
    return LearningCurve(
        n=n,
        used=n,
        k=2,
        budget=budget,
        sizes=np.array(sizes),
        false_alarms=Spread(np.full_like(table, budget)),
        usual_distance=Spread(table),
        roc_auc=None if area is None else Spread(np.array(area, float)[:, None]),
        good=labelled,
        defects=labelled,
    )


def test_of_a_real_curve_without_labels():
    a = advice(learning_curve(cloud(100), budget=0.1, draws=3))
    assert (a.kind, a.reason, a.auc_gained) == ("collect", "distance", None)
    assert advice(learning_curve(np.ones((100, 3)), budget=0.1, draws=2)).distance_fell == 0


@pytest.mark.parametrize(
    ("given_curve", "kind", "reason"),
    [
        (curve([1.2, 1.1, 1.0]), "collect", "distance"),
        (curve([1.2, 1.04, 1.0]), "stop", "flat"),
        (curve([1.2, 1.1, 1.0], [0.9, 0.95, 0.951]), "stop", "flat"),
        (curve([1.2, 1.01, 1.0], [0.9, 0.94, 0.951]), "collect", "separation"),
        (curve([1.2, 1.01, 1.0], [0.9, 0.94, 0.951], labelled=9), "stop", "flat"),
        (curve([1.2, 1.1, 1.0], [0.9, 0.95, 0.951], labelled=9), "collect", "distance"),
        (curve([1.1], sizes=(9,)), "collect", "few"),
        (curve([np.nan] * 3), "stop", "flat"),
        (curve([0, 0, 0]), "stop", "flat"),
    ],
)
def test_the_last_doubling_decides(given_curve, kind, reason):
    a = advice(given_curve)
    assert (a.kind, a.reason, a.more_needed) == (kind, reason, 0)


def test_what_the_last_doubling_brought_by_hand():
    a = advice(curve([1.5, 1.25, 1.0], [0.9, 0.94, 0.95]))
    assert (a.size_from, a.size_to) == (40, 80)
    assert a.distance_fell == pytest.approx(0.2) and a.auc_gained == pytest.approx(0.01)


def test_a_fourfold_step_counts_as_two_doublings():
    a = advice(curve([1.0, 0.81], [0.9, 0.96], sizes=(20, 80)))
    assert (a.size_from, a.size_to) == (20, 80)
    assert a.distance_fell == pytest.approx(0.1) and a.auc_gained == pytest.approx(0.03)


def test_a_budget_that_the_normals_cannot_claim_comes_first():
    a = advice(curve([1.2, 1.04, 1.0], budget=0.01))
    assert (a.kind, a.reason, a.more_needed) == ("collect", "budget", 199), "299 support 1 in 100"


# least covered


def test_the_loneliest_normals_by_hand():
    loo = np.array([[1, 1], [16, 16], [1, 1], [9, 23], [1, 1]], np.float32)
    found = least_covered(loo, np.array([[1, 0], [1, 2], [3, 1], [0, 1]]), count=3)
    assert found.positions.tolist() == [1, 3, 0]
    assert found.multiples.tolist() == [4, 4, 1]
    assert found.visitors.tolist() == [2, 1, 1]
    assert least_covered(loo, k=1, count=2).positions.tolist() == [1, 3]
    assert least_covered(loo).visitors.tolist() == [0] * 5


def test_normals_in_a_sparse_region_are_named_of_a_real_bank():
    normals = np.concatenate([cloud(200), cloud(3, at=20)])
    bank = Bank(normals)
    visits = bank.search(cloud(7, seed=9, at=20), 2).indices
    found = least_covered(leave_one_out(bank, 5).distances, visits, count=3)
    assert set(found.positions) <= {200, 201, 202} | set(np.argsort(-np.abs(normals).max(axis=1))[:6])
    assert least_covered(leave_one_out(bank, 5).distances, visits, k=5, count=3).visitors.sum() == 7


def test_equal_normals_have_no_multiple():
    assert np.array_equal(least_covered(np.zeros((3, 2))).multiples, [1, 1, 1])
    loo = np.array([[0.0], [0], [4]])
    assert np.array_equal(least_covered(loo).multiples, [np.nan, 1, 1], equal_nan=True)


@pytest.mark.parametrize("row", [-1, 3])
def test_neighbours_of_other_normals_are_refused(row):
    with pytest.raises(Refused, match=f"among 3 normals, got row {row}"):
        least_covered(np.ones((3, 2)), np.array([[0], [row]]))


def test_no_column_and_no_k_are_refused():
    with pytest.raises(Refused, match="at least one neighbour"):
        least_covered(np.ones((3, 0)))
    with pytest.raises(Refused, match="k of at least 1"):
        least_covered(np.ones((3, 2)), k=0)
