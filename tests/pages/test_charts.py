"""Figures: the right bars, the limit in its place, one trace of points; areas on a map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from pages.parts import areas
from pages.parts.charts import by_score, by_source, by_verdict, map_figure, score_histogram

NORMAL = np.array([1, 1, 2, 3], np.float32)


def test_bars_are_shares_of_each_group():
    figure = score_histogram(NORMAL, 3.0, 2, scored=np.array([1, 9, 9, 9, 9], np.float32))
    normals, scored = figure.data
    assert [float(np.sum(trace.y)) for trace in (normals, scored)] == [pytest.approx(100), pytest.approx(100)]
    assert np.max(scored.y) == pytest.approx(80) and np.max(normals.y) == pytest.approx(50)
    assert np.argmax(scored.y) == np.flatnonzero(scored.y)[-1]


@pytest.mark.parametrize("limit", [0.5, 1.0, 2.71, 3.0, 9.0, 20.0])
def test_no_bar_straddles_the_limit_and_none_is_lost(limit):
    scored = np.array([1, 2.7, 2.72, 9], np.float32)
    figure = score_histogram(NORMAL, limit, 2, scored=scored)
    for trace, values in zip(figure.data, (NORMAL, scored), strict=True):
        below = trace.x + trace.width / 2 <= limit + 1e-3
        assert float(np.sum(trace.y)) == pytest.approx(100)
        assert float(np.sum(trace.y[below])) == pytest.approx(100 * np.mean(values <= limit))


def test_the_limit_is_a_labelled_line():
    figure = score_histogram(NORMAL, 2.5, 2)
    assert [shape.x0 for shape in figure.layout.shapes] == [2.5]
    assert figure.layout.annotations[0].text == "limit 2.50"
    assert len(score_histogram(NORMAL, float("nan"), 2).layout.shapes) == 0


@pytest.mark.parametrize(("mark", "side"), [(9.0, "left"), (0.5, "right")])
def test_an_image_is_marked_beside_the_limit(mark, side):
    figure = score_histogram(NORMAL, 2.5, 2, mark=mark)
    assert [shape.x0 for shape in figure.layout.shapes] == [2.5, mark]
    assert figure.layout.annotations[1].xanchor == side


@pytest.mark.parametrize("scores", [[], [5.0], [0.0, 0.0], [np.nan, 1.0]])
def test_odd_scores_make_a_figure_too(scores):
    figure = score_histogram(np.array(scores, np.float32), float("nan"), 2)
    assert np.all(np.isfinite(figure.data[0].y)) and np.all(np.isfinite(figure.data[0].x))


def test_colours_by_verdict_name_only_what_is_there():
    colours = by_verdict(np.array(["reject", "pass", "reject"]), 2)
    assert colours.names == ("normal", "pass", "reject")
    assert colours.codes.tolist() == [0, 0, 2, 1, 2]
    assert colours.palette == ("#56B4E9", "#009E73", "#D55E00")


def test_a_pass_that_a_place_flags_is_told_from_the_others_by_colour_and_sign():
    colours = by_verdict(np.array(["review", "place", "pass"]), 1)
    assert colours.names == ("normal", "pass", "flagged by a place", "review")
    assert colours.codes.tolist() == [0, 3, 2, 1] and len(set(colours.palette)) == 4
    assert colours.signs == ("circle", "circle", "triangle-up", "circle")
    figure = map_figure(np.zeros((4, 2)), colours)
    marker = figure.data[0].marker
    assert list(marker.symbol) == ["circle", "circle", "triangle-up", "circle"]
    assert marker.size[2] > marker.size[0] == marker.size[1] == marker.size[3]
    assert [trace.marker.symbol for trace in figure.data[1:]] == list(colours.signs)
    plain = map_figure(np.zeros((4, 2)), by_verdict(np.array(["review", "pass", "pass"]), 1)).data[0].marker
    assert plain.symbol is None and plain.size == marker.size[0]


def test_the_middle_of_the_score_scale_is_the_limit():
    colours = by_score(np.array([0, 1, 4, 400, np.nan]), 1.0)
    assert colours.codes[0] == 0 and colours.codes[2] == colours.codes[3] == 255
    assert colours.codes[1] in (127, 128) and colours.codes[4] in (127, 128)
    assert colours.palette[0] == "#0072B2" and colours.palette[255] == "#D55E00"


def test_without_a_limit_the_scale_is_by_rank():
    assert by_score(np.array([5.0, 1.0, 3.0]), float("nan")).codes.tolist() == [255, 0, 128]


def test_sources_beyond_the_colours_share_the_last():
    colours = by_source([f"batch {i}" for i in range(12)], np.arange(12))
    assert len(colours.palette) == len(colours.names) == 7
    assert colours.codes.tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6]
    assert by_source(["<b>$x$"], np.zeros(2, int)).names == ("&lt;b&gt;&#36;x&#36;",)


def test_the_map_is_one_trace_of_float32_without_hover():
    xy = np.random.default_rng(0).normal(size=(50, 2))
    figure = map_figure(xy, by_verdict(np.array(["pass"] * 30), 20))
    points = figure.data[0]
    assert points.type == "scattergl" and points.hoverinfo == "none"
    assert points.x.dtype == points.y.dtype == np.float32 and len(points.x) == 50
    assert all(list(trace.x) == [None] for trace in figure.data[1:])
    assert [trace.name for trace in figure.data[1:]] == ["normal", "pass"]


@pytest.mark.parametrize("names", [1, 2, 3, 4, 7])
def test_each_code_gets_its_own_colour(names):
    colours = by_source([str(i) for i in range(names)], np.arange(names))
    scale = map_figure(np.zeros((names, 2)), colours).data[0].marker.colorscale
    stops = [stop for stop, _ in scale]
    assert stops[0] == 0 and stops[-1] == 1 and stops == sorted(stops)
    for code in range(names):
        at = code / max(1, names - 1)
        inside = [colour for stop, colour in scale if abs(stop - at) <= 0.5 / max(1, names - 1) + 1e-9]
        assert colours.palette[code] in inside


SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)


def test_points_inside_a_polygon():
    points = np.array([[5, 5], [11, 5], [-1, 5], [5, 12], [0.1, 0.1]], np.float32)
    assert areas.inside(SQUARE, points).tolist() == [True, False, False, False, True]
    dent = np.array([[0, 0], [10, 0], [10, 10], [5, 1], [0, 10]], float)
    assert areas.inside(dent, np.array([[5, 5], [1, 5], [9, 5]], np.float32)).tolist() == [False, True, True]


@pytest.mark.parametrize("polygon", [np.zeros((0, 2)), np.zeros((2, 2)), np.zeros((4, 2))])
def test_no_area_holds_nothing(polygon):
    assert not areas.inside(polygon, np.zeros((3, 2), np.float32)).any()


@given(some.lists(some.tuples(*[some.floats(-1e4, 1e4)] * 2), min_size=3, max_size=400), some.integers(0, 99))
def test_an_area_survives_the_address(corners, seed):
    xy = np.random.default_rng(seed).uniform(-1e4, 1e4, (40, 2)).astype(np.float32)
    word = areas.encode([np.array(corners), SQUARE], xy)
    assert len(word) < 1000 and word.replace("-", "").replace("_", "").replace(".", "").isalnum()
    first, second = areas.decode(word, xy)
    step = areas.frame(xy)[1].max() / areas.STEPS
    assert len(first) == min(len(corners), areas.CORNERS)
    assert np.abs(first[0] - np.array(corners)[0]).max() <= step
    assert np.abs(second - SQUARE).max() <= step


@pytest.mark.parametrize("word", ["", "x", "A" * 5000, "AAAA", "AAAAAAAAAAAAAAAA.!", "ä", "AAAAAA=="])
def test_what_is_no_area_is_none(word):
    assert areas.decode(word, SQUARE.astype(np.float32)) == []


def test_the_grid_keeps_proportions_and_leads_back():
    xy = np.array([[0, 0], [100, 50], [50, 25]], np.float32)
    x, y = areas.to_grid(xy)
    assert x.dtype == y.dtype == np.uint16
    assert x.tolist() == [0, 65535, 32768] and 16380 <= y[0] <= 16390 and 49140 <= y[1] <= 49160
    back = areas.from_grid(np.column_stack([x, y]), xy)
    assert np.abs(back - xy).max() < 0.01
    for degenerate in (np.zeros((3, 2), np.float32), np.zeros((0, 2), np.float32)):
        assert np.isfinite(areas.from_grid(np.column_stack(areas.to_grid(degenerate)), degenerate)).all()
