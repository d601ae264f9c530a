"""Which part of a picture counts: worked by hand, against another way to ask where points lie, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from dn2core.detect.mask import (
    MOST_POINTS,
    MOST_SHAPES,
    as_shapes,
    check_leaves_some,
    looked_at,
    share_looked_at,
    some_left,
)
from dn2core.errors import Refused


def rectangle(left, top, right, bottom, kind="ignore"):
    return (kind, ((left, top), (right, top), (right, bottom), (left, bottom)))


def drawn(mask, rows, columns):
    return ["".join(".#"[cell] for cell in row) for row in looked_at(as_shapes(mask), rows, columns).tolist()]


@pytest.mark.parametrize(
    ("mask", "cells"),
    [
        ([], ["###", "###"]),
        ([rectangle(0, 0, 1, 0.5)], ["...", "###"]),
        ([rectangle(0, 0, 1, 0.5, "only")], ["###", "..."]),
        ([rectangle(0, 0, 1, 0.5, "only"), rectangle(0, 0, 1 / 3, 1)], [".##", "..."]),
        ([rectangle(0, 0, 1 / 3, 0.5, "only"), rectangle(2 / 3, 0.5, 1, 1, "only")], ["#..", "..#"]),
        ([rectangle(0, 0, 1 / 6, 1)], ["###", "###"]),  # half a cell is left, and half is enough
        ([rectangle(0, 0, 0.2, 1)], [".##", ".##"]),
        ([rectangle(0, 0, 0.1, 1), rectangle(0.1, 0, 0.2, 1)], [".##", ".##"]),  # together more than half of a cell
        ([rectangle(0, 0, 1 / 9, 1, "only"), rectangle(1 / 9, 0, 2 / 9, 1, "only")], ["#..", "#.."]),
        # Row by row the shares that lie in it are 1.00, 0.70, 0.10 and 0.37, 0.00, 0.00.
        ([("only", [(0, 0), (0.85, 0), (0, 0.85)])], ["##.", "..."]),
    ],
)
def test_cells_that_count_worked_by_hand(mask, cells):
    assert drawn(mask, 2, 3) == cells


def test_a_polygon_that_crosses_itself_is_filled_by_the_even_odd_rule():
    turns = 4 * np.pi / 5 * np.arange(5)
    star = as_shapes([("ignore", (0.5 + 0.5 * np.stack([np.sin(turns), -np.cos(turns)], axis=1)).tolist())])
    looked = looked_at(star, 5, 5)
    assert looked[2, 2] and not looked[1, 2]  # the pentagon in the middle, and the arm above it


@given(st.integers(0, 2**32), st.integers(3, 12), st.integers(1, 6), st.integers(1, 6))
def test_the_same_points_as_scikit_image_finds_in_a_polygon(seed, corners, rows, columns):
    polygon = np.random.default_rng(seed).random((corners, 2))
    y, x = ((np.arange(8 * n) + 0.5) / (8 * n) for n in (rows, columns))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    inside = points_in_poly(grid, polygon).reshape(rows, 8, columns, 8).mean(axis=(1, 3))
    points = tuple(map(tuple, polygon.tolist()))
    assert np.array_equal(looked_at((("only", points),), rows, columns), inside >= 0.5)
    assert np.array_equal(looked_at((("ignore", points),), rows, columns), inside <= 0.5)


@given(st.integers(0, 2**32))
def test_a_grid_over_a_part_sees_what_the_whole_grid_sees_there(seed):
    rng = np.random.default_rng(seed)
    mask = as_shapes([(kind, rng.random((5, 2)).tolist()) for kind in ("only", "ignore", "only")])
    whole = looked_at(mask, 8, 12)
    assert np.array_equal(looked_at(mask, 4, 3, (0.25, 0.125, 0.5, 0.625)), whole[1:5, 3:6])


def test_the_share_is_the_area():
    triangle = [(0, 0), (1, 0), (0, 1)]
    assert share_looked_at(()) == 1
    assert share_looked_at(as_shapes([("ignore", triangle)])) == pytest.approx(0.5, abs=0.002)
    assert share_looked_at(as_shapes([rectangle(0.25, 0.5, 0.75, 0.75, "only")])) == pytest.approx(0.125, abs=0.002)


def test_a_mask_outlasts_json():
    mask = as_shapes([rectangle(0.1, 0.2, 1 / 3, 0.9), ("only", [[0, 0], [1, 0], [0.5, 1]])])
    assert as_shapes(json.loads(json.dumps(mask))) == as_shapes(mask) == mask
    assert hash(mask) and mask[0][1][0] == (0.1, 0.2) and mask[1][1][2] == (0.5, 1.0)


def test_a_point_hardly_beyond_the_edge_is_taken_to_it():
    assert as_shapes([rectangle(-0.0005, 0, 1.0005, 1)]) == (rectangle(0.0, 0.0, 1.0, 1.0),)


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        ("ignore", "MASK_FORM"),
        (["ignore"], "MASK_FORM"),
        ([("ignore", 3)], "MASK_FORM"),
        ([("hide", [(0, 0), (1, 0), (0, 1)])], "MASK_KIND"),
        ([([], [(0, 0), (1, 0), (0, 1)])], "MASK_KIND"),
        ([("ignore", [(0, 0), (1, 0)])], "MASK_POINTS"),
        ([("ignore", [(0, 0)] * (MOST_POINTS + 1))], "MASK_POINTS"),
        ([("ignore", [(0, 0), (1, 0), (0, 1.01)])], "MASK_POINT"),
        ([("ignore", [(0, 0), (1, 0), (0, float("nan"))])], "MASK_POINT"),
        ([("ignore", [(0, 0), (1, 0), (float("-inf"), 1)])], "MASK_POINT"),
        ([("ignore", [(0, 0), (1, 0), (0, "1")])], "MASK_POINT"),
        ([("ignore", [(0, 0), (1, 0), (0, 1, 1)])], "MASK_POINT"),
        ([("ignore", [(0, 0), (0.5, 0.5), (1, 1)])], "MASK_FLAT"),
        ([("only", [(0.3, 0.3)] * 4)], "MASK_FLAT"),
        ([rectangle(0, 0, 1, 1)] * (MOST_SHAPES + 1), "MASK_TOO_MANY"),
    ],
)
def test_what_is_no_mask_is_refused(mask, code):
    with pytest.raises(Refused) as refused:
        as_shapes(mask)
    assert refused.value.code == code and "{" not in str(refused.value)


def test_a_mask_that_hides_everything_is_refused():
    for mask in ([rectangle(0, 0, 1, 1)], [rectangle(0.1, 0.1, 0.11, 0.11, "only")]):
        with pytest.raises(Refused, match="nothing would be left"):
            check_leaves_some(as_shapes(mask))
    check_leaves_some(as_shapes([rectangle(0, 0, 1, 0.97)]))
    looked = looked_at(as_shapes([rectangle(0, 0, 0.5, 1)]), 2, 2)
    assert some_left(looked) is looked
    with pytest.raises(Refused, match="hides the whole picture"):
        some_left(looked[:, :1])
