"""Cleaning: what is unlike the other normals is found, and near-duplicates do not hide each other."""

import numpy as np
import pytest

from dn2core.detect import Bank, clean, near_duplicates, rescored
from dn2core.errors import Refused


def test_what_is_unlike_the_others_is_dropped():
    rng = np.random.default_rng(0)
    bank = Bank(np.concatenate([rng.normal(size=(90, 8)), rng.normal(size=(10, 8)) + 6]))
    assert set(clean(bank, share=0.1).order[:10]) == set(range(90, 100))


def test_a_share_that_is_none_is_refused():
    with pytest.raises(Refused, match="what to drop"):
        clean(Bank(np.eye(5)), share=float("nan"))


def test_copies_are_pairs():
    pairs, distances = near_duplicates(Bank(np.array([[0.0], [5], [0], [5.1]])), 0.2)
    assert pairs.tolist() == [[0, 2], [1, 3]]
    assert distances == pytest.approx([0, 0.1], abs=1e-6)


def test_scored_anew_against_what_is_kept():
    bank = Bank(np.array([[0.0], [1], [3], [10]]))
    assert rescored(bank, np.array([False, False, False, True]), 1).tolist() == [1, 1, 4, 49]
