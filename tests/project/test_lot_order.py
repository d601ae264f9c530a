"""The order of lots: as they came, as people count, or by the date or number in their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dn2core.errors import Refused
from dn2core.project.lot_order import ORDERS, lot_order, natural_key


def ordered(names, by, arrived=None):
    return [names[at] for at in lot_order(names, arrived or [0.0] * len(names), by)]


def test_numbers_in_names_count_as_numbers():
    assert ordered(["lot 10", "lot 9", "Lot 2", "lot 9b"], "name") == ["Lot 2", "lot 9", "lot 9b", "lot 10"]


def test_by_arrival_the_first_come_is_first_and_names_decide_between_equals():
    assert ordered(["c", "b", "a10", "a9"], "arrival", [1.0, 2.0, 3.0, 3.0]) == ["c", "b", "a9", "a10"]


@pytest.mark.parametrize(
    "names",
    [
        ["2023-12-31 Z", "2024-2-7 B", "2024-11-07 A", "2024-11-07 B"],
        ["line 4 of 31.12.2023", "line 1 of 7.11.2024", "line 3 of 8.11.2024"],
        ["x20231231", "a20240101_2", "b20240102_1"],
        ["2024-11-07", "lot 3", "lot 12", "neither"],
        ["s 0.5", "r 1.5", "q 12"],
        ["lot 20249999", "lot 20250000"],  # digits that are no date are a number
    ],
)
def test_dates_and_numbers_in_names_decide_wherever_they_stand(names):
    for shuffled in (names[::-1], sorted(names), names):
        assert ordered(shuffled, "number") == names


@given(some.lists(some.text(max_size=12)), some.sampled_from(ORDERS))
def test_every_lot_has_one_place_whatever_its_name(names, by):
    assert sorted(lot_order(names, [0.0] * len(names), by).tolist()) == list(range(len(names)))


@given(some.text(max_size=8), some.text(max_size=8))
def test_different_names_never_tie(one, other):
    assert (natural_key(one) == natural_key(other)) == (one == other)


def test_an_unknown_order_names_the_known_ones():
    with pytest.raises(Refused, match="arrival, name, number"):
        lot_order(["a"], [0.0], "colour")
