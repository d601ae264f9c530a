"""Heat over a picture: one colour means one thing in every picture, and lines enclose what lies above the limit."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.color import deltaE_cie76, rgb2lab
from skimage.measure import points_in_poly

from dn2core.explore import heatmap
from dn2core.explore.heatmap import (
    Region,
    crop_box,
    difference,
    difference_legend,
    difference_picture,
    heat,
    heat_over,
    legend,
    outlines,
    worst_region,
)

NAN = np.nan
MAPS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7),
    elements=st.integers(0, 8).map(float) | st.just(NAN),
)


def flat(value: float, shape=(3, 4)) -> np.ndarray:
    return np.full(shape, value, np.float32)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def drawn(value: float, limit: float) -> tuple[int, ...]:
    """The one colour of a map that is the same everywhere."""
    colours = np.unique(heat(flat(value), limit, (4, 3), longest=4).reshape(-1, 4), axis=0)
    assert len(colours) == 1
    return tuple(colours[0].tolist())


# the colours


@pytest.mark.parametrize(
    ("value", "colour"),
    [(0, "#0072B2"), (1, "#0072B2"), (2, "#EEEEEE"), (2.5, "#E7A98A"), (3, "#D55E00"), (400, "#D55E00")],
)
def test_the_middle_of_the_scale_is_the_limit_and_its_ends_lie_half_a_limit_away(value, colour):
    assert drawn(value, 2.0)[:3] == rgb(colour)


def test_the_scale_is_fixed_however_the_rest_of_the_picture_looks():
    quiet, loud = flat(1.2, (9, 9)), flat(1.2, (9, 9))
    loud[8, 8] = 50
    size = (90, 90)
    assert (heat(quiet, 1.0, size)[:200, :200] == heat(loud, 1.0, size)[:200, :200]).all()


@given(st.integers(0, 16), st.sampled_from([0.25, 1.0, 8.0]))
def test_twice_the_limit_halves_the_place_on_the_scale(eighths, limit):
    value = eighths / 8 * limit
    assert drawn(value, limit) == drawn(2 * value, 2 * limit) == drawn(value / 2, limit / 2)


@given(MAPS)
def test_below_the_limit_nothing_turns_warm_and_at_three_quarters_of_it_all_is_cool_and_faint(distances):
    assume(not np.isnan(distances).all())
    over = heat(distances, float(np.nanmax(distances)) + 0.001, (31, 17), longest=64).astype(int)
    assert (over[..., 0] <= over[..., 2]).all()
    below = heat(distances, float(np.nanmax(distances)) / 0.75 + 0.001, (31, 17), longest=64).astype(int)
    shown = below[~np.isin(below[..., 3], [90, 120])]
    assert (shown[:, 0] < shown[:, 2]).all() and (shown[:, 3] <= 18).all()


def test_opacity_rises_with_the_distance_and_leaps_at_the_limit():
    alphas = [drawn(value, 1.0)[3] for value in (0, 0.75, 0.99, 1.1, 1.5)]
    assert alphas == sorted(alphas) and alphas[0] == 0 and alphas[2] < 255 / 7 and alphas[3] > 255 / 3


def oklab(colour: str) -> np.ndarray:
    """Oklab of an sRGB colour, after Ottosson (2020)."""
    c = np.array(rgb(colour)) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    opponent = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return opponent @ np.cbrt(cones @ linear)


def test_equal_steps_of_the_scale_look_equal():
    colours = [oklab(stop.colour) for stop in legend()]
    steps = np.linalg.norm(np.diff(colours, axis=0), axis=1)
    for arm in (steps[:4], steps[4:]):
        assert arm == pytest.approx(arm.mean(), rel=0.03)


def test_the_legend_tells_the_scale_that_is_drawn():
    stops = legend()
    assert [(stop.at, stop.word) for stop in stops if stop.word] == [
        (0, "half the limit or less"),
        (0.5, "limit"),
        (1, "1.5 times or more"),
    ]
    for stop in stops:
        assert drawn((0.5 + stop.at) * 3.0, 3.0)[:3] == rgb(stop.colour)


def test_the_picture_keeps_its_aspect_and_the_longer_side_its_length():
    assert heat(flat(1), 1.0, (4000, 3000)).shape == (480, 640, 4)
    assert heat(flat(1), 1.0, (30, 60)).shape == (640, 320, 4)
    assert heat(flat(1), 1.0, (10_000, 1), longest=100).shape == (1, 100, 4)


@given(MAPS)
@settings(deadline=None)
def test_each_cell_has_its_own_colour_at_its_centre(distances):
    rows, columns = distances.shape
    over = heat(distances, 4.0, (columns * 5, rows * 5), longest=5 * max(rows, columns))
    for (row, column), value in np.ndenumerate(distances):
        seen = tuple(over[5 * row + 2, 5 * column + 2].tolist())
        assert seen in heatmap._HATCH if np.isnan(value) else seen == drawn(value, 4.0)


def test_nothing_between_two_cells_lies_beyond_both():
    distances = np.array([[0, 0, 1, 1, 0, 1]], np.float32)
    fine = heatmap._smooth(distances.astype(float), (1, 600))
    assert fine.min() == 0 and fine.max() == 1
    assert (np.diff(fine[0, 150:250]) >= 0).all() and (np.diff(fine[0, 350:450]) <= 0).all()


def test_hidden_cells_are_hatched_in_grey_and_say_nothing():
    distances = flat(0.5, (2, 2))
    distances[0, 0] = NAN
    over = heat(distances, 1.0, (60, 60), longest=60)
    assert {tuple(one) for one in over[:30, :30].reshape(-1, 4).tolist()} == set(heatmap._HATCH)
    rest = np.ones((60, 60), bool)
    rest[:30, :30] = False
    assert (over[rest] == drawn(0.5, 1.0)).all()  # as if the hidden cell were not there
    everything = heat(flat(NAN), 1.0, (60, 60))
    assert {tuple(one) for one in everything.reshape(-1, 4).tolist()} == set(heatmap._HATCH)


def test_a_limit_of_zero_marks_whatever_is_above_it():
    assert drawn(0, 0.0)[:3] == rgb("#0072B2") and drawn(1e-6, 0.0)[:3] == rgb("#D55E00")


@pytest.mark.parametrize("limit", [NAN, -1.0])
def test_without_a_limit_there_is_no_scale(limit):
    for ask in (lambda: heat(flat(1), limit, (4, 3)), lambda: outlines(flat(1), limit)):
        with pytest.raises(ValueError, match="expected a limit"):
            ask()


def test_a_map_has_two_axes():
    with pytest.raises(ValueError, match="rows and columns"):
        heat(np.zeros(3), 1.0, (4, 3))
    with pytest.raises(ValueError, match="rows and columns"):
        heat(np.zeros((0, 3)), 1.0, (4, 3))


# the lines


def inside(lines, shape) -> np.ndarray:
    """Which cells have their centre inside of an odd number of the lines."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns]
    centres = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=2).reshape(-1, 2)
    counts = sum((points_in_poly(centres, line).astype(int) for line in lines), np.zeros(len(centres), int))
    return (counts % 2 == 1).reshape(shape)


@given(MAPS, st.integers(0, 8))
@settings(deadline=None)
def test_lines_enclose_exactly_the_cells_above_the_limit(distances, below):
    lines = outlines(distances, below + 0.5)
    assert (inside(lines, distances.shape) == (distances > below + 0.5)).all()
    for line in lines:
        assert (line[0] == line[-1]).all() and line.min() >= 0 and line.max() <= 1


def test_a_region_at_the_border_is_closed_along_it():
    distances = flat(0, (4, 4))
    distances[:, :2] = 2
    (line,) = outlines(distances, 1.0)
    assert line[:, 0].min() == 0 and line[:, 1].min() == 0 and line[:, 1].max() == 1
    assert line[:, 0].max() == pytest.approx(0.5, abs=0.0005)  # half-way from 2 to 0 lies the limit


def test_a_map_that_is_the_same_everywhere_is_above_as_a_whole_or_not_at_all():
    assert outlines(flat(1), 1.0) == () and outlines(flat(NAN), 1.0) == ()
    (line,) = outlines(flat(1.5), 1.0)
    assert line.min() == 0 and line.max() == 1 and inside([line], (3, 4)).all()
    (line,) = outlines(flat(1e-9, (1, 1)), 0.0)
    assert inside([line], (1, 1)).all()


# the place


def test_the_worst_region_holds_the_peak_and_all_that_touches_it():
    distances = np.array(
        [
            [3, 0, 0, 0, 0],
            [0, 0, 2, 0, 0],
            [0, 0, 0, 5, 0],
            [0, 0, 0, 2, 1],
        ],
        np.float32,
    )
    assert worst_region(distances, 1.0) == Region(2 / 5, 1 / 4, 4 / 5, 1, 3.5 / 5, 2.5 / 4, 5.0, 3 / 20)


def test_where_nothing_is_above_the_limit_it_is_the_peak_and_its_neighbours():
    distances = flat(0.1, (4, 5))
    distances[0, 3] = 0.9
    expected = Region(2 / 5, 0, 1, 2 / 4, 3.5 / 5, 0.5 / 4, pytest.approx(0.9), 6 / 20)
    assert worst_region(distances, 1.0) == expected
    assert worst_region(distances, NAN) == expected
    distances[0, 2] = NAN  # hidden: no part of the area
    assert worst_region(distances, 1.0).area == 5 / 20


def test_tiny_maps_have_a_worst_region_and_hidden_ones_none():
    assert worst_region(flat(2, (1, 1)), 1.0) == Region(0, 0, 1, 1, 0.5, 0.5, 2.0, 1.0)
    assert worst_region(flat(1, (1, 1)), 1.0) == Region(0, 0, 1, 1, 0.5, 0.5, 1.0, 1.0)
    assert worst_region(flat(NAN), 1.0) is None


@given(MAPS, st.integers(0, 8))
def test_the_worst_region_lies_in_the_picture_around_its_peak(distances, below):
    assume(not np.isnan(distances).all())
    region = worst_region(distances, below + 0.5)
    assert 0 <= region.left < region.x < region.right <= 1 and 0 <= region.top < region.y < region.bottom <= 1
    assert region.value == np.nanmax(distances) and 0 < region.area <= 1
    rows, columns = distances.shape
    assert distances[int(region.y * rows), int(region.x * columns)] == region.value
    assert all(type(one) is float or type(one) is int for one in astuple(region))


def region(left: float, top: float, right: float, bottom: float) -> Region:
    return Region(left, top, right, bottom, 0.5, 0.5, 1.0, 0.1)


def test_a_crop_is_a_square_around_its_region():
    assert crop_box(region(0.45, 0.4, 0.55, 0.5), 1000, 500, 64) == (420, 145, 580, 305)  # 1.6 x 100 pixels
    assert crop_box(region(0.5, 0.5, 0.5, 0.5), 1000, 500, 64) == (468, 218, 532, 282)


def test_a_crop_ends_where_the_picture_ends():
    assert crop_box(region(0.9, 0.9, 1, 1), 100, 100, 40) == (60, 60, 100, 100)
    assert crop_box(region(0, 0.4, 1, 0.5), 300, 100, 40) == (0, 0, 300, 100)
    assert crop_box(region(0, 0, 1, 1), 1, 1, 40) == (0, 0, 1, 1)


@given(*[st.floats(0, 1)] * 4, st.integers(1, 400), st.integers(1, 400), st.integers(0, 200))
def test_a_crop_holds_its_region_and_has_pixels(x1, y1, x2, y2, width, height, least):
    one = region(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    left, top, right, bottom = crop_box(one, width, height, least)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert left <= one.left * width + 1 and right >= one.right * width - 1
    assert top <= one.top * height + 1 and bottom >= one.bottom * height - 1
    assert right - left >= min(least, width) and bottom - top >= min(least, height)


# the difference


def picture(seed: int = 0, height: int = 60, width: int = 80) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 160, (height, width, 3), dtype=np.uint8)


def test_a_picture_differs_from_itself_by_nothing():
    apart = difference(picture(), picture())
    assert apart.shape == (60, 80) and apart.dtype == np.float32 and (apart == 0).all()


def test_the_light_is_evened_out_and_a_spot_stays():
    normal = np.full((60, 80, 3), 100, np.uint8)
    image = np.full((60, 80, 3), 130, np.uint8)
    image[20:30, 30:40] = (200, 80, 60)
    apart = difference(image, normal)
    expected = deltaE_cie76(rgb2lab(np.uint8([[[200, 80, 60]]])), rgb2lab(np.uint8([[[130, 130, 130]]])))
    assert apart[25, 35] == pytest.approx(expected[0, 0], rel=0.01)
    assert apart[:15].max() < 0.01 and apart[45:].max() < 0.01


def test_another_size_is_brought_to_the_images():
    small = np.full((30, 40, 3), 100, np.uint8)
    assert difference(picture(), small).shape == (60, 80)
    assert difference(small, picture()).shape == (30, 40)
    assert difference(np.zeros((900, 1600, 3), np.uint8), small).shape == (360, 640)


def test_the_colours_of_the_difference_are_fixed_and_told():
    apart = np.array([[0, heatmap.MOST_DIFFERENT, 900]], np.float32)
    assert difference_picture(apart).tolist() == [[list(rgb("#00224E")), *[list(rgb("#FEE838"))] * 2]]
    stops = difference_legend()
    assert (stops[0].word, stops[-1].word) == ("alike", "very different")
    for stop in stops:
        seen = difference_picture(np.array([[stop.at * heatmap.MOST_DIFFERENT]]))
        assert np.abs(seen[0, 0].astype(int) - rgb(stop.colour)).max() <= 1


# on paper


def test_a_picture_under_its_heat_changes_where_it_is_unusual():
    under = np.full((60, 90, 3), 90, np.uint8)
    distances = flat(0, (6, 9))
    assert (heat_over(under, distances, 1.0) == under).all()
    distances[2:4, 2:4] = 2
    over = heat_over(under, distances, 1.0)
    assert over.shape == under.shape and over.dtype == np.uint8
    red, _, blue = over[30, 30].astype(int)
    assert red > blue + 60
    assert (over == 255).all(axis=2).any() and (over[:, 60:] == 90).all()
    assert not (heat_over(under, distances, 1.0, outlined=False) == 255).all(axis=2).any()
