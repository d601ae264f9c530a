"""Lots that differ by more than chance, by hand; lots drawn at random."""

import numpy as np
import pytest

from dn2core.detect import Bank, forecast, limit_for
from dn2core.detect.lot_difference import drawn_lots, lot_difference
from dn2core.detect.lots import leave_one_lot_out

SCORES = np.arange(100, dtype=np.float32)
HIGHER = np.concatenate([np.arange(50), np.arange(50) + 90]).astype(np.float32)
LOTS = np.repeat([0, 1], 50)


def test_a_difference_by_hand():
    limit = limit_for(SCORES, 0.05)
    found = lot_difference(limit, HIGHER, LOTS, SCORES)
    assert (found.limit, found.images.above, found.lots.above, found.chance.above) == (95, 4, 44, 4)
    assert found.images == limit.forecast and found.lots.expected == pytest.approx(45 / 101)
    assert found.lots == forecast(HIGHER, 95, LOTS) and found.chance == forecast(SCORES, 95)
    assert found.matters


@pytest.mark.parametrize(
    ("by_lots", "by_drawn", "matters"),
    [
        (SCORES, SCORES, False),
        (HIGHER, HIGHER, False),  # fewer normals to compare with do the same
        (SCORES + 4, SCORES, False),  # 8 above: the forecast by images, 4 of 100, reaches up to 9.9 %
        (SCORES + 6, SCORES, True),
        (SCORES + 6, SCORES + 2, False),  # 6 above, with an interval up to 12.6 %; 11 of 101 are within it
    ],
)
def test_what_matters_lies_beyond_both_intervals(by_lots, by_drawn, matters):
    assert lot_difference(limit_for(SCORES, 0.05), by_lots, LOTS, by_drawn).matters is matters


def test_lots_drawn_at_random_have_the_same_sizes():
    bank = Bank(np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32))
    lots = np.repeat([0, 1, 2], [25, 10, 5])
    drawn = drawn_lots(bank, lots, 3)
    assert np.array_equal(np.bincount(drawn.lots), [25, 10, 5]) and not np.array_equal(drawn.lots, lots)
    assert np.array_equal(drawn.found.distances, leave_one_lot_out(bank, drawn.lots, 3).distances)
