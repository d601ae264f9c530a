"""ROC AUC against counting all pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.errors import Refused
from dn2core.explore import roc_auc

SCORES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=40)


@given(SCORES, SCORES)
def test_counts_pairs_with_ties_as_half(normal, anomalous):
    pairs = np.array(anomalous)[:, None] - np.array(normal)
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert roc_auc(normal, anomalous) == pytest.approx(expected, abs=1e-12)


def test_by_hand():
    assert roc_auc([1, 2], [3, 4]) == 1
    assert roc_auc([3, 4], [1, 2]) == 0
    assert roc_auc([1, 3], [2]) == 0.5
    assert roc_auc([1, 1], [1]) == 0.5


@pytest.mark.parametrize(("normal", "anomalous"), [([], [1]), ([1], []), ([], [])])
def test_one_side_alone_is_not_defined(normal, anomalous):
    assert roc_auc(normal, anomalous) is None


def test_many_pairs_do_not_overflow():
    assert roc_auc(np.zeros(70_000), np.ones(70_000)) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    with pytest.raises(Refused, match="got 1 that are not"):
        roc_auc([1, bad], [2])
