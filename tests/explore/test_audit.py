"""The reference audit against counting by hand, and against banks from which a normal is truly gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skew

from dn2core.detect import Bank, form_scores, leave_one_out
from dn2core.errors import Refused
from dn2core.explore.audit import audit, removal_effects

LINE = Bank(np.array([[0.0], [1.0], [2.5], [9.0]]))


def test_a_line_of_four_by_hand():
    found = LINE.search(np.array([[0.2], [1.1], [1.2]]), 4)
    seen = audit(leave_one_out(LINE, 3), found, 1)
    assert seen.occurrences.tolist() == [1, 2, 1, 0]
    assert seen.used.tolist() == [1, 2, 0, 0]
    assert seen.hubs.tolist() == [1, 0, 2, 3]
    assert seen.never_used.tolist() == [3]


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 6))
def test_occurrences_are_counted_row_by_row(seed, n, k):
    rng = np.random.default_rng(seed)
    bank = Bank(rng.normal(size=(n, 3)))
    loo = leave_one_out(bank, 6)
    counts = [sum(row in others for others in loo.indices[:, :k].tolist()) for row in range(n)]
    seen = audit(loo, None, k)
    assert seen.occurrences.tolist() == counts
    assert seen.occurrences.sum() == n * min(k, n - 1)
    assert seen.used.tolist() == [0] * n
    if len(set(counts)) > 1:
        assert seen.skewness == pytest.approx(skew(counts))
    else:
        assert seen.skewness == 0


def test_a_hub_makes_the_occurrences_skew():
    around = np.eye(20)
    assert audit(leave_one_out(Bank(np.vstack([np.zeros((1, 20)), around])), 1), None, 1).skewness > 4


@pytest.mark.parametrize("form", ["mean", "kth"])
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12), k=st.integers(1, 5))
def test_effects_are_those_of_banks_without_each_normal(form, seed, n, k):
    rng = np.random.default_rng(seed)
    # Whole numbers: many equal distances, and copies.
    bank, queries = Bank(rng.integers(0, 4, (n, 2))), rng.integers(0, 5, (15, 2)).astype(float)
    found, loo = bank.search(queries, k + 1), leave_one_out(bank, k)
    before = form_scores(form, found, loo, k)
    limit = float(np.median(before))
    effects = removal_effects(form, found, loo, k, limit)
    for row in range(n):
        less = bank.changed(np.arange(n) != row)
        after = form_scores(form, less.search(queries, k), None, k)
        assert effects.turned[row] == ((after > limit) != (before > limit)).sum()
        assert effects.largest[row] == pytest.approx(np.abs(after - before).max(), rel=1e-6)


def test_density_takes_the_other_normals_own_scores_as_they_are():
    bank, queries, k = Bank(np.array([[0.0], [1.0], [3.0], [10.0]])), np.array([[0.4]]), 1
    found, loo = bank.search(queries, 2), leave_one_out(bank, 1)
    effects = removal_effects("density", found, loo, k, 0.3)
    # Without the first, the second is nearest: 0.36 over the root of its own score, which is 1 as before.
    assert effects.largest == pytest.approx([0.36 - 0.16, 0, 0, 0], rel=1e-6)
    assert effects.turned.tolist() == [1, 0, 0, 0]


def test_the_only_normal_has_no_effect_that_a_score_could_tell():
    bank = Bank(np.array([[1.0], [2.0]])).changed(np.array([True, False]))
    own = leave_one_out(Bank(np.array([[1.0], [2.0]])), 1)
    alone = type(own)(own.distances[:1, :0], own.indices[:1, :0], 0, 1)
    effects = removal_effects("mean", bank.search(np.array([[5.0]]), 2), alone, 1, 1.0)
    assert (effects.turned.tolist(), effects.largest.tolist()) == ([0], [0.0])


def test_what_cannot_be_told_is_refused():
    found, loo = LINE.search(np.array([[0.2]]), 2), leave_one_out(LINE, 3)
    with pytest.raises(Refused, match="at least 3 neighbours"):
        removal_effects("mean", found, loo, 2, 1.0)
    with pytest.raises(Refused, match="k of at least 1"):
        audit(loo, found, 0)
    with pytest.raises(Refused, match="search again"):
        audit(leave_one_out(Bank(np.eye(2)), 1), LINE.search(np.array([[9.0]]), 2), 2)
    with pytest.raises(Refused, match="score form out of"):
        removal_effects("median", found, loo, 1, 1.0)
